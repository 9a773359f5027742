"""What the reader finds when it is given the right passage: the words, and whether they are there at all.

As SQuAD measures (Rajpurkar et al., 2016; 2018): exact match and F1 over words, for Chinese over characters
(text_overlap.py). With unanswerable questions the same again with what is refused, where a refusal is right for these
and wrong for the others, and the area under the ROC curve of the probability that the passage answers.
"""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from chains.prompt import Language
from chains.reader.protocol import Reader
from evals.datasets import Question
from evals.text_overlap import overlap
from ingest.document import Document
from ingest.text.search_tokens import language

_TELL = 1000  # questions between two lines of progress


@dataclass(frozen=True)
class Read:
    """What came of one question."""

    answerable: bool
    probability: float  # that the passage answers
    exact: float  # of its best words, were it not refused; 0 of an unanswerable question
    f1: float


@dataclass(frozen=True)
class Outcome:
    """Means, 0 to 1; None where there is nothing to take one of."""

    exact: float | None  # over the answerable questions, none refused
    f1: float | None
    auc: float | None  # this and what follows: where there are unanswerable questions
    exact_with_refusals: float | None
    f1_with_refusals: float | None
    refused_rightly: float | None
    refused_wrongly: float | None
    seconds: float  # a question's, mean


def evaluate(questions: Sequence[Question], documents: Sequence[Document], readers: Sequence[Reader]) -> Outcome:
    """Each question over its own passage, by the first reader that knows its language. Raises ReaderError."""
    pages = {(document.name, page.number): page.text for document in documents for page in document.pages}
    found: list[Read] = []
    threshold, began = 0.5, time.monotonic()
    for n, question in enumerate(questions, 1):
        spoken = language(question.text)
        reader = next((r for r in readers if r.languages is None or spoken in r.languages), None)
        if reader is None:
            continue
        threshold = reader.threshold
        found.append(_read(question, pages[question.document, question.pages[0]], reader, spoken))
        if n % _TELL == 0:
            print(f"· {n} of {len(questions)} questions", file=sys.stderr)
    return outcome(found, threshold, (time.monotonic() - began) / max(1, len(found)))


def _read(question: Question, text: str, reader: Reader, spoken: Language) -> Read:
    (reading,) = reader.read(question.text, [text])
    said = text[reading.best.start : reading.best.end] if reading.best else ""
    if not question.answerable:
        return Read(False, reading.p_answers, 0.0, 0.0)
    common = overlap(said, question.answers, spoken)
    return Read(True, reading.p_answers, common.exact, common.f1)


def outcome(found: Sequence[Read], threshold: float, seconds: float) -> Outcome:
    there = [one for one in found if one.answerable]
    absent = [one for one in found if not one.answerable]
    refused = {False: 1.0, True: 0.0}  # what a refusal is worth, by whether there is an answer

    def with_refusals(values: Iterable[tuple[Read, float]]) -> float | None:
        return _mean(v if one.probability >= threshold else refused[one.answerable] for one, v in values)

    return Outcome(
        exact=_mean(one.exact for one in there),
        f1=_mean(one.f1 for one in there),
        auc=area([one.probability for one in there], [one.probability for one in absent]),
        exact_with_refusals=with_refusals((one, one.exact) for one in found) if absent else None,
        f1_with_refusals=with_refusals((one, one.f1) for one in found) if absent else None,
        refused_rightly=_mean(one.probability < threshold for one in absent),
        refused_wrongly=_mean(one.probability < threshold for one in there) if absent else None,
        seconds=seconds,
    )


def area(higher: Sequence[float], lower: Sequence[float]) -> float | None:
    """The area under the ROC curve: how often one of `higher` is above one of `lower`, equals half (Mann-Whitney)."""
    if not higher or not lower:
        return None
    ranked = sorted([(value, True) for value in higher] + [(value, False) for value in lower])
    total, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        ups = sum(up for _, up in ranked[at:end])
        total += ups * (at + 1 + end) / 2  # the mean of the ranks that these share
        at = end
    n = len(higher)
    return (total - n * (n + 1) / 2) / (n * len(lower))


def as_json(found: Outcome) -> dict[str, object]:
    return {name: None if value is None else round(value, 4) for name, value in vars(found).items()}


def table(found: Outcome) -> str:
    """Markdown, so that it can be put into a document as it is."""
    names = {
        "EM": found.exact,
        "F1": found.f1,
        "AUC": found.auc,
        "EM with refusals": found.exact_with_refusals,
        "F1 with refusals": found.f1_with_refusals,
        "rightly": found.refused_rightly,
        "wrongly": found.refused_wrongly,
        "s": found.seconds,
    }
    values = ("–" if value is None else f"{value:.3f}" for value in names.values())
    rows = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|", "| " + " | ".join(values) + " |"]
    return "\n".join(rows)


def _mean(values: Iterable[float]) -> float | None:
    there = list(values)
    return fmean(there) if there else None
