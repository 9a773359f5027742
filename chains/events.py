"""What comes out of a question, in order: Steps and Tokens, and one Answer last."""

from dataclasses import dataclass
from typing import Literal

from chains.models.base import Usage
from chains.prompts import Source
from ingest.errors import PagewiseError

StepName = Literal[
    "condensed",  # text: the stand-alone question that is searched for
    "searched",  # sources: what was found, numbered
    "planned",  # total: at most so many model calls
    "cut",  # done of total sources fit the model's window; text: names the chain that would read all
    "read",  # done of total sources were read
    "drafted",  # done of total; text: the draft so far
    "joined",  # done of total notes were joined
    "scored",  # done of total; text: the source's score
    "lost",  # one reply could not be used; text: why
    "kept",  # the earlier draft was kept; text: why
    "verified",  # done of total citations
]


@dataclass(frozen=True)
class Step:
    """Something was done. The screen says it in the reader's language by `name`."""

    name: StepName
    done: int = 0
    total: int = 0
    text: str = ""
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Token:
    """The next piece of the answer's text, fit for the screen: marks are whole ("[2]") and lead to given sources.

    "" says only that the model is at work; every event is a moment at which closing the iterator takes effect.
    """

    text: str


@dataclass(frozen=True)
class Citation:
    """One mark in an answer. The page comes from the passage, never from the model."""

    n: int  # the source's number
    document: str  # the document's id
    name: str  # the document's name
    page: int  # the page that the quote stands on; the source's first page where there is no quote
    page_label: str
    quote: str  # the page's own words, all on that one page; "" with match "none"
    match: Literal["exact", "near", "none"]  # exact: what the answer says or quotes stands there word for word
    start: int  # where the mark's sentence stands in the answer's text: [start, end)
    end: int
    span: str = ""  # the words within the quote that are the answer itself; "" where they are not told apart

    @property
    def verified(self) -> bool:
        return self.match == "exact"


@dataclass(frozen=True)
class Figure:
    """A number that an answer claims, and what the cited pages say to it; chains/figures.py has the rules."""

    text: str  # as the answer writes it
    start: int  # where it stands in the answer's text: [start, end)
    end: int
    status: Literal["found", "computed", "unsupported"]
    n: int = 0  # the source that has it, or what it is computed from; 0: none
    page: int = 0  # the page that has it, or the first of what it is computed from; 0: none
    formula: str = ""  # how it is computed, in the page's own numbers: "2,021 − 1,577"


@dataclass(frozen=True)
class Answer:
    """The whole answer. For a summary, `question` is the document's title."""

    question: str
    text: str
    citations: tuple[Citation, ...]
    sources: tuple[Source, ...]  # all that were given; for a refusal the closest passages
    refused: bool
    chain: str
    model: str
    calls: int
    seconds: float
    usage: Usage
    dropped: int = 0  # marks to sources that were never given, taken out of the text
    stopped: bool = False  # the person stopped it; text is what had come
    error: PagewiseError | None = None  # what broke it off; text is what had come
    searched: str = ""  # the stand-alone question, where it differs from the question
    figures: tuple[Figure, ...] = ()  # of the text, in their order; a refusal has none

    @property
    def found(self) -> int:
        """How many of its figures stand on the cited pages."""
        return sum(figure.status == "found" for figure in self.figures)

    @property
    def computed(self) -> tuple[str, ...]:
        """The formula of each figure that is computed."""
        return tuple(figure.formula for figure in self.figures if figure.status == "computed")

    @property
    def unsupported(self) -> tuple[str, ...]:
        """The figures that are neither, each way of writing once."""
        return tuple(dict.fromkeys(figure.text for figure in self.figures if figure.status == "unsupported"))


Event = Step | Token | Answer
