"""Question → passages. Keyword and vector search, each weighed by what it knows of the question's language.

Scores are summed, not ranks: fusing by rank lets an embedder that does not know Chinese outvote keywords that
find the passage nineteen times in twenty. Work grows with the number of candidates, not with that of the chunks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chains.language.finance_terms import asks_figure, figures, other_names
from chains.language.lexicon import subject_words
from chains.retrieval.document_prior import Named, Shelf, shelf
from chains.retrieval.merge import Arrangement, arrange, joined
from chains.retrieval.near_copies import split_copies
from chains.retrieval.rerank import Reranker
from ingest.document import Chunk, Passage
from ingest.store.library import Library
from ingest.text.search_tokens import language, tokens

POOL = 100  # candidates that each side proposes
# Where near-copies leave fewer than k passages, so many times more are looked at, up to _DEEPEST of each side.
_DEEPER, _DEEPEST = 16, 25_600
# Encyclopaedia pages have a recall of .82 / .95 at 1 and 5 with .6 as with .7, of .79 / .91 by words and .67 / .83 by
# vectors alone. Annual reports want more of meaning: of 47 questions 33 find their page in five with .6, 39 with .75.
VECTOR_WEIGHT = 0.7
# What a question is about counts twice: recall at 1 rises from .974 to .988 in Chinese, where the other words make
# pairs of characters that are rare by chance, and from .800 to .808 in English.
SUBJECT_WEIGHT = 2.0
# Of a document that is named: about what parts two good passages. Of 53 questions, with all of 30 reports searched, 43
# find their page among the first five, 30 without it. Encyclopaedia pages lose nothing by it; by .6 they would.
PRIOR_WEIGHT = 0.3
NAMED = 0.5  # a document with this prior is searched by itself too
_MOST_NAMED = 20  # documents; a question that names more names none of them
FIGURES_WEIGHT = 0.4  # of figures, where one is asked for: 45 of those 53 with one report searched, 37 without
_RERANKED = 20  # candidates that are read again; a small cross-encoder takes about a second for them on a CPU
_WHOLE = 20_000  # chunks that are compared where only some pages are asked for


@dataclass(frozen=True)
class Scope:
    """Which pages, and which years: those that a document's name or title names, else the last on its first page."""

    pages: tuple[int, int] | None = None  # first and last
    since: int | None = None
    until: int | None = None


ALL = Scope()


@dataclass(frozen=True)
class Why:
    """What a passage's score is made of."""

    words: float  # by keywords, relative to the best, 0 to 1
    meaning: float | None  # cosine, -1 to 1; None where it was not among the nearest, or nearness says nothing
    figures: float  # what its figures add, where the question asks for one
    document: float  # how well its document is named, 0 to 1
    named_by: tuple[str, ...]  # the question's words that name it
    reranked: float | None = None  # by the second look, 0 to 1; None where there was none
    joined: int = 1  # chunks that the passage is made of
    folded: int = 0  # near-copies that are not shown


@dataclass(frozen=True)
class Found:
    """A passage and why it is there."""

    passage: Passage
    why: Why
    asked: tuple[str, ...]  # the search tokens of the question and of other names of what it speaks of

    @property
    def matched(self) -> tuple[str, ...]:
        """Those that the passage has. Looked for only when asked: it takes as long as the rest of a small search."""
        there = set(tokens(Library.indexed_text(self.passage.title, self.passage.chunk)))
        return tuple(token for token in self.asked if token in there)


@dataclass(frozen=True)
class _Sides:
    """What the two searches propose: chunk id → score."""

    words: dict[str, float]
    near: dict[str, float]


def retrieve(
    question: str,
    library: Library,
    k: int,
    documents: Sequence[str] | None = None,
    scope: Scope = ALL,
    reranker: Reranker | None = None,
) -> list[Passage]:
    """The `k` passages that fit best, best first, with scores from 0 to 1.

    `documents`: ids to search in; None is all, none is nothing. Raises a LibraryError, an EmbedderError or a
    RerankerError.
    """
    return [found.passage for found in find(question, library, k, documents, scope, reranker)]


