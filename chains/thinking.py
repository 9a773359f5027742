"""Thinking aloud before an answer, between tags: taken out of a reply while it comes, and kept beside it.

Some models do it by themselves, between <think> and </think>; others where they are asked to
(chains/execution/reasoning.py).
"""

import re
from collections.abc import Sequence

Tags = Sequence[tuple[str, str]]
_TAGS: Tags = (("<think>", "</think>"), ("<thinking>", "</thinking>"))
_ENDS = re.compile(r"\n\s*</think(?:ing)?>|</think(?:ing)?>[ \t]*(?=\n|$)", re.IGNORECASE)


class Thoughts:
    """Takes thinking out of a reply that comes in pieces, however the pieces split the tags.

    `inside`: the reply begins in the middle of a thought (some chat templates end the prompt with "<think>").
    `seen` is true once there was any thought, `text` is all of it so far. A thought that never ends is all thought.
    An end of a model's own tags without a beginning stays where something was shown before it: that was thought, and
    `parted` takes it out of the whole reply. Of tags that were asked for it is dropped.
    `tags` are in lower case; a reply may write them otherwise.
    """

    def __init__(self, inside: bool = False, tags: Tags = _TAGS) -> None:
        self.seen = inside
        self.text = ""
        self._told = 0  # characters of `text`
        self._tags = dict(tags)
        self._own = tags is _TAGS
        self._end = tags[0][1] if inside else ""  # the tag that ends the thought we are in; "" outside
        self._held = ""  # what may be the beginning of a tag
        self._blank = True  # nothing visible yet: white space before the answer is dropped

    def feed(self, piece: str) -> str:
        """The next piece in, the visible text that is certain by now out."""
        text, self._held = self._held + piece, ""
        out = ""
        while text:
            tags = (self._end,) if self._end else (*self._tags, *self._tags.values())
            low = _lower(text)
            at, tag = min(((low.find(tag), tag) for tag in tags if tag in low), default=(-1, ""))
            certain = text[: len(text) - _beginning(low, tags)] if at < 0 else text[:at]
            if self._end:
                self.text += certain
            else:
                out += certain
            if at < 0:
                self._held = text[len(certain) :]
                break
            if self._own and not self._end and tag not in self._tags and (out.strip() or not self._blank):
                out += text[at : at + len(tag)]
            text = text[at + len(tag) :]
            self._end = self._tags.get(tag, "")
            self.seen = self.seen or bool(self._end)
        return self._show(out)

    def news(self) -> str:
        """What came to `text` since this was last asked."""
        new, self._told = self.text[self._told :], len(self.text)
        return new

    def close(self) -> str:
        """What was held back and is no tag after all."""
        rest, self._held = self._held, ""
        if self._end:
            self.text += rest
            return ""
        return self._show(rest)

    def _show(self, text: str) -> str:
        if self._blank:
            text = text.lstrip()
            self._blank = not text
        return text


def parted(reply: str) -> tuple[str, str]:
    """A whole reply's thought and the rest, where the thought has an end and no beginning: some servers put the tag
    that begins it into the prompt, and what came was shown before anybody knew.

    The end has a line's end beside it. One inside a line is a word of the text."""
    ends = list(_ENDS.finditer(reply))
    return (reply[: ends[-1].start()].strip(), reply[ends[-1].end() :].strip()) if ends else ("", reply)


def _lower(text: str) -> str:
    """In lower case, every character where it was: some capitals become two letters."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def _beginning(text: str, tags: Sequence[str]) -> int:
    """How many of the last characters of `text` may be the beginning of one of the tags."""
    longest = max(map(len, tags), default=1) - 1
    return next((n for n in range(min(longest, len(text)), 0, -1) if any(tag.startswith(text[-n:]) for tag in tags)), 0)
