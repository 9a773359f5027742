"""Calls that come at the same time run together. Knows nothing of models."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

R = TypeVar("R")

_QUIET = 0.02  # seconds without a further call, after which those that came run; a chain's calls come within a few
_LONGEST = 0.2  # seconds that the first of them waits at most


class Batches(Generic[R]):
    """One batch at a time, in a thread of its own that ends when nothing waits.

    `run(rows)` must not raise and must end; `fit(rows)` says whether these can run together; `most` rows do.
    """

    def __init__(self, run: Callable[[Sequence[R]], None], fit: Callable[[Sequence[R]], bool], most: int) -> None:
        self._run, self._fit, self._most = run, fit, most
        self._waiting: deque[R] = deque()
        self._changed = threading.Condition()
        self._idle = threading.Event()
        self._idle.set()

    def submit(self, row: R) -> None:
        """It runs soon, together with what comes beside it, in the order of coming."""
        with self._changed:
            self._waiting.append(row)
            self._changed.notify()
            if self._idle.is_set():
                self._idle.clear()
                threading.Thread(target=self._work, name="local-model", daemon=True).start()

    def idle(self, seconds: float) -> bool:
        """Waits so long; whether nothing runs and nothing waits then."""
        return self._idle.wait(seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._idle.set()
                    return
                self._gather()
                rows = [self._waiting.popleft()]
                while self._waiting and len(rows) < self._most and self._fit([*rows, self._waiting[0]]):
                    rows.append(self._waiting.popleft())
            self._run(rows)

    def _gather(self) -> None:
        """Until no further call comes. Called with the condition held."""
        for _ in range(round(_LONGEST / _QUIET)):
            if len(self._waiting) >= self._most or not self._changed.wait(_QUIET):
                return
