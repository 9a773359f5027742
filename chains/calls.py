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
    """One reply as it comes. Raises ModelError, also in the middle."""
    with closed(model.stream(prompt)) as stream:
        for piece in stream:
            if isinstance(piece, str) and piece:
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

    Closing it stops the work. Raises an error that every further call would meet as well.
    """
    done: queue.SimpleQueue[tuple[int, Reply | BaseException]] = queue.SimpleQueue()
    waiting = iter(range(len(prompts)))
    lock, stop = threading.Lock(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            try:
                done.put((index, read(model, prompts[index], stop)))
            except BaseException as error:  # handed to the reader, who raises what is not a model's failure
                done.put((index, error))

    workers = [
        threading.Thread(target=work, name=f"call-{i}", daemon=True)
        for i in range(min(max(1, model.parallel), len(prompts)))
    ]
    for worker in workers:
        worker.start()
    answered = False
    try:
        for _ in prompts:
            index, outcome = done.get()
            if isinstance(outcome, ModelError):
                if isinstance(outcome, HOPELESS) or (isinstance(outcome, ModelUnreachable) and not answered):
                    raise outcome
                yield index, outcome
            elif isinstance(outcome, Reply):
                answered = True
                yield index, outcome
            else:
                raise outcome
    finally:
        stop.set()
        until = monotonic() + STOP_SECONDS
        for worker in workers:
            worker.join(max(0.0, until - monotonic()))