def find(
    question: str,
    library: Library,
    k: int,
    documents: Sequence[str] | None = None,
    scope: Scope = ALL,
    reranker: Reranker | None = None,
) -> list[Found]:
    """The same, with why each is there."""
    if k < 1 or not tokens(question) or not library.records():
        return []
    names = shelf(library)
    within = _in_scope(documents, scope, names)
    if within is not None and not within:
        return []
    named = names.named(question, within)
    best = [id for id, prior in named.prior.items() if prior >= NAMED]
    if len(best) > _MOST_NAMED:
        named, best = Named(), []
    weight = vector_weight(question, library.embedder.languages)
    # Where words are all there is, each counts: Chinese passages are found first in .99 of questions so, .97 otherwise.
    rest = named.rest if weight and best and tokens(named.rest) else question
    weights = word_weights(question, rest)
    vector = _vector(library, question, rest) if weight else None
    # Documents that the question names, or that were chosen for it, bring their own passage among near-copies.
    own = frozenset(best if documents is None or len(documents) > _MOST_NAMED else documents)

    def arranged_of(ranked: Sequence[Passage]) -> Arrangement:
        spread = documents is None and not best
        return arrange(ranked, k, lambda a, b: _joined(library, a, b), spread, own)

    pool = max(POOL, 4 * k)
    if scope.pages is not None:
        pool = max(pool, min(_WHOLE, sum(record.chunks for record in library.records())))
    while True:
        sides = _search(library, weights, vector, pool, within)
        is_cut = max(len(sides.words), len(sides.near)) >= pool
        if best and (within is None or len(best) < len(within)):
            named_sides = _search(library, weights, vector, pool, best)
            sides = _Sides({**sides.words, **named_sides.words}, {**sides.near, **named_sides.near})
        ranked, whys = _ranked(question, library, sides, weight, pool, named, scope)
        arrangement = arranged_of(ranked)
        # Near-copies may be all that was proposed: go on to what comes after them.
        if arrangement.distinct == k or not is_cut or pool >= _DEEPEST:
            break
        pool *= _DEEPER
    total = {passage.chunk.id: passage.score for passage in ranked}
    if reranker is not None:
        # Copies would take the places of what is to be compared.
        second = _reranked(question, *split_copies(ranked, _RERANKED, own), whys, reranker)
        if second is not None:
            whys = second[1]
            arrangement = arranged_of(second[0])
    return [
        Found(
            one.passage,
            replace(whys[_first(one.chunks, total)], joined=len(one.chunks), folded=one.folded),
            tuple(weights),
        )
        for one in arrangement.passages
    ]


def _ranked(
    question: str, library: Library, sides: _Sides, weight: float, pool: int, named: Named, scope: Scope
) -> tuple[list[Passage], dict[str, Why]]:
    """All that was proposed, best first, with scores from 0 to 1, and why."""
    scores = fuse(sides.words, sides.near, weight, pool)
    passages = [passage for passage in library.passages(scores) if _on(passage, scope.pages)]
    top = max(sides.words.values(), default=0.0) or 1.0
    figure_asked = asks_figure(question)
    whys = {
        passage.chunk.id: Why(
            words=sides.words.get(passage.chunk.id, 0.0) / top,
            meaning=sides.near.get(passage.chunk.id),
            figures=FIGURES_WEIGHT * figures(passage.text) if figure_asked else 0.0,
            document=named.prior.get(passage.document, 0.0),
            named_by=named.words.get(passage.document, ()),
        )
        for passage in passages
    }
    total = {id: scores[id] + why.figures + PRIOR_WEIGHT * why.document for id, why in whys.items()}
    most = max(1.0, max(total.values(), default=0.0))
    ranked = sorted(
        (replace(passage, score=total[passage.chunk.id] / most) for passage in passages),
        key=lambda passage: (-passage.score, passage.chunk.id),
    )
    return ranked, whys


