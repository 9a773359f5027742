"""One reply as it comes from LangChain: its pieces, its thoughts apart, why it ended, what it cost."""

from typing import Any, Literal

from chains.errors import ModelFailed, StreamCut
from chains.models.base import Finish, Thought, Usage
from chains.models.estimate import bound
from chains.models.pump import Put
from chains.models.thoughts import Thoughts

_BEGINNING = 8  # characters
_WHY = ("finish_reason", "stop_reason", "done_reason", "status")  # what the packages call it
_LENGTH = {"length", "max_tokens", "max_output_tokens", "incomplete"}
_THINKING = ("thinking", "reasoning")  # kinds of content blocks; their text stands under the same name
_FILTERED = {"content_filter", "safety", "prohibited_content", "blocklist", "recitation", "spii"}


class Reply:
    """Feed it the chunks; it puts pieces, empty ones too, and Thoughts."""

    def __init__(self, put: Put) -> None:
        self.began = False  # something of it has come: asking again would pay twice
        self.reason = ""  # as the server says it; "" until it does
        self._put, self._thoughts = put, Thoughts()
        self._input = self._output = 0  # by the server; 0: it did not say
        self._raw = 0  # at most so many tokens came, by estimate
        self._blank = True
        self._thought = False  # something was thought
        self.begun_with = ""  # the first few visible characters

    def feed(self, chunk: Any) -> None:
        """An AIMessageChunk."""
        text, thought = str(chunk.text), thought_of(chunk)
        if text or thought:
            self.began = True
            self._raw += bound(text + thought)
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

    def finish(self, model: str, needed: int, max_tokens: int, window: int) -> Finish:
        """After the last chunk. `needed`: the prompt's tokens as counted before, for a server that sends no usage, or
        one that cannot be, since nothing inside its `window` (tokens) is so long.

        Raises StreamCut where the server never said that the reply was complete.
        """
        self._show(self._thoughts.close())
        self._think(self._thoughts.news())
        self._input, self._output = (count if count <= window else 0 for count in (self._input, self._output))
        if not self.reason:
            raise StreamCut(detail="the server never said that the reply was complete")
        if self.reason in _FILTERED:
            raise ModelFailed(model=model, detail=f"the provider's content filter broke off the reply: {self.reason}")
        reason: Literal["stop", "length"] = "length" if self.reason in _LENGTH else "stop"
        used = Usage(self._input or needed, self._output or min(self._raw, max_tokens))
        return Finish(reason, used, self._output)

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
            self._put(Thought(text))

    def _show(self, text: str) -> None:
        self._blank = self._blank and not text.strip()
        if len(self.begun_with) < _BEGINNING:
            self.begun_with = (self.begun_with + text).lstrip()[:_BEGINNING]
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


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
