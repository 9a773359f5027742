"""Given the passage: how far the words, or the cell, that are found for a question are its gold answer. Pure.

Beside the best sentence of the extractive model, which is what was shown before.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean

from chains.models.extractive.sentence_scoring import fits, sentences_of
from chains.prompt import Source
from chains.reader.chinese import span_finder as words_found
from chains.reader.chinese.characters import folded
from chains.reader.tables import cells as table_cells
from evals.datasets import Question
from evals.text_overlap import overlap
from ingest.document import Chunk, Document, Passage, Span
from ingest.text.search_tokens import language

AMONG = 8  # passages that the best span is taken from, as an answer's is

_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_ONE_NUMBER = re.compile(rf"[-(]?[$€£¥]?-?(?:{_NUMBER.pattern})\)?%?")
_SCALES = tuple(Decimal(10) ** k for k in (-9, -6, -3, 0, 3, 6, 9))


@dataclass(frozen=True)
class Figures:
    """Of one way to answer, over the questions of one kind."""

    kind: str
    way: str
    questions: int
    exact: float
    f1: float | None  # None: of tables, where a figure is right or wrong
    silent: float  # the share for which nothing was found


def words(questions: Sequence[Question], documents: Sequence[Document]) -> list[Figures]:
    """The answer's own words, by language: in the passage that holds them; and "of 8", in that and those likest it."""
    pages = {(document.name, page.number): page.text for document in documents for page in document.pages}
    near = Neighbours(list(pages.values()))
    found: dict[tuple[str, str], list[tuple[float, float, bool]]] = {}
    for question in questions:
        if not question.answers:
            continue
        text, spoken = pages[question.document, question.pages[0]], language(question.text)
        others = near.of(question.text, text, AMONG - 1)
        said = {
            "sentence": sentence(question.text, text),
            "span": span(question.text, text),
            f"span of {AMONG}": span(question.text, text, *others),
        }
        for way, words in said.items():
            shared = overlap(words, question.answers, spoken)
            found.setdefault((spoken, way), []).append((shared.exact, shared.f1, not words))
    figures = []
    for (kind, way), each in found.items():
        exact, f1, silent = (fmean(values) for values in zip(*each, strict=True))
        figures.append(Figures(kind, way, len(each), exact, f1, silent))
    return figures


class Neighbours:
    """Of several passages those that share the rarest pairs of characters with a question."""

    def __init__(self, passages: Sequence[str]) -> None:
        self.passages = list(dict.fromkeys(passages))
        self.holding: dict[str, list[int]] = defaultdict(list)
        for number, passage in enumerate(self.passages):
            for pair in _pairs(passage):
                self.holding[pair].append(number)

    def of(self, question: str, passage: str, count: int) -> list[str]:
        """At most `count` passages other than the question's own."""
        shared: dict[int, float] = defaultdict(float)
        for pair in _pairs(question):
            held = self.holding.get(pair, [])
            for number in held:
                shared[number] += 1 / len(held)
        best = [self.passages[number] for number in sorted(shared, key=lambda number: (-shared[number], number))]
        return [other for other in best[: count + 1] if other != passage][:count]


def _pairs(text: str) -> set[str]:
    low = folded(text)
    return {low[i : i + 2] for i in range(len(low) - 1)}


def span(question: str, *texts: str) -> str:
    """The best span of several texts, the first of them where two score alike; "" where none has any."""
    best = [(found[0], text) for text in texts if (found := words_found.find(question, text))]
    one, text = max(best, key=lambda each: each[0].score, default=(None, ""))
    return text[one.start : one.end] if one else ""


def cells(questions: Sequence[Question], pages: Mapping[tuple[str, int], str]) -> list[Figures]:
    """The cell of a table, where the gold answer is one number that stands on a gold page.

    A sentence is right where the number is in it, among others; a cell where it is the number, as it is or rounded to
    the answer's places in its unit (8.7 billion of 8,738 in millions).
    """
    right: dict[str, list[bool]] = {"sentence": [], "cell": []}
    silent = 0
    for question in questions:
        texts = [pages[question.document, page] for page in question.pages if (question.document, page) in pages]
        gold = next((answer.strip() for answer in question.answers), "")
        if not _ONE_NUMBER.fullmatch(gold) or not any(_has(text, gold) for text in texts):
            continue
        found = [(cell, text) for text in texts for cell in table_cells.find(question.text, text)]
        best = max(found, key=lambda each: each[0].score, default=None)
        silent += best is None
        right["cell"].append(best is not None and _has(best[1][best[0].start : best[0].end], gold))
        right["sentence"].append(_has(sentence(question.text, *texts), gold))
    return [
        Figures("table", way, len(each), fmean(each), None, silent / len(each) if way == "cell" else 0.0)
        for way, each in right.items()
        if each
    ]


def sentence(question: str, *texts: str) -> str:
    """The sentence of these texts that the extractive model puts first, by words alone."""
    sources = [
        Source(n, Passage(Chunk("", "", n, 0, len(text), text, "", (Span(n, str(n), 0, len(text)),)), "", "", 1.0))
        for n, text in enumerate(texts, 1)
    ]
    given = sentences_of(sources)
    fitting = fits(question, given, None)
    best = max(range(len(given)), key=lambda i: (fitting[i].score, -i), default=None)
    return given[best].text if best is not None else ""


def _has(text: str, gold: str) -> bool:
    """Whether one of the text's numbers is the gold one, in some unit, rounded to its places."""
    wanted = Decimal(_NUMBER.findall(gold)[0].replace(",", "")).normalize()
    places = Decimal(1).scaleb(min(0, int(wanted.as_tuple().exponent)))
    for number in _NUMBER.findall(text):
        value = Decimal(number.replace(",", ""))
        if any((value * scale).quantize(places) == wanted for scale in _SCALES if value * scale < 10**20):
            return True
    return False


def as_json(figures: Sequence[Figures]) -> dict[str, object]:
    return {
        f"{one.kind} {one.way}": {
            "questions": one.questions,
            "exact": round(one.exact, 4),
            "f1": None if one.f1 is None else round(one.f1, 4),
            "silent": round(one.silent, 4),
        }
        for one in figures
    }


def table(figures: Sequence[Figures]) -> str:
    rows = ["kind   way         questions  exact     F1  nothing found"]
    for one in figures:
        f1 = "–" if one.f1 is None else f"{one.f1:.3f}"
        rows.append(f"{one.kind:<6} {one.way:<11} {one.questions:>9} {one.exact:>6.3f} {f1:>6} {one.silent:>14.3f}")
    return "\n".join(rows)
