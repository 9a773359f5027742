"""Ask for [n], read [n] while it streams, and find the quote on the page.

A model may write `[2]`, `[1, 3]`, `【2】`, `[Source 2]` or, best, `[2: "the page's own words"]`. The screen gets clean
marks only: `[2]`. The page comes from the source, never from the model.

Words that a mark quotes out of its own sentence, where that sentence stands on the page as it is, are the ones that
answer: "It was founded in 1189 by a charter. [2: "1189"]". The sentence is the quote, and they are its span.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chains.events import Citation
from chains.grounding.quote_match import content, exact, near, proves
from chains.prompt import Language, Source
from ingest.text.normalize import find, fold
from ingest.text.sentences import sentences

RULE: Mapping[Language, str] = {
    "en": "After every statement give the number of the source that proves it and, copied letter for letter, the few "
    'words of that source that do (at most 25), like this: [2: "words of the source"]. '
    "Use only the numbers of the sources that you were given.",
    "zh": "每句陈述之后，写出能证明它的来源编号，并逐字抄录该来源中的关键原文（不超过 40 个字），"
    '格式为：[2: "原文"]。只能使用所给来源的编号。',
}

_LONGEST_MARK = 700  # characters; what is longer is text in brackets
_NUMBERS = (
    r"(?:(?:sources?|来源|资料|文献|ref\.?|n)\s*[:：#]?\s*)?\^?"
    r"\d{1,4}(?:\s*[,，、;和&-]\s*(?:source\s*)?\d{1,4})*"
)
_MARK = re.compile(
    rf"[\[【]\s*(?P<numbers>{_NUMBERS})\s*(?:[:：,，]?\s*(?P<words>[\"“”'‘「『].*?[\"“”'’」』]|[^\d\s\[\]【】,，][^\[\]【】]*))?\s*[\]】]",
    re.IGNORECASE | re.DOTALL,
)
# Everything that can still become a mark when more text arrives. Another bracket can stand in quoted words only: else
# what looks like a beginning would keep the marks behind it from being read.
_BEGUN = re.compile(
    r"[\[【]\s*(?:[a-z来资文源料献.]{0,8}\s*[:：#]?\s*)?\^?"
    r"(?:\d{1,4}(?!\d)(?:[^\[【]*|[^\[【\"“”'‘「『]*[\"“”'‘「『].*))?$",
    re.IGNORECASE | re.DOTALL,
)
# What has no width, or turns the direction of what follows: people would read a number with it in brackets as a mark.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e0fff]"
)
_QUOTED = re.compile(r"[\"“「『]([^\"”」』]{8,}?)[\"”」』]")


def shield(text: str) -> str:
    """Source text with its own "[3]" written "［3］": it reads and folds alike, and nobody takes it for a mark."""
    return re.sub(r"[\[【]([^\]】]{0,40})[\]】]", r"［\1］", text)


def mark(n: int, words: str = "") -> str:
    """A mark as a model is asked to write it."""
    if not words:
        return f"[{n}]"
    return f'[{n}: "{words}"]' if '"' not in words else f"[{n}: 『{words}』]"


@dataclass(frozen=True)
class Claim:
    """One mark: where it stands in the clean text, the source's number, the words it quotes ("" if none)."""

    at: int
    n: int
    words: str


class MarkReader:
    """Reads a stream: takes raw pieces in, lets clean text out, remembers the marks.

    `given`: the numbers of the sources that the model got; marks to others are dropped and counted.
    """

    def __init__(self, given: Collection[int]) -> None:
        self._given = given
        self._held = ""  # white space, or the beginning of what may become a mark
        self.text = ""  # all clean text let out so far
        self.claims: list[Claim] = []
        self.dropped = 0
        self.unseen = 0  # characters without width that were left out

    def feed(self, piece: str) -> str:
        """The clean text that is certain now."""
        before = len(self.text)
        seen, gone = _UNSEEN.subn("", piece)
        self._held += seen
        self.unseen += gone
        while self._held:
            match = re.search(r"\s*[\[【]|\s+$", self._held)
            if match is None:
                self._let_out(len(self._held))
                break
            self._let_out(match.start())
            if not self._held.strip():
                break
            if not self._take_mark():
                break
        return self.text[before:]

    def close(self) -> str:
        """What was held back and did not become a mark; white space at the end is dropped."""
        before = len(self.text)
        rest = self._held.rstrip()
        if rest and re.search(r"[\[【]\s*\d{1,4}\s*[:：]", rest):  # a mark that was cut off in the middle
            rest = rest[: re.search(r"\s*[\[【]", rest).start()]  # type: ignore[union-attr]
        self._held = rest
        while self._held.strip():  # a bracket that no longer becomes a mark, and what stands behind it
            bracket = re.search(r"[\[【]", self._held)
            self._let_out(bracket.end() if bracket else len(self._held))
            self.feed("")
        return self.text[before:]

    def _let_out(self, size: int) -> None:
        out, self._held = self._held[:size], self._held[size:]
        self.text += out if self.text else out.lstrip()

    def _take_mark(self) -> bool:
        """Take the bracket at the head of what is held; False when more text must come first."""
        space = len(self._held) - len(self._held.lstrip())
        match = _MARK.match(self._held, space)
        if match is not None and match["words"] and not _closed(match["words"]):
            match = None  # the bracket belongs to the quoted words; the mark's own is still to come
        if match is None:
            if _BEGUN.match(self._held[space:]) and len(self._held) < _LONGEST_MARK:
                return False
            self._let_out(space + 1)
            return True
        numbers = _numbers(match["numbers"])
        known = [n for n in numbers if n in self._given]
        self.dropped += len(numbers) - len(known)
        after = self._held[match.end() :]
        if known:
            self._let_out(space)
            for n in known:
                self.claims.append(Claim(len(self.text), n, (match["words"] or "").strip("\"“”'‘’「」『』 ")))
                self.text += f"[{n}]"
        self._held = after
        return True


