"""The finder of Chinese words as a reader, so that it is measured as one. Nothing is loaded."""

from collections.abc import Sequence
from math import log

from chains.reader.chinese import span_finder
from chains.reader.protocol import Reading, Span

_SLIGHT = 1e-6  # so that a share has a logit


class WordReader:
    """A Reader of Chinese by what stands around the question's words."""

    languages: frozenset[str] | None = frozenset({"zh"})
    threshold = 0.0  # it never says that there is no answer; the extractive model does, by other signs

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        return [_reading(span_finder.find(question, text)) for text in texts]


def _reading(found: Sequence[span_finder.Span]) -> Reading:
    spans = tuple(Span(span.start, span.end, _logit(span.score)) for span in found)
    best = found[0].score if found else 0.0
    return Reading(spans, best, _logit(best))


def _logit(share: float) -> float:
    kept = min(1 - _SLIGHT, max(_SLIGHT, share))
    return log(kept / (1 - kept))
