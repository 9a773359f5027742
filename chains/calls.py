"""One call to a model, or many at once. Knows nothing of what is asked."""

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from chains.errors import KeyMissing, KeyRefused, ModelError, ModelUnreachable, PackageMissing, UnknownModel
from chains.events import Token
from chains.models.base import Model
from chains.prompts import Prompt

T = TypeVar("T")

# What fails the first call like this fails all others too; going on would only cost time.
HOPELESS = (KeyMissing, KeyRefused, PackageMissing, UnknownModel)
# Closing waits this long for the workers to notice. A worker that hangs in a read of the network ends with that read.
STOP_SECONDS = 2.0


@dataclass(frozen=True)
class Reply:
    """A whole reply. `cut`: it ended at max_tokens."""

    text: str
    cut: bool = False


@contextmanager
def closed(events: Iterator[T]) -> Iterator[Iterator[T]]:
    """The iterator, closed on leaving, however it is left; that stops the work behind it."""
    try:
        yield events
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()


def tokens(model: Model, prompt: Prompt) -> Iterator[Token]:
    """One reply as it comes; "" while the model is still reading, so that closing takes effect then too.

    Raises ModelError, also in the middle.
    """
    with closed(model.stream(prompt)) as stream:
        for piece in stream:
            if isinstance(piece, str):
                yield Token(piece)


def read(model: Model, prompt: Prompt, stop: threading.Event | None = None) -> Reply:
    """One whole reply; what had come by then where `stop` was set. Raises ModelError."""
    pieces: list[str] = []
    cut = False
    with closed(model.stream(prompt)) as stream:
        for piece in stream:
            if isinstance(piece, str):
                pieces.append(piece)
            else:
                cut = piece.reason == "length"
            if stop is not None and stop.is_set():
                break
    return Reply("".join(pieces).strip(), cut)


def read_all(model: Model, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Reply | ModelError]]:
    """Every prompt's reply or error with the prompt's index, as they come, `model.parallel` at once.

    Closing it stops the work. Raises an error that every further call would meet as well, without making those calls.
    """
    work = _Work(model, prompts)
    workers = [
        threading.Thread(target=work.run, name=f"call-{i}", daemon=True)
        for i in range(min(max(1, model.parallel), len(prompts)))
    ]
    for worker in workers:
        worker.start()
    try:
        for _ in prompts:
            outcome = work.done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        work.stop.set()
        until = monotonic() + STOP_SECONDS
        for worker in workers:
            worker.join(max(0.0, until - monotonic()))


class _Work:
    """Prompts that are waiting and replies that are done, shared by the workers of one `read_all`."""

    def __init__(self, model: Model, prompts: Sequence[Prompt]) -> None:
        # An exception by itself ends everything.
        self.done: queue.SimpleQueue[tuple[int, Reply | ModelError] | BaseException] = queue.SimpleQueue()
        self.stop = threading.Event()
        self._model, self._prompts = model, prompts
        self._waiting, self._lock = iter(range(len(prompts))), threading.Lock()
        self._answered = False

    def run(self) -> None:
        """One worker: takes prompts until none is left, or it is told to stop, or there is no point in going on."""
        while not self.stop.is_set():
            with self._lock:
                index = next(self._waiting, None)
            if index is None:
                return
            try:
                reply = read(self._model, self._prompts[index], self.stop)
            except ModelError as error:
                if isinstance(error, HOPELESS) or (isinstance(error, ModelUnreachable) and not self._answered):
                    self.stop.set()
                    self.done.put(error)
                else:
                    self.done.put((index, error))
            except BaseException as error:  # no failure of the model: handed to the reader, who raises it
                self.stop.set()
                self.done.put(error)
            else:
                self._answered = True
                self.done.put((index, reply))
