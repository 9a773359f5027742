"""What is said to a model, as data until a model renders it, so the extractive model and the tests read it as data.

The words themselves are in templates.py, and render.py puts them together.

What is asked for. The words differ between a question and a summary, the chains do not.
"""

from dataclasses import dataclass, replace
from typing import Literal

from ingest.document import Passage

Language = Literal["en", "zh"]  # in which the program has words
Wanted = Literal["en", "zh", "own"]  # of a reply; "own": the question's, or the document's, where that is neither
Role = Literal[
    "answer",  # question + sources → answer with marks (stuff, and refine's first draft); summary: sources → summary
    "map",  # question + one source → notes with marks, or the words for "nothing here"
    "reduce",  # question + notes → answer with marks
    "refine",  # question + draft + sources → a better draft, or the words for "unchanged"
    "rerank",  # question + one source → answer with marks, and a score
    "score",  # question + one source → only a score
    "condense",  # question + history → the question, understandable without the history
    "broaden",  # question → the more general question behind it (step-back)
    "split",  # question → the questions it is made of, one a line
]
# What a reply holds that is to be JSON, where the server can see to that; chains/prompting/scores.py has the schemas.
Schema = Literal["answer_and_score", "score"]


def words_for(language: Wanted) -> Language:
    """The language of the program's own words beside a reply in that one."""
    return "zh" if language == "zh" else "en"


@dataclass(frozen=True)
class Source:
    """A passage with its number. Numbers are given once, from 1, and never change afterwards."""

    n: int
    passage: Passage

    @property
    def text(self) -> str:
        return self.passage.text


@dataclass(frozen=True)
class Turn:
    """One question of the conversation so far, as it was asked, and the answer it got (marks taken out)."""

    question: str
    answer: str


@dataclass(frozen=True)
class Example:
    """A question as somebody would have it answered: the manner is the example, not what is said."""

    question: str
    answer: str
    note: str = ""  # what to see in it


class Written(str):
    """What a model wrote, with the tokens that it has at most, by the count of the model that wrote it.

    It goes on into other prompts, and need not be counted for that. Whatever is done to it gives a plain str, of which
    nothing is known.
    """

    tokens: int
    frame: str  # what was put around it: the text between these tags is known, the tags are not

    def __new__(cls, text: str, tokens: int, frame: str = "") -> "Written":
        self = super().__new__(cls, text)
        self.tokens, self.frame = tokens, frame
        return self


@dataclass(frozen=True)
class Prompt:
    role: Role
    task: Literal["question", "summary"]
    question: str  # for a summary: the document's title
    language: Wanted  # of the reply
    max_tokens: int  # of the reply, with its reasoning
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()  # what maps (or earlier reduces) wrote, marks included
    draft: str = ""
    history: tuple[Turn, ...] = ()
    schema: Schema | None = None  # a model that cannot see to it lets it be: the words ask for what can be read anyway
    examples: tuple[Example, ...] = ()
    reasoning: int = 0  # tokens of the reply in which to reason before the answer; 0: no reasoning is asked for

    @property
    def words(self) -> Language:
        """The language that the prompt itself is in."""
        return words_for(self.language)


@dataclass(frozen=True)
class Rendered:
    """A prompt in words: what the model is told to do, and what it is told to do it with."""

    system: str
    user: str


def bare(prompt: Prompt) -> Prompt:
    """The prompt without what there is to read."""
    return replace(prompt, sources=(), notes=(), draft="")


# How map_rerank weighs its sources (chains/strategies/map_rerank.py); DECISIONS.md has the figures of both.
Rerank = Literal["answer", "score"]
RERANK: Rerank = "score"


@dataclass(frozen=True)
class Task:
    kind: Literal["question", "summary"]
    question: str  # stand-alone; for a summary: the document's title
    language: Wanted  # of the answer
    max_tokens: int = 700  # of the final reply
    rerank: Rerank = RERANK  # of map_rerank alone

    @property
    def words(self) -> Language:
        """The language of what the program says itself."""
        return words_for(self.language)
