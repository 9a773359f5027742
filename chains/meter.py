"""A model that is counted: calls, tokens, and a bound that is never exceeded. No text is counted twice."""

import threading
from collections.abc import Iterator

from chains import prompts
from chains.calls import closed
from chains.errors import ModelFailed
from chains.models.base import Finish, Model, Usage
from chains.prompts import Prompt


class Meter:
    """A Model around a model, for one question."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._counts: dict[Prompt, int] = {}
        self._sizes: dict[str, int] = {}
        self.bound = 0  # calls that may still be begun are bound - calls
        self.calls = 0
        self.usage = Usage()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context(self) -> int:
        return self._model.context

    @property
    def parallel(self) -> int:
        return self._model.parallel

    def count(self, prompt: Prompt) -> int:
        if prompt.schema is not None:  # a mapping: cannot be looked up by
            return self._model.count(prompt)
        found = self._counts.get(prompt)
        if found is None:
            found = self._counts[prompt] = self._model.count(prompt)
        return found

    def size(self, text: str) -> int:
        found = self._sizes.get(text)
        if found is None:
            found = self._sizes[text] = self._model.size(text)
        return found

    def at_most(self, text: str) -> int:
        return self._model.at_most(text)

    def stream(self, prompt: Prompt) -> Iterator[str | Finish]:
        with self._lock:
            if self.calls >= self.bound:
                raise ModelFailed(model=self.name, detail=f"more than the {self.bound} calls that were announced")
            self.calls += 1
        used: Usage | None = None
        try:
            with closed(self._model.stream(prompt)) as stream:
                for piece in stream:
                    if isinstance(piece, Finish):
                        used = piece.usage
                    yield piece
        finally:
            with self._lock:
                self.usage += used or Usage(self._roughly(prompt))

    def _roughly(self, prompt: Prompt) -> int:
        """Tokens of a prompt whose call never finished: what was counted of it, and a guess at the rest."""
        known = self._counts if prompt.schema is None else {}
        pieces = prompts.material(prompt)
        return known.get(prompts.bare(prompt), 0) + sum(self._sizes.get(p) or len(p) // 4 for p in pieces)
