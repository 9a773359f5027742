"""What is asked for. The words differ between a question and a summary, the chains do not."""

from dataclasses import dataclass
from typing import Literal

from chains.prompts import Language, Wanted, words_for

# How map_rerank weighs its sources (chains/map_rerank.py); DECISIONS.md has the figures of both.
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
