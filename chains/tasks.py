"""What is asked for. The words differ between a question and a summary, the chains do not."""

from dataclasses import dataclass
from typing import Literal

from chains.prompts import Language

# How map_rerank weighs its sources (chains/map_rerank.py); DECISIONS.md has the figures of both.
Rerank = Literal["answer", "score"]
RERANK: Rerank = "score"


@dataclass(frozen=True)
class Task:
    kind: Literal["question", "summary"]
    question: str  # stand-alone; for a summary: the document's title
    language: Language
    max_tokens: int = 700  # of the final reply
    rerank: Rerank = RERANK  # of map_rerank alone
