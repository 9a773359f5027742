"""What is asked for. The words differ between a question and a summary, the chains do not."""

from dataclasses import dataclass
from typing import Literal

from chains.prompts import Language


@dataclass(frozen=True)
class Task:
    kind: Literal["question", "summary"]
    question: str  # stand-alone; for a summary: the document's title
    language: Language
    max_tokens: int = 700  # of the final reply
