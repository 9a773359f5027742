"""Is the answer right, do its citations lead to the right page, and is a question refused that has no answer."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chains.answer import ask
from chains.errors import KeyMissing, KeyRefused, ModelUnreachable, PackageMissing, UnknownModel
from chains.events import Answer
from chains.model import Model
from chains.prompt import RERANK, Language, Rerank
from chains.retrieval.rerank import Reranker
from evals.datasets import Question
from evals.scoring import Figures, Verdict, figures, judge
from ingest.store.library import Library

_HOPELESS = (KeyMissing, KeyRefused, ModelUnreachable, PackageMissing, UnknownModel)
_TELL = 10  # questions between two lines of progress; a language model takes seconds for each


@dataclass(frozen=True)
class Asked:
    """How every question is put, as the settings have it."""

    model: Model
    passages: int  # that it is answered from
    reranker: Reranker | None = None
    language: Language | None = None  # of the answers; None: the question's
    rerank: Rerank = RERANK  # how map_rerank weighs its passages


Outcomes = dict[str, dict[str, Figures]]  # what was searched → chain → its figures


def evaluate(
    questions: Sequence[Question], library: Library, asked: Asked, chains: Sequence[str], modes: Mapping[str, bool]
) -> Outcomes:
    """`modes`: name → whether only the right document is searched.

    An answer that broke off is told on stderr and counted. Raises UnknownDocument, LibraryError, EmbedderError; and the
    ModelError of the very first answer where it will be that of every other.
    """
    ids = {name: library.find(name).id for name in {question.document for question in questions}}
    outcomes: Outcomes = {}
    begun = False
    for mode, one_document in modes.items():
        outcomes[mode] = {}
        for chain in chains:
            verdicts: list[Verdict] = []
            for n, question in enumerate(questions, 1):
                document = ids[question.document]
                answer = _answer(question.text, library, asked, chain, [document] if one_document else None)
                if isinstance(answer.error, _HOPELESS) and not begun:
                    raise answer.error
                begun = True
                verdicts.append(judge(question, document, answer))
                if answer.error:
                    print(f"evals: {chain}: question {question.id} broke off: {answer.error}", file=sys.stderr)
                if n % _TELL == 0:
                    print(f"· {mode}, {chain}: {n} of {len(questions)} questions", file=sys.stderr)
            outcomes[mode][chain] = figures(verdicts)
    return outcomes


def _answer(question: str, library: Library, asked: Asked, chain: str, documents: list[str] | None) -> Answer:
    events = ask(
        question,
        library,
        asked.model,
        chain=chain,
        k=asked.passages,
        documents=documents,
        reranker=asked.reranker,
        language=asked.language,
        rerank=asked.rerank,
    )
    return next(event for event in events if isinstance(event, Answer))


def as_json(outcomes: Outcomes) -> dict[str, object]:
    return {mode: {chain: _json(found) for chain, found in chains.items()} for mode, chains in outcomes.items()}


def _json(found: Figures) -> dict[str, object]:
    return {
        "exact": _rounded(found.exact),
        "f1": _rounded(found.f1),
        "contains": _rounded(found.contains),
        "marked": {"exact": _rounded(found.marked_exact), "f1": _rounded(found.marked_f1)},
        "citations": {
            "count": found.citations,
            "precision": _rounded(found.precision),
            "recall": _rounded(found.recall),
            "verified": _rounded(found.verified),
            "near": _rounded(found.near),
            "none": _rounded(found.none),
        },
        "refused": {"rightly": _rounded(found.refused_rightly), "wrongly": _rounded(found.refused_wrongly)},
        "broken": found.broken,
        "calls": _rounded(found.calls),
        "tokens": {"input": round(found.tokens[0], 1), "output": round(found.tokens[1], 1)} if found.tokens else None,
        "seconds": {"median": round(found.seconds[0], 4), "p95": round(found.seconds[1], 4)},
    }


_ABOUT = (
    *("EM", "F1", "contains", "marked EM", "marked F1"),
    *("precision", "recall", "verified", "near", "none", "rightly", "wrongly"),
)
_COST = ("broken", "calls", "tokens in", "out", "s median", "s p95")


def table(outcomes: Outcomes) -> str:
    """Markdown, so that it can be put into a document as it is."""
    columns = ("searched", "chain", *_ABOUT, *_COST)
    rows = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for mode, chains in outcomes.items():
        for chain, found in chains.items():
            right = (found.exact, found.f1, found.contains, found.marked_exact, found.marked_f1)
            cited = (found.precision, found.recall)
            proved = (found.verified, found.near, found.none, found.refused_rightly, found.refused_wrongly)
            shares = (_shown(share, 3) for share in (*right, *cited, *proved))
            spent = (str(found.broken), _shown(found.calls, 1), *(_shown(t, 0) for t in found.tokens or (None, None)))
            seconds = (_shown(s, 2) for s in found.seconds)
            rows.append("| " + " | ".join([mode, chain, *shares, *spent, *seconds]) + " |")
    return "\n".join(rows)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
