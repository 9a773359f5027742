"""A model that is counted: calls, tokens, and a bound that is never exceeded. No prompt is counted twice."""

import threading
from collections.abc import Iterator

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
        found = self._counts.get(prompt)
        if found is None:
            found = self._counts[prompt] = self._model.count(prompt)
        return found

    def stream(self, prompt: Prompt) -> Iterator[str | Finish]:
        with self._lock:
            if self.calls >= self.bound:
                raise ModelFailed(model=self.name, detail=f"more than the {self.bound} calls that were announced")
            self.calls += 1
        used = Usage(self._counts.get(prompt, 0))  # what is known if it never finishes
        try:
            with closed(self._model.stream(prompt)) as stream:
                for piece in stream:
                    if isinstance(piece, Finish):
                        used = piece.usage
                    yield piece
        finally:
            with self._lock:
                self.usage += used