def _closed(words: str) -> bool:
    return words[0] not in '"“「『' or words[-1] in '"”」』“'


def _numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for first, last in re.findall(r"(\d+)(?:\s*-\s*(\d+))?", text):
        low, high = int(first), int(last or first)
        numbers.extend(range(low, min(high, low + 50) + 1))
    return list(dict.fromkeys(numbers))


def read(text: str, given: Collection[int]) -> MarkReader:
    """A whole text, read at once."""
    reader = MarkReader(given)
    reader.feed(text)
    reader.close()
    return reader


def plain(text: str) -> str:
    """The text without any marks."""
    return read(text, ()).text


def cite(reader: MarkReader, sources: Sequence[Source]) -> tuple[Citation, ...]:
    """The citations of a text that was read, in the order of its marks, each looked for on its source's pages."""
    by_number = {source.n: source for source in sources}
    citations: list[Citation] = []
    previous_end, statement = 0, (0, 0)
    for claim in reader.claims:
        if claim.at > previous_end or not citations:  # a mark right behind another proves the same statement
            statement = _trimmed(reader.text, previous_end, claim.at)
        previous_end = claim.at + len(f"[{claim.n}]")
        citations.append(_cite(claim, reader.text, statement, by_number[claim.n]))
    return tuple(citations)


def _cite(claim: Claim, text: str, statement: tuple[int, int], source: Source) -> Citation:
    last = _last_sentence(text, *statement)
    said = [text[slice(*statement)], text[slice(*last)]]
    given = claim.words if proves(claim.words, said[1]) else ""
    whole = [said[1]] if proves(said[1], said[1]) and claim.words and find(claim.words, said[1]) else []
    place, match, within = None, "none", ""
    # Where the quote that was given is not there, a sentence of a word or two is no proof in its place.
    own = [words for words in (*said, *_QUOTED.findall(said[1])) if proves(words, "" if given else said[1])]
    for words in filter(None, (*whole, given, *own)):
        if place := exact(words, source.text):
            match, within = "exact", _within(claim.words, source.text[slice(*place)]) if words in whole else ""
            break
    else:
        place = near(given or said[1], source.text)
        match = "near" if place else "none"
    page, label, quote, goes_on = _on_pages(source, place)
    return Citation(
        n=claim.n,
        document=source.passage.document,
        name=source.passage.name,
        page=page,
        page_label=label,
        quote=quote,
        match=match,  # type: ignore[arg-type]
        start=last[0],
        end=claim.at,
        span=within,
        goes_on=goes_on,
    )


def _on_pages(source: Source, place: tuple[int, int] | None) -> tuple[int, str, str, tuple[tuple[int, int], ...]]:
    """The page on which what stands at `place` begins, its label, the words, and where they go on on further pages."""
    spans = source.passage.chunk.spans
    if place is None:
        return spans[0].page, spans[0].label, "", ()
    start, end = place
    quote = source.text[start:end]
    start, end = start + len(quote) - len(quote.lstrip()), start + len(quote.rstrip())
    first, *further = [one for one in spans if source.text[max(start, one.start) : min(end, one.end)].strip()]
    goes_on = tuple((one.page, one.start - start) for one in further)
    return first.page, first.label, source.text[start:end], goes_on


def _within(words: str, quote: str) -> str:
    """The quote's own characters for `words`; "" where they are not in it, or carry nothing."""
    found = find(words, quote) if content(words) >= 1 else None
    return quote[slice(*found)] if found else ""


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """[start, end) without white space at its ends, and without the punctuation that followed the mark before it."""
    piece = text[start:end]
    skipped = re.match(r"[\s.,;:。，；：、!?！？)）]*", piece)
    start += skipped.end() if start and skipped else len(piece) - len(piece.lstrip())
    return min(start, end), max(start, end - (len(piece) - len(piece.rstrip())))


def _last_sentence(text: str, start: int, end: int) -> tuple[int, int]:
    last = (start, end)
    for a, b in _with_words(text[start:end]):
        last = (start + a, start + b)
    return _trimmed(text, *last)


def _with_words(text: str) -> Iterator[tuple[int, int]]:
    return ((a, b) for a, b in sentences(text) if fold(text[a:b]).text.strip("\"' .-"))
