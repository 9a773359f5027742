"""One reply as it comes from LangChain: its pieces, its thoughts apart, why it ended, what it cost."""

from math import inf
from time import monotonic
from typing import Any, Literal

from chains.errors import ModelFailed, StreamCut
from chains.model import Finish, Thought, Usage
from chains.models.stream_pump import Put
from chains.models.token_bound import bound
from chains.thinking import Thoughts

_BEGINNING = 8  # characters
# A reply is closed when it has more bytes than this for each token that it may have, and is past them for sure: English
# has about 4.5 bytes a token, Chinese 4, and neither has 8 over a whole reply with any tokenizer in use.
OVERLONG = 8
MARGIN = 64  # tokens beyond, for a reply so short that one odd word tells
_USUAL = 4  # bytes a token, where nobody counted
_WHY = ("finish_reason", "stop_reason", "done_reason", "status")  # what the packages call it
_LENGTH = {"length", "max_tokens", "max_output_tokens", "incomplete"}
_THINKING = ("thinking", "reasoning")  # kinds of content blocks; their text stands under the same name
_FAILED = {"error", "failed"}
AFTER = 5.0  # seconds that a bill is waited for when the reply has said that it is complete
_FILTERED = {"content_filter", "safety", "prohibited_content", "blocklist", "recitation", "spii"}


class Reply:
    """Feed it the chunks until it is `over`; it puts pieces and Thoughts.

    `max_tokens`: of its text. A model may think more than that, but not more than its `window` (tokens) holds.
    """

    def __init__(self, put: Put, max_tokens: int, window: int) -> None:
        self._max_tokens, self._window = max_tokens, window
        self._came = self._thought_bytes = 0  # bytes, of all and of the thoughts in it
        self._shown = 0  # characters that were put
        self.began = False  # something of it has come: asking again would pay twice
        self.reason = ""  # as the server says it; "" until it does
        self._put, self._thoughts = put, Thoughts()
        self._ended = inf  # when it said that it was complete, by the monotonic clock
        self._halves = {"text": "", "thought": ""}  # of a character that two chunks share
        self._input = self._output = 0  # by the server; 0: it did not say
        self._most = 0  # at most so many tokens came
        self._blank = True
        self._thought = False  # something was thought
        self.begun_with = ""  # the first few visible characters

    def feed(self, chunk: Any) -> None:
        """An AIMessageChunk."""
        text, thought = self._fit("text", str(chunk.text)), self._fit("thought", thought_of(chunk))
        if text or thought:
            self.began = True
            self._most += bound(text + thought)
            self._came += _bytes(text) + _bytes(thought)
        self._think(thought)
        self._show(self._thoughts.feed(text))
        self._think(self._thoughts.news())
        usage = chunk.usage_metadata
        if usage:  # some servers send a running total with every chunk, some the two halves apart
            self._input = max(self._input, _count(usage.get("input_tokens")))
            self._output = max(self._output, _count(usage.get("output_tokens")))
        for name in _WHY:
            said = chunk.response_metadata.get(name)
            if isinstance(said, str) and said not in ("", "in_progress"):
                self.reason = self.reason or said.lower()
                self._ended = min(self._ended, monotonic())

    def _fit(self, which: str, text: str) -> str:
        """What came as characters: one beyond the first 65,536 is two halves in JSON, which a server may send apart."""
        text, self._halves[which] = self._halves[which] + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._halves[which] = text[:-1], text[-1]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    @property
    def over(self) -> bool:
        """Whether nothing more is waited for: it said that it was complete a while ago, or is far too long."""
        return self.overlong or monotonic() - self._ended > AFTER

    @property
    def overlong(self) -> bool:
        """Whether it is well past its longest: the server does not keep to max_tokens, and may never end."""
        return (
            self._came - self._thought_bytes > OVERLONG * (self._max_tokens + MARGIN)
            or self._thought_bytes > OVERLONG * (self._window + MARGIN)
        )

    def finish(self, model: str, needed: int) -> Finish:
        """After the last chunk, or when it is overlong. `needed`: the prompt's tokens as counted before, for a server
        that sends no usage, or one that cannot be: a prompt longer than the window, a reply longer than that and than
        all that came, or shorter than what came can be.

        Raises StreamCut where the server never said that the reply was complete.
        """
        self._show(self._thoughts.close())
        self._think(self._thoughts.news())
        self._input = self._input if self._input <= self._window else 0
        if self._output > max(self._window, self._most) or self._came > OVERLONG * (self._output + MARGIN):
            self._output = 0
        if self.overlong:
            self.reason = "length"
        if not self.reason:
            raise StreamCut(detail="the server never said that the reply was complete")
        if self.reason in _FAILED:
            raise ModelFailed(model=model, detail="the server says that it could not finish the reply")
        if self.reason in _FILTERED:
            raise ModelFailed(model=model, detail=f"the provider's content filter broke off the reply: {self.reason}")
        reason: Literal["stop", "length"] = "length" if self.reason in _LENGTH else "stop"
        if self._came > OVERLONG * (self._max_tokens + MARGIN):  # it did not keep to it, so it proves nothing
            estimate = -(-self._came // _USUAL)
        else:
            estimate = min(self._most, self._max_tokens)
        return Finish(reason, Usage(self._input or needed, self._output or estimate), self._output)

    @property
    def only_thoughts(self) -> bool:
        """Whether there was nothing but thinking in it."""
        return self._blank and (self._thought or self._thoughts.seen)

    @property
    def input_tokens(self) -> int:
        """What the server counted, 0 where it did not say; after `finish` also where it cannot be."""
        return self._input

    def _think(self, text: str) -> None:
        if text:
            self._thought = True
            self._thought_bytes += _bytes(text)
            self._put(Thought(text))

    def _show(self, text: str) -> None:
        text = text[: OVERLONG * (self._max_tokens + MARGIN) - self._shown]  # one piece can be longer than all may be
        self._shown += len(text)
        self._blank = self._blank and not text.strip()
        if len(self.begun_with) < _BEGINNING:
            self.begun_with = (self.begun_with + text).lstrip()[:_BEGINNING]
        if text:  # a chunk that says nothing is silence, which has its limit
            self._put(text)


def thought_of(chunk: Any) -> str:
    """What an AIMessageChunk carries of thinking that its provider keeps apart from the text."""
    beside = chunk.additional_kwargs.get("reasoning_content")
    found = [beside] if isinstance(beside, str) else []
    for block in chunk.content if isinstance(chunk.content, list) else ():
        if isinstance(block, dict) and block.get("type") in _THINKING:
            said = block.get(block["type"])
            found += [said] if isinstance(said, str) else []
    return "".join(found)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
