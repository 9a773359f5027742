"""One answer against what is known of its question, and many of these in figures. Pure.

Shares are of all questions, or of all citations, that they are about; a share of nothing is None.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from chains.events import Answer
from chains.grounding.citations import plain
from evals.datasets import Question
from evals.metrics import middle_and_slow
from evals.text_overlap import Overlap, overlap
from ingest.text.search_tokens import language


@dataclass(frozen=True)
class Verdict:
    """What one answer is worth."""

    answerable: bool
    refused: bool
    answered: bool  # something was said that is no refusal
    overlap: Overlap | None  # None: the question is unanswerable, or its gold answers are not known
    marked: Overlap | None  # the same of the words that are marked: the first citation's span, or all that it quotes
    on_gold: tuple[bool, ...]  # of each citation: it leads to a gold page of the gold document
    matches: tuple[str, ...]  # of each citation: exact, near or none
    calls: int
    tokens: tuple[int, int]  # in, out; both 0: not known
    seconds: float
    broken: str  # what broke it off, or ""


@dataclass(frozen=True)
class Figures:
    """Of one chain over a set of questions."""

    exact: float | None  # this and the next two: means over the answerable questions whose gold answers are known
    f1: float | None
    contains: float | None
    marked_exact: float | None  # the same of the words that are marked as the answer
    marked_f1: float | None
    citations: int
    precision: float | None  # of the citations in answers to answerable questions: those on a gold page
    recall: float | None  # of the answerable questions that were answered: those with a gold page cited
    verified: float | None  # of all citations: those whose words stand on the page exactly; near and none the others
    near: float | None
    none: float | None
    refused_rightly: float | None  # of the unanswerable
    refused_wrongly: float | None  # of the answerable
    broken: int  # answers that broke off; judged by what had come
    calls: float | None  # a question's, mean
    tokens: tuple[float, float] | None  # a question's, in and out, mean over those where they are known
    seconds: tuple[float, float]  # a question's, median and 95th percentile


def judge(question: Question, document: str, answer: Answer) -> Verdict:
    """`document`: the id of the one that the question is about. A refusal says nothing, whatever its words."""
    said = "" if answer.refused else plain(answer.text)
    first = answer.citations[0] if answer.citations else None
    marked = (first.span or first.quote) if first else ""
    known = question.answerable and question.answers
    return Verdict(
        answerable=question.answerable,
        refused=answer.refused,
        answered=bool(said),
        overlap=overlap(said, question.answers, language(question.text)) if known else None,
        marked=overlap(marked, question.answers, language(question.text)) if known else None,
        on_gold=tuple(c.document == document and c.page in question.pages for c in answer.citations),
        matches=tuple(c.match for c in answer.citations),
        calls=answer.calls,
        tokens=(answer.usage.input_tokens, answer.usage.output_tokens),
        seconds=answer.seconds,
        broken=str(answer.error) if answer.error else "",
    )


def figures(verdicts: Sequence[Verdict]) -> Figures:
    answerable = [v for v in verdicts if v.answerable]
    overlaps = [v.overlap for v in answerable if v.overlap]
    marked = [v.marked for v in answerable if v.marked]
    matches = [match for v in verdicts for match in v.matches]
    counted = [v.tokens for v in verdicts if any(v.tokens)]
    return Figures(
        exact=_mean(o.exact for o in overlaps),
        f1=_mean(o.f1 for o in overlaps),
        contains=_mean(o.contains for o in overlaps),
        marked_exact=_mean(o.exact for o in marked),
        marked_f1=_mean(o.f1 for o in marked),
        citations=len(matches),
        precision=_mean(right for v in answerable for right in v.on_gold),
        recall=_mean(any(v.on_gold) for v in answerable if v.answered),
        verified=_mean(match == "exact" for match in matches),
        near=_mean(match == "near" for match in matches),
        none=_mean(match == "none" for match in matches),
        refused_rightly=_mean(v.refused for v in verdicts if not v.answerable),
        refused_wrongly=_mean(v.refused for v in answerable),
        broken=sum(bool(v.broken) for v in verdicts),
        calls=_mean(v.calls for v in verdicts),
        tokens=(fmean(t[0] for t in counted), fmean(t[1] for t in counted)) if counted else None,
        seconds=middle_and_slow([v.seconds for v in verdicts]),
    )


def _mean(values: Iterable[float]) -> float | None:
    there = list(values)
    return fmean(there) if there else None
