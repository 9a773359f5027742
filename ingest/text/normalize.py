"""Text folded for comparison, with the way back to the original.

Two texts that a reader would call the same words fold to the same string: ligatures and full-width forms (NFKC),
upper and lower case, kinds of quotation marks and dashes, line breaks and runs of spaces, spaces beside Chinese
characters, and words broken at a line's end. Digits, signs and punctuation stay, so 10-20 never equals 1020.
"""

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

CJK = "\u2e80-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
# Square brackets of full width also stand in English, for "[3]" that is no mark (chains/grounding/citations.py,
# shield).
_CJK = re.compile(f"(?![［］])[{CJK}]")
_SAME = str.maketrans(
    {**dict.fromkeys("‘’‚‛`´′", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―−﹣", "-")}
)
# Soft hyphens, zero-width characters, byte-order and bidirectional marks: on the page, but nothing to see.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufffe\x00-\x08\x0e-\x1f]")
_BROKEN_WORD = re.compile(r"(?<=[^\W\d_])-[ \t]*\r?\n[ \t]*(?=[a-zà-öø-ÿ])")


@dataclass(frozen=True)
class Folded:
    text: str
    origin: tuple[int, ...]  # for each character of `text`, its index in the original; never decreasing

    def back(self, start: int, end: int, size: int) -> tuple[int, int]:
        """The range of the original, `size` characters long, that the folded range [start, end) came from."""
        first = self.origin[start]
        last = self.origin[end - 1]
        following = bisect_left(self.origin, last + 1)
        after = self.origin[following] if following < len(self.origin) else size
        return first, min(last + 1, after)


@lru_cache(maxsize=512)
def fold(text: str) -> Folded:
    """`text` as it is compared. Cached, because a page is searched for many quotes."""
    skip = {i for match in _BROKEN_WORD.finditer(text) for i in range(match.start(), match.end())}
    characters: list[str] = []
    origin: list[int] = []
    for i, character in enumerate(text):
        if i in skip or _INVISIBLE.match(character) or (i and unicodedata.combining(character)):
            continue  # an accent of its own is folded with the letter before it
        if character.isspace():
            # Told by the original: a full-width bracket folds to one that could be English.
            if characters and characters[-1] != " " and not _CJK.match(text[origin[-1]]):
                characters.append(" ")
                origin.append(i)
            continue
        # A character may become several: ﬁ → fi, ½ → 1⁄2, ß → ss.
        after = i + 1
        while after < len(text) and unicodedata.combining(text[after]):
            after += 1
        plain = character if after == i + 1 and character < "\x80" else unicodedata.normalize("NFKC", text[i:after])
        became = plain.translate(_SAME).casefold()
        for piece in became:
            if piece == " " and (not characters or characters[-1] == " "):
                continue
            if characters and characters[-1] == " " and _CJK.match(character):
                characters.pop()
                origin.pop()
            characters.append(piece)
            origin.append(i)
    if characters and characters[-1] == " ":
        characters.pop()
        origin.pop()
    return Folded("".join(characters), tuple(origin))


def find(quote: str, text: str) -> tuple[int, int] | None:
    """Where the words of `quote` stand in `text`: a range [start, end), or None.

    Both are folded. A match does not begin or end inside a word or number: "12" does not stand in "1,312".
    """
    wanted, page = fold(quote).text, fold(text)
    if not wanted:
        return None
    at = page.text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if _free(page.text, at, -1) and _free(page.text, end - 1, 1):
            return page.back(at, end, len(text))
        at = page.text.find(wanted, at + 1)
    return None


def whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The range, grown to the words and numbers that it cuts, so that `find` finds what stands there."""
    while 0 < start < end and not _free(text, start, -1):
        start -= 1 if text[start - 1].isalnum() else 2  # over the comma of 1,312
    while start < end < len(text) and not _free(text, end - 1, 1):
        end += 1 if text[end].isalnum() else 2
    return start, end


def _free(text: str, edge: int, step: int) -> bool:
    """Whether the character at `edge` is not joined to its neighbour as one word or number."""
    outside = edge + step
    if not 0 <= outside < len(text):
        return True
    inner, outer = text[edge], text[outside]
    if _CJK.match(inner) or _CJK.match(outer) or not inner.isalnum():
        return True
    if inner.isdigit() and outer in ".,":
        further = outside + step
        return not (0 <= further < len(text) and text[further].isdigit())
    return not outer.isalnum()
