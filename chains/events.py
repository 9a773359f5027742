"""What comes out of a question, in order: Steps, Tokens and Trials, and one Answer last."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from chains.cost import Cost
from chains.model import Usage
from chains.plan import Plan
from chains.prompt import Language, Source
from ingest.errors import PagewiseError

StepName = Literal[
    "condensed",  # text: the stand-alone question that is searched for
    "broader",  # text: the more general question that is searched for too; "": none could be used
    "split",  # total: so many parts are searched for apart; text: the parts; 0: it stays whole
    "searched",  # sources: what was found, numbered
    "planned",  # total: at most so many model calls; plan: what they take at most
    "resumed",  # done of total calls were there from an earlier start, and are not made again
    "level",  # done of total levels of a long document begins; text: how many notes it makes
    "examples",  # done of total examples are shown to the model
    "cut",  # done of total sources fit the model's window; text: names the chain that would read all
    "reasoned",  # text: what the model reasoned before its reply; "": its window has no room for that
    "reading",  # sources: what the next call gets to read, with which done of total are in a call
    "read",  # done of total sources were read, by calls that have ended
    "drafted",  # done of total; text: the draft so far
    "joined",  # done of total notes were joined
    "scored",  # n: the source, of which done of total have a score; text: its score
    "best",  # of total sources, the one that is answered from; text: its number
    "lost",  # one reply could not be used; text: why
    "kept",  # the earlier draft was kept; text: why
    "enough",  # done of total sources were read, and the last of them added nothing: the others are left unread
    "quoted",  # the model writes no words of its own, and quotes another language than the one of the answer, text
    "verified",  # done of total citations; text: how many more nearly, "" if none
]


@dataclass(frozen=True)
class Step:
    """Something was done. The screen says it in the reader's language by `name`."""

    name: StepName
    done: int = 0
    total: int = 0
    text: str = ""
    sources: tuple[Source, ...] = ()
    plan: Plan | None = field(default=None, compare=False)
    usage: Usage = field(default=Usage(), compare=False)  # of the question until now
    cost: Cost | None = field(default=None, compare=False)  # the same in money, where the price is known
    n: int = 0  # the number of the source that it is about; 0: of none


@dataclass(frozen=True)
class Token:
    """The next piece of the answer's text, fit for the screen: marks are whole ("[2]") and lead to given sources.

    "" says only that the model is at work; every event is a moment at which closing the iterator takes effect.
    """

    text: str


@dataclass(frozen=True)
class Trial:
    """The next piece of a text that is not yet known to be better than the draft there is. It is shown at once and is
    no part of the answer: a Step "reading", "drafted", "kept" or "lost" ends it, and what stands then is the last
    draft; the first Token with a text takes the place of both.
    """

    text: str


@dataclass(frozen=True)
class Citation:
    """One mark in an answer. The page comes from the passage, never from the model."""

    n: int  # the source's number
    document: str  # the document's id
    name: str  # the document's name
    page: int  # the page that the quote begins on; the source's first page where there is no quote
    page_label: str
    quote: str  # the page's own words; "" with match "none"
    match: Literal["exact", "near", "none"]  # exact: what the answer says or quotes stands there word for word
    start: int  # where the mark's sentence stands in the answer's text: [start, end)
    end: int
    span: str = ""  # the words within the quote that are the answer itself; "" where they are not told apart
    goes_on: tuple[tuple[int, int], ...] = ()  # further pages that the quote stands on: (page, where in it that begins)

    @property
    def verified(self) -> bool:
        return self.match == "exact"

    @property
    def pages(self) -> tuple[int, ...]:
        """All that the quote stands on, in order."""
        return (self.page, *(page for page, _ in self.goes_on))

    @property
    def parts(self) -> Iterator[tuple[int, str]]:
        """Each of these with the part of the quote that stands there."""
        starts = (0, *(start for _, start in self.goes_on))
        for page, start, end in zip(self.pages, starts, (*starts[1:], len(self.quote)), strict=True):
            yield page, self.quote[start:end].strip()


@dataclass(frozen=True)
class Figure:
    """A number that an answer claims, and what the cited pages say to it; chains/grounding/number_check.py has the
    rules."""

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
    unsourced: tuple[tuple[int, int], ...] = ()  # [start, end) of sentences that state something without a source
    reasoning: tuple[str, ...] = ()  # what the model reasoned on the way to it, a text a call; no part of the answer
    cost: Cost | None = None  # None: the model's price is not known
    kept: int = 0  # calls of an earlier start that did not have to be made again
    cut: bool = False  # the model's reply ended at the longest that it may be, perhaps in the middle of a sentence
    foreign: Language | None = None  # the language that it is in, where another one was asked for

    @property
    def verified(self) -> int:
        """How many of its citations stand on their pages word for word."""
        return sum(citation.verified for citation in self.citations)

    @property
    def near(self) -> int:
        """How many of them only nearly."""
        return sum(citation.match == "near" for citation in self.citations)

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


Event = Step | Token | Trial | Answer
