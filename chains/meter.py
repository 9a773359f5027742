"""A model that is counted: calls, tokens, and a bound and caps that are never exceeded. No prompt is counted twice."""

import threading
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

from chains.calls import closed
from chains.errors import CapReached, ModelFailed
from chains.memory import Memory
from chains.models.base import Finish, Model, Usage
from chains.plan import Stage, total
from chains.prompts import Prompt
from chains.speed import Speeds
from chains.spending import Ledger


class Meter:
    """A Model around a model, for one question.

    A reply that the memory has comes at once and is no call. Nothing is begun that a cap leaves no room for; of a call
    that reads, only where there is room for what has to follow, so that what was read becomes an answer.
    """

    def __init__(self, model: Model, ledger: Ledger | None = None, speeds: Speeds | None = None) -> None:
        self._model = model
        self._ledger = ledger or Ledger(model.name)
        self._speeds = speeds
        self._lock = threading.Lock()
        self._counts: dict[Prompt, int] = {}
        self._reading = 0  # calls that read a source, begun or kept
        self.memory: Memory | None = None
        self.closing: Callable[[int], Sequence[Stage]] = lambda read: ()  # what follows when so many were read
        self.bound = 0  # calls that may still be begun are bound - calls
        self.calls = 0
        self.kept = 0  # replies that were there already
        self.usage = Usage()
        self.capped: CapReached | None = None

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

    def stream(self, prompt: Prompt) -> Iterator[str | Finish]:
        known = self.memory.get(prompt) if self.memory is not None else None
        if known is not None:
            with self._lock:
                self.kept += 1
                self._reading += prompt.role == "map"
            yield known.text
            yield Finish("length" if known.cut else "stop", Usage())
            return
        need = self._begin(prompt)
        used = Usage(0 if prompt.schema is not None else self._counts.get(prompt, 0))  # what is known if it never ends
        began, first = monotonic(), 0.0
        pieces: list[str] = []
        try:
            with closed(self._model.stream(prompt)) as stream:
                for piece in stream:
                    if isinstance(piece, Finish):
                        used = piece.usage
                        self._finished(prompt, "".join(pieces), piece, began, first)
                    else:
                        pieces.append(piece)
                        first = first or (monotonic() if piece else 0.0)
                    yield piece
        finally:
            self._ledger.end(need, used)
            with self._lock:
                self.usage += used

    def _begin(self, prompt: Prompt) -> Usage:
        """What the call takes at most. Raises CapReached, and ModelFailed for one that was not announced."""
        with self._lock:
            if self.calls >= self.bound:
                raise ModelFailed(model=self.name, detail=f"more than the {self.bound} calls that were announced")
            self.calls += 1
            self._reading += prompt.role == "map"
            read = self._reading
        need = Usage()
        try:
            if self._ledger.caps:
                need = Usage(self.count(prompt), prompt.max_tokens)
                later = self.closing(read) if prompt.role == "map" else ()
                speed = self._speeds.of(self.name) if self._speeds else None
                seconds = speed.seconds(later, self.parallel) if speed else 0.0
                self._ledger.begin(need, sum(stage.calls for stage in later), total(later), seconds)
        except CapReached as error:
            with self._lock:
                self.calls -= 1
                self._reading -= prompt.role == "map"
                self.capped = error
            raise
        return need

    def _finished(self, prompt: Prompt, text: str, finish: Finish, began: float, first: float) -> None:
        if self._speeds is not None and first:
            used = finish.usage
            self._speeds.add(self.name, used.input_tokens, first - began, used.output_tokens, monotonic() - first)
        if self.memory is not None:
            self.memory.put(prompt, text, finish.reason == "length")
