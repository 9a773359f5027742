"""Is the right page found, and the right document: with all documents searched, and with the right one alone."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from chains.retrieval.hybrid import retrieve
from chains.retrieval.rerank import Reranker
from evals.datasets import Question
from evals.metrics import DEPTHS, Scores, middle_and_slow, rank, scores
from ingest.store.library import Library

PASSAGES = 20  # found for each question, as `pagewise search -k 20` does
_TELL = 100  # questions between two lines of progress


@dataclass(frozen=True)
class Outcome:
    """What came of one mode."""

    page: Scores
    document: Scores
    seconds: tuple[float, float]  # a question's, median and 95th percentile


def evaluate(
    questions: Sequence[Question], library: Library, one_document: bool, reranker: Reranker | None = None
) -> Outcome:
    """`one_document`: only the right document is searched. Raises UnknownDocument, LibraryError, EmbedderError."""
    pages: list[int | None] = []
    documents: list[int | None] = []
    seconds: list[float] = []
    for n, question in enumerate(questions, 1):
        document = library.find(question.document)
        began = time.monotonic()
        within = [document.id] if one_document else None
        found = retrieve(question.text, library, PASSAGES, within, reranker=reranker)
        seconds.append(time.monotonic() - began)
        places = [(p.document, page) for p in found for page in range(p.page, p.last_page + 1)]
        pages.append(rank(places, {(document.id, page) for page in question.pages}))
        documents.append(rank([p.document for p in found], {document.id}))
        if n % _TELL == 0:
            print(f"· {n} of {len(questions)} questions", file=sys.stderr)
    return Outcome(scores(pages), scores(documents), middle_and_slow(seconds))


def as_json(outcomes: dict[str, Outcome]) -> dict[str, object]:
    return {
        mode: {
            "page": _rounded(outcome.page),
            "document": _rounded(outcome.document),
            "seconds": {"median": round(outcome.seconds[0], 4), "p95": round(outcome.seconds[1], 4)},
        }
        for mode, outcome in outcomes.items()
    }


def table(outcomes: dict[str, Outcome]) -> str:
    """Markdown, so that it can be put into a document as it is."""
    columns = [*(f"recall@{k}" for k in DEPTHS), "MRR"]
    rows = ["| searched | right | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for mode, outcome in outcomes.items():
        for what, found in (("page", outcome.page), ("document", outcome.document)):
            if mode == "one" and what == "document":  # no other was searched
                continue
            values = " | ".join(f"{value:.3f}" for value in found.as_dict().values())
            rows.append(f"| {mode} | {what} | {values} |")
    return "\n".join(rows)


def _rounded(found: Scores) -> dict[str, float]:
    return {name: round(value, 4) for name, value in found.as_dict().items()}
