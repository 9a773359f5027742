"""Which sentences of an answer state something and carry no source. Pure; no call to a model.

What carries a source: a sentence (a list item, a line) with a mark in it, or right behind its full stop. By the usual
practice that one mark stands at the end of several sentences, it also covers those before it in its paragraph or list,
and a lead-in's mark ("According to the report [1]:") the items below it: but only those of which its source holds half
of the words that say what they are about, so that nothing is covered merely by its place.

What states nothing: headings, questions, what ends in a colon, the words of a refusal, and transitions ("In summary,",
"Here are the main points."). An answer that was stopped has no say on a last sentence that is not whole.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chains.grounding.refusal import GOES_ON, is_refusal
from chains.language.lexicon import subject_words
from chains.prompt import Source
from ingest.text.search_tokens import tokens
from ingest.text.sentences import sentences

_HELD = 0.5  # share of a sentence's words that the source of a mark further on must hold
_MARK = re.compile(r"\[(\d{1,4})\]")
_LEADING = re.compile(r"\s*(?:\[\d{1,4}\]\s*)+")
_ITEM = re.compile(r"\s*(?:[-*•·]|\d{1,3}[.)、])(?:\s+|$)")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s|\s*\*\*[^*]*[^*.!?。！？\s]\*\*\s*$|\s*[-=_*|:\s]+$")
_BOLD_END = re.compile(r"(?<=[.!?。！？])\*\*")
_ENDED = re.compile(r"(?:[.!?。！？；:：]|\*\*|\[\d{1,4}\])[\"'”’)\]」』）*]*\s*$")
_CLOSING = "\"'”’)]」』）*_` "
_TRANSITION = re.compile(
    r"(?:(?:in (?:summary|short|conclusion|brief|other words|addition)|to (?:sum up|summari[sz]e)|overall|finally|"
    r"(?:here|below) (?:is|are)\b[^\d]{0,80}|(?:the )?following (?:is|are)\b[^\d]{0,80}|"
    r"based on (?:the|these) (?:sources?|documents?|notes?)|according to (?:the|these) (?:sources?|documents?|notes?)|"
    r"总之|总的来说|综上所述?|总结如下|概括如下|(?:以下|下面)是[^\d，,]{0,30}|如下|根据(?:上述|以上|这些)?(?:来源|文档|资料)))\W*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Sentence:
    start: int
    end: int  # without the marks behind it
    body: str  # without marks
    marks: tuple[int, ...]
    leads: bool  # it ends in a colon


def unsourced(text: str, sources: Sequence[Source], whole: bool = True) -> tuple[tuple[int, int], ...]:
    """[start, end) of each in `text`, whose marks were read before. `whole` False: it was broken off."""
    held = _Held(sources)
    found: list[tuple[int, int]] = []
    for group in _groups(text):
        said = [sentence for start, end in group for sentence in _sentences(text, start, end)]
        for i, sentence in enumerate(said):
            if sentence.marks or not _states(sentence):
                continue
            later = next((one.marks for one in said[i + 1 :] if one.marks), ())
            above = next((one.marks for one in reversed(said[:i]) if one.leads), ())
            if not held.by(sentence.body, (*later, *above)):
                found.append((sentence.start, sentence.end))
    if found and not whole and not text[found[-1][1] :].strip() and not _ENDED.search(text):
        found.pop()
    return tuple(found)


class _Held:
    """Looks up whether a sentence's words stand in a source; each source is split into words once."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources: Mapping[int, Source] = {source.n: source for source in sources}
        self._words: dict[int, frozenset[str]] = {}

    def by(self, body: str, numbers: Sequence[int]) -> bool:
        wanted = set(subject_words(body)) if numbers else set()
        return bool(wanted) and any(
            len(wanted & self._of(n)) >= _HELD * len(wanted) for n in numbers if n in self._sources
        )

    def _of(self, n: int) -> frozenset[str]:
        if n not in self._words:
            self._words[n] = frozenset(tokens(self._sources[n].text))
        return self._words[n]


def _groups(text: str) -> Iterator[list[tuple[int, int]]]:
    """Paragraphs, and lists with what leads to them, each as its stretches of running text; headings are left out."""
    group: list[tuple[int, int]] = []
    at, blank, in_list = 0, False, False
    for line in text.split("\n"):
        start, end = at, at + len(line)
        at = end + 1
        if not line.strip():
            blank = True
            continue
        item = _ITEM.match(line)
        if _HEADING.match(line):
            yield group
            group, blank, in_list = [], False, False
            continue
        before = text[group[-1][0] : group[-1][1]].rstrip() if group else ""
        if blank and not (item and (in_list or _leads(before))):
            yield group
            group, in_list = [], False
        if group and not blank and not item and not _ENDED.search(before) and not line.lstrip()[:1].isupper():
            group[-1] = (group[-1][0], end)  # a line that was broken
        else:
            group.append((start + (item.end() if item else 0), end))
        blank, in_list = False, item is not None or (in_list and line[:1].isspace())
    yield group


def _sentences(text: str, start: int, end: int) -> Iterator[_Sentence]:
    """Of one stretch. Marks behind a full stop belong to what it ends, unless a sentence goes on from them."""
    ranges: list[tuple[int, int]] = []
    for a, b in sentences(_BOLD_END.sub("””", text[start:end])):  # bold that ends with a sentence closes like a quote
        a, b = start + a, start + b
        leading = _LEADING.match(text, a, b)
        if ranges and leading and not text[leading.end() : leading.end() + 1].islower():
            ranges[-1] = (ranges[-1][0], leading.end())
            a = leading.end()
        if any(c.isalnum() for c in text[a:b]):
            ranges.append((a, b))
        elif ranges:
            ranges[-1] = (ranges[-1][0], b)
    for a, b in ranges:
        piece = text[a:b]
        body = _MARK.sub("", piece).strip()
        shown = re.sub(r"(?:\s*\[\d{1,4}\])+\s*$", "", piece).rstrip()
        numbers = tuple(int(n) for n in _MARK.findall(piece))
        yield _Sentence(a + len(piece) - len(piece.lstrip()), a + len(shown), body, numbers, _leads(body))


def _leads(body: str) -> bool:
    return _MARK.sub("", body).rstrip(_CLOSING).endswith((":", "："))


def _states(sentence: _Sentence) -> bool:
    said = sentence.body.strip(_CLOSING + "#>-")
    if not any(c.isalnum() for c in said) or sentence.leads or said.endswith(("?", "？")):
        return False
    if _TRANSITION.fullmatch(said):
        return False
    return GOES_ON.search(said) is not None or not is_refusal(said)
