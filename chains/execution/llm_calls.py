"""One call to a model, or many at once. Knows nothing of what is asked."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from chains.errors import (
    CapReached,
    KeyMissing,
    KeyRefused,
    ModelError,
    ModelTimeout,
    ModelUnreachable,
    PackageMissing,
    RateLimited,
    ServerAway,
    StreamCut,
    UnknownModel,
)
from chains.events import Token
from chains.execution import context_budget
from chains.model import Finish, Model
from chains.prompt import Prompt
from chains.thinking import parted

J = TypeVar("J")
T = TypeVar("T")

# What fails the first call like this fails all others too; going on would only cost time.
HOPELESS = (CapReached, KeyMissing, KeyRefused, PackageMissing, UnknownModel)
# So many of these in a row, for each of the calls at once, mean that the server is gone: the others are left undone, to
# be made when it is back.
OUTAGE = (ModelTimeout, ModelUnreachable, RateLimited, ServerAway, StreamCut)
IN_A_ROW = 3
# Closing waits this long for the workers to notice. A worker that hangs in a read of the network ends with that read.
STOP_SECONDS = 2.0


@dataclass(frozen=True)
class Reply:
    """A whole reply, with its writer's own count of it where that can be believed. `cut`: it ended at max_tokens."""

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
    """One whole reply; an empty one where `stop` was set. Raises ModelError."""
    pieces = watched(model, prompt, str)
    with closed(pieces):
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                reply: Reply = end.value
                return reply
            if stop is not None and stop.is_set():
                return Reply("")


def watched(model: Model, prompt: Prompt, shown: Callable[[str], T]) -> Generator[T, None, Reply]:
    """The pieces of one reply as they come, `shown`; returns it whole. Raises ModelError."""
    pieces: list[str] = []
    finish: Finish | None = None
    with closed(model.stream(prompt)) as stream:
        for piece in stream:
            if isinstance(piece, str):
                pieces.append(piece)
                yield shown(piece)
            elif isinstance(piece, Finish):
                finish = piece
    text = parted("".join(pieces).strip())[1]
    if finish is None:
        return Reply(text)
    return Reply(context_budget.written(text, finish.written), finish.reason == "length")


def read_all(model: Model, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Reply | ModelError]]:
    """Every prompt's reply or error with the prompt's index, as they come, `model.parallel` at once.

    Closing it stops the work. What every further call would meet as well ends it: no other call is begun, those that
    run are waited for, and last it is raised.
    """
    answered, lock = threading.Event(), threading.Lock()
    ending: list[ModelError] = []
    row = 0

    def call(index: int, stop: threading.Event, put: Callable[[tuple[int, Reply | ModelError]], None]) -> None:
        nonlocal row
        if ending:
            return
        try:
            reply = read(model, prompts[index], stop)
        except ModelError as error:
            with lock:
                row += 1
                gone = isinstance(error, OUTAGE) and row >= IN_A_ROW * max(1, model.parallel)
                never = isinstance(error, ModelUnreachable) and not answered.is_set()
                if isinstance(error, HOPELESS) or gone or never:
                    ending.append(error)
                    return
            put((index, error))
        else:
            row = 0
            answered.set()
            put((index, reply))

    yield from side_by_side(range(len(prompts)), model.parallel, call)
    if ending:
        raise ending[0]


def to_the_end(replies: Iterator[T], ended: list[ModelError]) -> Iterator[T]:
    """The replies, with what ended them put into `ended`, so that those that came can be used first."""
    try:
        yield from replies
    except ModelError as error:
        ended.append(error)


def side_by_side(
    jobs: Sequence[J], parallel: int, run: Callable[[J, threading.Event, Callable[[T], None]], None]
) -> Iterator[T]:
    """What `run(job, stop, put)` puts, as it comes, `parallel` jobs at once; what it raises ends everything.

    Closing it sets `stop`, begins no further job, and waits STOP_SECONDS at most for those that run.
    """
    done: queue.SimpleQueue[_Put[T] | BaseException | None] = queue.SimpleQueue()  # None: a job has ended
    stop, waiting, lock = threading.Event(), iter(jobs), threading.Lock()

    def work() -> None:
        while not stop.is_set():
            with lock:
                job = next(waiting, _NONE)
            if isinstance(job, _None):
                return
            try:
                run(job, stop, lambda value: done.put(_Put(value)))
            except BaseException as fault:  # handed to the reader, who raises it
                stop.set()
                done.put(fault)
            else:
                done.put(None)

    count = min(max(1, parallel), len(jobs))
    workers = [threading.Thread(target=work, name=f"work-{i}", daemon=True) for i in range(count)]
    for worker in workers:
        worker.start()
    try:
        left = len(jobs)
        while left:
            got = done.get()
            if isinstance(got, BaseException):
                raise got
            if got is None:
                left -= 1
            else:
                yield got.value
    finally:
        stop.set()
        until = monotonic() + STOP_SECONDS
        for worker in workers:
            worker.join(max(0.0, until - monotonic()))


@dataclass(frozen=True)
class _Put(Generic[T]):
    value: T


class _None:
    """No job is left."""


_NONE = _None()
