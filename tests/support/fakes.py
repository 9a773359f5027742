"""Small true implementations of the program's own interfaces, for tests that need no real weights."""

import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chains.errors import ModelError
from chains.language.lexicon import subject_words
from chains.model import Finish, Piece, Usage
from chains.prompt import Prompt
from chains.prompting.render import render
from chains.reader.protocol import Reading, Span
from ingest.text.search_tokens import tokens
from ingest.text.sentences import sentences

_WORD = re.compile(r"[㐀-鿿]|\w+")
_TOKEN = re.compile(r"[㐀-鿿]|\w+|[^\w\s]")


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


class SharingReader:
    """A Reader without weights: sentences answer as far as they have the question's words, by their last other word."""

    languages: frozenset[str] | None = frozenset({"en"})
    threshold = 0.5

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        self.asked.append((question, tuple(texts)))
        wanted = set(subject_words(question))
        return [self._reading(wanted, text) for text in texts]

    def _reading(self, wanted: set[str], text: str) -> Reading:
        spans = []
        shares = [0.0]
        for start, end in sentences(text):
            shares.append(len(wanted & set(tokens(text[start:end]))) / max(1, len(wanted)))
            other = [word for word in re.finditer(r"\w+", text[start:end]) if not set(tokens(word[0])) & wanted]
            if other:
                spans.append(Span(start + other[-1].start(), start + other[-1].end(), 8 * shares[-1] - 4))
        spans.sort(key=lambda span: -span.score)
        return Reading(tuple(spans[:4]), max(shares), 8 * max(shares) - 4)


class ScriptedModel:
    """A Model whose replies are a function of the prompt. It keeps to its window and to max_tokens as a real one does.

    Tokens are words, signs and Chinese characters. A prompt that does not fit with its reply is an AssertionError: no
    chain may send one. `fails` maps the number of a call, from 1, to the error it ends with, after `pieces` pieces.
    `obeys` False lets it write past max_tokens. `gate` holds every reply back after its first piece until it is set.
    """

    def __init__(
        self,
        reply: Callable[[Prompt], str],
        context: int = 100_000,
        parallel: int = 1,
        fails: Mapping[int, ModelError] | None = None,
        pieces: int = 0,
        obeys: bool = True,
        gate: threading.Event | None = None,
    ) -> None:
        self.name = "scripted"
        self.context = context
        self.parallel = parallel
        self.prompts: list[Prompt] = []  # in the order of the calls
        self.counted = 0  # tokens, over all that count() was asked
        self.running = self.most_running = 0
        self.cut = 0  # streams that were closed before their end
        self.obeys = obeys
        self._reply, self._fails, self._pieces, self._gate = reply, fails or {}, pieces, gate
        self._lock = threading.Lock()

    @property
    def calls(self) -> int:
        return len(self.prompts)

    def count(self, prompt: Prompt) -> int:
        count = self._size(prompt)
        self.counted += count
        return count

    def size(self, *texts: str) -> int:
        count = sum(len(_TOKEN.findall(text)) for text in texts)
        self.counted += count
        return count

    def at_most(self, text: str) -> int:
        return len(text)

    def _size(self, prompt: Prompt) -> int:
        rendered = render(prompt)
        return len(_TOKEN.findall(rendered.system)) + len(_TOKEN.findall(rendered.user))

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        size = self._size(prompt)
        assert size + prompt.max_tokens <= self.context, f"{prompt.role}: {size} + {prompt.max_tokens} > {self.context}"
        with self._lock:
            self.prompts.append(prompt)
            call = len(self.prompts)
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        done = False
        try:
            pieces = re.findall(r"\s*\S+|\s+$", self._reply(prompt))
            written = 0
            for i, piece in enumerate(pieces):
                if call in self._fails and i >= self._pieces:
                    break
                written += len(_TOKEN.findall(piece))
                if self.obeys and written > prompt.max_tokens:
                    done = True
                    yield Finish("length", Usage(size, prompt.max_tokens), prompt.max_tokens)
                    return
                if i and self._gate is not None:
                    self._gate.wait(20)
                yield piece
            done = True
            if call in self._fails:
                raise self._fails[call]
            yield Finish("stop", Usage(size, written), written)
        finally:
            with self._lock:
                self.running -= 1
                self.cut += not done
