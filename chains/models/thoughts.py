"""Some models think aloud between <think> and </think> before they answer. The reader gets the answer alone."""

_TAGS = (("<think>", "</think>"), ("<thinking>", "</thinking>"))


class Thoughts:
    """Takes thinking out of a reply that comes in pieces, however the pieces split the tags.

    `inside`: the reply begins in the middle of a thought (some chat templates end the prompt with "<think>").
    `seen` is true once there was any thought. A thought that never ends is all thought.
    """

    def __init__(self, inside: bool = False) -> None:
        self.seen = inside
        self._end = _TAGS[0][1] if inside else ""  # the tag that ends the thought we are in; "" outside
        self._held = ""  # what may be the beginning of a tag
        self._blank = True  # nothing visible yet: white space before the answer is dropped

    def feed(self, piece: str) -> str:
        """The next piece in, the visible text that is certain by now out."""
        text, self._held = self._held + piece, ""
        out = ""
        while text:
            tags = (self._end,) if self._end else tuple(start for start, _ in _TAGS)
            at, tag = min(((text.find(tag), tag) for tag in tags if tag in text), default=(-1, ""))
            if at < 0:
                kept = _beginning(text, tags)
                self._held = text[len(text) - kept :]
                out += "" if self._end else text[: len(text) - kept]
                break
            out += "" if self._end else text[:at]
            text = text[at + len(tag) :]
            self._end = "" if self._end else dict(_TAGS)[tag]
            self.seen = True
        return self._show(out)

    def close(self) -> str:
        """What was held back and is no tag after all."""
        rest, self._held = ("" if self._end else self._held), ""
        return self._show(rest)

    def _show(self, text: str) -> str:
        if self._blank:
            text = text.lstrip()
            self._blank = not text
        return text


def _beginning(text: str, tags: tuple[str, ...]) -> int:
    """How many of the last characters of `text` may be the beginning of one of the tags."""
    longest = max(len(tag) for tag in tags) - 1
    return next((n for n in range(min(longest, len(text)), 0, -1) if any(tag.startswith(text[-n:]) for tag in tags)), 0)
