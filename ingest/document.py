"""The data that travel: a document's pages, the chunks cut from them, the passages found again.

Offsets are characters in the document's text, which is its pages' texts joined by PAGE_BREAK; so a chunk
is always `text[start:end]` of it, and the page of any character can be told without searching.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal, get_args

PAGE_BREAK = "\n"
NAME_CHARS = 150
GARBLED = "garbled"  # how the problem of a page begins whose letters are no text
# What else a page without text can say that has something to see.
PICTURE_ONLY = "picture only"
NO_LETTERS = "unreadable: its fonts do not say which letters they draw"
NOTHING_FOUND = "unreadable: no text was found"

Health = Literal["text", "no text", "garbled", "ocr", "duplicate"]
Box = tuple[float, float, float, float]  # left, top, right, bottom
HEALTHS: tuple[Health, ...] = get_args(Health)


@dataclass(frozen=True)
class Line:
    """A run of text that was recognised in the page's picture, and where it stands: in fractions of what is seen."""

    start: int  # of its first character in the page's text; it goes on to the next one's
    box: Box


@dataclass(frozen=True)
class Page:
    """One page as it was read.

    `text` is what stands on the page, in reading order, lines ended by "\\n"; "" where it gave none, and then
    `problem` says why ("picture only", "blank", "garbled: …", "unreadable: …"); otherwise `problem` is "", or says
    what is missing ("cut: …").
    """

    number: int  # counts from 1
    label: str  # what the PDF calls the page ("xii", "A-3"); the number as text where it says nothing
    text: str
    problem: str = ""
    duplicate_of: int = 0  # the number of the first page of the document that has the same text; 0: none before it
    lines: tuple[Line, ...] = ()  # where its text comes from text recognition

    @property
    def health(self) -> Health:
        if not self.text.strip():
            return "garbled" if self.problem.startswith(GARBLED) else "no text"
        return "duplicate" if self.duplicate_of else "ocr" if self.lines else "text"


@dataclass(frozen=True)
class Heading:
    """An entry of the PDF's outline."""

    title: str
    level: int  # 1 is the outermost
    page: int


@dataclass(frozen=True)
class Document:
    """A PDF that was read. `id` is the SHA-256 of its bytes, in hex; `name` is display text, never a path."""

    id: str
    name: str
    title: str  # from the PDF's own metadata where it is worth something, else the name without its ending
    pages: tuple[Page, ...]
    outline: tuple[Heading, ...] = ()

    @cached_property
    def text(self) -> str:
        return PAGE_BREAK.join(page.text for page in self.pages)

    @cached_property
    def page_starts(self) -> tuple[int, ...]:
        """The offset in `text` of each page's first character."""
        starts, at = [], 0
        for page in self.pages:
            starts.append(at)
            at += len(page.text) + len(PAGE_BREAK)
        return tuple(starts)

    @property
    def pages_without_text(self) -> tuple[int, ...]:
        return tuple(page.number for page in self.pages if not page.text.strip())


@dataclass(frozen=True)
class Span:
    """The characters [start, end) of a passage's text that stand on one page."""

    page: int
    label: str
    start: int
    end: int


@dataclass(frozen=True)
class Chunk:
    """A run of whole sentences, small enough for the embedder's window. `text == document.text[start:end]`."""

    id: str  # derived: sha256 of document id, start and end
    document: str  # the document's id
    index: int  # its place in the document, from 0
    start: int
    end: int
    text: str
    heading: str  # what it stands under: "Chapter 3 › Results", and the head of the table that it begins in; or ""
    spans: tuple[Span, ...]  # at least one, in page order


@dataclass(frozen=True)
class Passage:
    """A chunk found again, with whose it is and how well it fits (0 to 1; comparable within one result)."""

    chunk: Chunk
    name: str  # the document's
    title: str
    score: float = 0.0

    @property
    def document(self) -> str:
        return self.chunk.document

    @property
    def text(self) -> str:
        return self.chunk.text

    @property
    def page(self) -> int:
        return self.chunk.spans[0].page

    @property
    def last_page(self) -> int:
        return self.chunk.spans[-1].page

    @property
    def page_label(self) -> str:
        return self.chunk.spans[0].label


@dataclass(frozen=True)
class Record:
    """A whole document as the library lists it."""

    id: str
    name: str
    title: str
    status: Literal["added", "partial"]  # partial: some pages gave no text
    pages: int
    without_text: tuple[int, ...]  # the numbers of the pages that gave no text
    chunks: int
    added: datetime  # UTC
    health: Mapping[Health, int]  # how many pages are in which state; every state is there


def health_counts(pages: Iterable[Page]) -> dict[Health, int]:
    """How many pages are in which state; every state is there."""
    found = Counter(page.health for page in pages)
    return {health: found[health] for health in HEALTHS}


def with_duplicates(pages: Iterable[Page]) -> tuple[Page, ...]:
    """The pages, each that says the same as one before it with that one's number.

    The same is: letter for letter, but for kinds of spaces and line ends, upper and lower case, and ligatures.
    """
    first: dict[str, int] = {}
    found = []
    for page in pages:
        same = " ".join(unicodedata.normalize("NFKC", page.text).casefold().split())
        number = first.setdefault(same, page.number) if same else page.number
        found.append(replace(page, duplicate_of=0 if number == page.number else number))
    return tuple(found)


def context_line(title: str, heading: str) -> str:
    """What a chunk does not say of itself: whose it is and where it stands. Put before its text in both indexes."""
    return " › ".join(part for part in (title, heading) if part)


def spans(start: int, end: int, pages: Iterable[tuple[int, str, int, int]]) -> tuple[Span, ...]:
    """The pages that [start, end) of a document's text touches.

    `pages`: (number, label, offset of the first character, number of characters), in order.
    Pages with no character in the range are left out.
    """
    return tuple(
        Span(number, label, max(start, at) - start, min(end, at + size) - start)
        for number, label, at, size in pages
        if at < end and at + size > start
    )


def layout(pages: Sequence[Page]) -> list[tuple[int, str, int, int]]:
    """The pages' places in the document's text, in the form that `spans` takes."""
    places, at = [], 0
    for page in pages:
        places.append((page.number, page.label, at, len(page.text)))
        at += len(page.text) + len(PAGE_BREAK)
    return places


def display_name(raw: str) -> str:
    """A file's name as it may be shown: its last part, on one line, in NFC, at most NAME_CHARS long, never empty.

    Taken out: folders, control characters, and what turns the direction of writing, which makes "fdp.exe" of "exe.pdf".
    A name that is too long loses its middle and keeps its ending.
    """
    name = unicodedata.normalize("NFC", raw.replace("\x00", ""))
    name = "".join(" " if c.isspace() else c for c in name if c.isspace() or unicodedata.category(c) not in _UNSEEN)
    parts = [part for part in (" ".join(piece.split()) for piece in re.split(r"[\\/]", name)) if part.strip(". ")]
    name = parts[-1] if parts else "unnamed.pdf"
    if len(name) > NAME_CHARS:
        stem, dot, ending = name.rpartition(".")
        tail = dot + ending if stem and len(ending) <= 10 else ""
        name = name[: NAME_CHARS - len(tail) - 1].rstrip() + "…" + tail
    return name


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co"})
