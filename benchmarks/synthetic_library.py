"""A made-up library of any size, the same one each time: text, vectors and questions that cost what real ones cost.

What a search costs hangs on how often words occur, so words follow the law that those of annual reports follow (a few
in nearly every chunk, tens of thousands in a handful) and keep to topics; vectors lie in clusters as an embedder's do.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from chains.language.lexicon import ASKING
from ingest.document import PAGE_BREAK, Chunk, Document, Page, Span
from ingest.text.search_tokens import tokens

DIMENSIONS = 384
_VOCABULARY = 80_000
_CHUNKS_OF_A_DOCUMENT = 1000  # a filing of some 250 pages
_CHUNKS_OF_A_PAGE = 4
_WORDS = (150, 201)  # of a chunk: at least, and less than
# The share of chunks that have the 10th, 100th, 1,000th and 10,000th word is then about that in real filings.
_ZIPF_SHIFT, _ZIPF_POWER = 4.0, 1.2
_TOPICS, _OF_THE_TOPIC = 300, 0.3  # the share of a document's words that its topic chooses
_CLUSTERS, _DIRECTIONS, _SPREAD = 4000, 48, 0.8  # of the vectors; how far each lies from its cluster's middle
_FIRST = tokens("the of and to in a for is that on as with by or be are from at this it")
_PAIRS = [consonant + vowel for consonant in "bcdfghklmnprstvw" for vowel in "aeiou"]


@dataclass(frozen=True)
class Part:
    """All that the library keeps of one document."""

    document: Document
    chunks: list[Chunk]
    tokens: list[list[str]]  # a list a chunk
    vectors: NDArray[np.float32]  # (chunks, DIMENSIONS), unit rows


class Synthetic:
    """A library of `size` chunks, document by document, so that no more than one is in memory."""

    def __init__(self, size: int) -> None:
        self.size = size

    def parts(self) -> Iterator[Part]:
        for first in range(0, self.size, _CHUNKS_OF_A_DOCUMENT):
            yield self.part(first // _CHUNKS_OF_A_DOCUMENT, min(_CHUNKS_OF_A_DOCUMENT, self.size - first))

    def part(self, number: int, count: int) -> Part:
        id = hashlib.sha256(f"synthetic {number}".encode()).hexdigest()
        title = f"Report {number}"
        texts = self._texts(number, count)
        chunks: list[Chunk] = []
        pages: list[Page] = []
        at = 0
        for i, text in enumerate(texts):
            page, name = i // _CHUNKS_OF_A_PAGE + 1, hashlib.sha256(f"{id}-{i}".encode()).hexdigest()[:32]
            place = (Span(page, str(page), 0, len(text)),)
            chunks.append(Chunk(name, id, i, at, at + len(text), text, "", place))
            at += len(text) + len(PAGE_BREAK)
        for first in range(0, count, _CHUNKS_OF_A_PAGE):
            page = len(pages) + 1
            pages.append(Page(page, str(page), "\n".join(texts[first : first + _CHUNKS_OF_A_PAGE])))
        document = Document(id, f"report-{number}.pdf", title, tuple(pages))
        found = [[*tokens(title), *text.split()] for text in texts]
        return Part(document, chunks, found, self._vectors(number, count))

    def questions(self, count: int) -> list[str]:
        """Of 5 to 15 words: half as frequent as they come, half of one chunk; every tenth of frequent words alone."""
        chance = np.random.default_rng(7)
        asked = []
        for number in range(count):
            size = int(chance.integers(5, 16))
            words = self._written(chance, size)
            if number % 10:
                text = self._texts(int(chance.integers(1 + (self.size - 1) // _CHUNKS_OF_A_DOCUMENT)), 1)[0]
                words[size // 2 :] = chance.choice(sorted(set(text.split())), size - size // 2).tolist()
            asked.append(f"What {' '.join(words)}?")
        return asked

    def asked_vectors(self, count: int) -> NDArray[np.float32]:
        """(count, DIMENSIONS): each from the same clusters as the chunks'."""
        return self._clustered(np.random.default_rng(8), count)

    def _texts(self, number: int, count: int) -> list[str]:
        chance = np.random.default_rng((2, number))
        topic = np.random.default_rng((3, number % _TOPICS)).permutation(_VOCABULARY)
        ends = np.cumsum(chance.integers(*_WORDS, size=count)).tolist()
        words = self._written(chance, ends[-1], topic)
        return [" ".join(words[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    def _written(self, chance: Generator, count: int, topic: NDArray[np.int64] | None = None) -> list[str]:
        ranks = np.searchsorted(self._shares, chance.random(count))
        if topic is not None:
            ranks = np.where(chance.random(count) < _OF_THE_TOPIC, topic[ranks], ranks)
        words = self._vocabulary
        return [words[rank] for rank in ranks.tolist()]

    def _vectors(self, number: int, count: int) -> NDArray[np.float32]:
        return self._clustered(np.random.default_rng((4, number)), count)

    def _clustered(self, chance: Generator, count: int) -> NDArray[np.float32]:
        middles, directions = self._space
        offsets = chance.standard_normal((count, _DIRECTIONS), np.float32) @ directions
        rows = middles[chance.integers(_CLUSTERS, size=count)] + _SPREAD * offsets
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    @cached_property
    def _space(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The clusters' middles, and the directions in which vectors lie around them; of unit length on average."""
        chance = np.random.default_rng(5)
        middles = chance.standard_normal((_CLUSTERS, DIMENSIONS), np.float32) / np.sqrt(DIMENSIONS)
        directions = chance.standard_normal((_DIRECTIONS, DIMENSIONS), np.float32)
        return middles, directions / np.float32(np.sqrt(DIMENSIONS * _DIRECTIONS))

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        """For each word, the share of all text that it and the more frequent ones make."""
        weights = (np.arange(_VOCABULARY) + _ZIPF_SHIFT) ** -_ZIPF_POWER
        shares = np.cumsum(weights)
        return np.asarray(shares / shares[-1])

    @cached_property
    def _vocabulary(self) -> list[str]:
        """The words, most frequent first: English ones that questions are made with, then made-up ones and numbers.

        Each is its own search token.
        """
        known: Sequence[str] = [*_FIRST, *sorted(ASKING - set(_FIRST))]
        words = {word: None for word in known if tokens(word) == [word]}
        chance = np.random.default_rng(1)
        while len(words) < _VOCABULARY:
            numbers = chance.integers(10_000, size=1000).tolist()
            for number, pairs in zip(numbers, chance.integers(len(_PAIRS), size=(1000, 4)).tolist(), strict=True):
                # No English suffix ends in a pair and an m, so its stem is the word itself.
                made = "".join(_PAIRS[pair] for pair in pairs[: 1 + number % 4]) + "m"
                words[str(number) if number % 7 == 0 else made] = None
        return list(words)[:_VOCABULARY]
