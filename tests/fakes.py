"""Small true implementations of the program's own interfaces, for tests that need no real weights."""

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[㐀-鿿]|\w+")


class HashingEmbedder:
    """An Embedder without weights: a bag of words, each hashed to a place in the vector.

    Texts that share words are near each other, which is all that a test of the library needs; the same text gives
    the same vector in every process. Any language.
    """

    def __init__(self, dimensions: int = 64, window: int = 256, name: str = "hashing") -> None:
        self.name = name
        self.window = window
        self.dimensions = dimensions
        self.languages: frozenset[str] | None = None

    def count(self, text: str) -> int:
        return len(_WORD.findall(text))

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.query(text) for text in texts]) if texts else np.zeros((0, self.dimensions), np.float32)

    def query(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self.dimensions, np.float32)
        for word in _WORD.findall(text.lower()):
            code = zlib.crc32(word.encode())
            vector[code % self.dimensions] += 1.0 if code & 1 << 20 else -1.0
        length = float(np.linalg.norm(vector))
        if length == 0.0:  # no words, or words that cancel out: still a unit vector
            vector[0] = length = 1.0
        return vector / length