def word_weights(question: str, rest: str) -> dict[str, float]:
    """What each search token counts: those of the question, of its subject, and of other names of what it speaks of.

    `rest`: the question without what names documents, which counts half: it has chosen the document already, and says
    little about its pages. Of 58 questions about annual reports 49 find their page among five so; of 53, 37 otherwise.
    """
    one, other = _weights(question), _weights(rest)
    return {token: (weight + other.get(token, 0.0)) / 2 for token, weight in one.items()}


def _weights(text: str) -> dict[str, float]:
    subject = subject_words(text)
    others = [token for name in other_names(text) for token in subject_words(name)]
    return dict.fromkeys(tokens(text), 1.0) | dict.fromkeys([*subject, *others], SUBJECT_WEIGHT)


def vector_weight(question: str, languages: frozenset[str] | None) -> float:
    """What vector search counts, 0 to 1: nothing in a language that the embedder does not know."""
    return VECTOR_WEIGHT if languages is None or language(question) in languages else 0.0


def fuse(words: Mapping[str, float], near: Mapping[str, float], weight: float, pool: int = POOL) -> dict[str, float]:
    """Both sides' scores as one, 0 to 1. `pool`: how many each side was asked for.

    BM25 has no upper end, so it is taken relative to the best; a cosine is what it is. What one side did not propose
    counts there as little as the least that it did propose.
    """
    top = max(words.values(), default=0.0) or 1.0
    least_word = min(words.values(), default=0.0) / top if len(words) >= pool else 0.0
    least_near = max(0.0, min(near.values(), default=0.0))
    return {
        id: (1 - weight) * (words[id] / top if id in words else least_word)
        + weight * max(0.0, near.get(id, least_near))
        for id in {**words, **near}
    }


def _vector(library: Library, question: str, rest: str) -> NDArray[np.float32]:
    """The question's direction; half way to that of the rest, for the same reason."""
    vector = library.embedder.query(question)
    if rest == question:
        return vector
    middle = vector + library.embedder.query(rest)
    unit: NDArray[np.float32] = np.divide(middle, np.linalg.norm(middle) or 1.0, dtype=np.float32)
    return unit


def _search(
    library: Library,
    weights: Mapping[str, float],
    vector: NDArray[np.float32] | None,
    pool: int,
    documents: Sequence[str] | None,
) -> _Sides:
    words = dict(library.keywords(weights, pool, documents))
    near = dict(library.nearest(vector, pool, documents)) if vector is not None else {}
    return _Sides(words, near)


def _in_scope(documents: Sequence[str] | None, scope: Scope, names: Shelf) -> list[str] | None:
    """The ids to search in; None for all."""
    if scope.since is None and scope.until is None:
        return None if documents is None else list(documents)
    since, until = scope.since or 0, scope.until or 9999
    chosen = names.documents if documents is None else documents
    return [id for id in chosen if any(since <= int(year) <= until for year in names.years(id))]


def _on(passage: Passage, pages: tuple[int, int] | None) -> bool:
    return pages is None or (passage.page <= pages[1] and passage.last_page >= pages[0])


def _joined(library: Library, first: Chunk, second: Chunk) -> Chunk | None:
    return joined(first, second, library.page(first.document, first.spans[-1].page).text)


def _first(chunks: Sequence[str], total: Mapping[str, float]) -> str:
    return max(chunks, key=lambda id: total[id])


def _reranked(
    question: str, head: list[Passage], tail: list[Passage], whys: dict[str, Why], reranker: Reranker
) -> tuple[list[Passage], dict[str, Why]] | None:
    """`head` in the order of the second look, with its scores; `tail` after it, as it was. None where there is none."""
    scores = reranker.scores(question, [passage.text for passage in head], [passage.score for passage in head])
    if scores is None:
        return None
    least = min(scores, default=0.0)
    judged = [replace(passage, score=score) for passage, score in zip(head, scores, strict=True)]
    new = {p.chunk.id: replace(whys[p.chunk.id], reranked=p.score) for p in judged}
    below = [replace(passage, score=least * passage.score) for passage in tail]
    return sorted(judged, key=lambda passage: -passage.score) + below, whys | new
