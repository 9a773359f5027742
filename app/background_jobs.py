"""Work that goes on while the screen is redrawn: a thread that runs an iterator and keeps what it yields.

A screen may come and go (a click redraws the page, a reload starts a new session); it reads the events from the
beginning and follows. Knows nothing of Streamlit.
"""

import logging
import secrets
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Generic, TypeVar

from ingest.errors import PagewiseError

E = TypeVar("E")
FRAME = 0.04  # seconds between two drawings of a stream: no more than the eye can see, and the first word is soon there
_log = logging.getLogger("pagewise.app")


class Unexpected(PagewiseError):
    """A fault of ours. The log has where it happened under this number, without any text that was being read."""

    text = "Something went wrong that Pagewise did not expect. Nothing in the library is lost."
    remedy = "In the log it is incident {incident}."


def unexpected(error: BaseException) -> Unexpected:
    """Logs where `error` came from, not its message, which may hold text of documents or a key."""
    incident = secrets.token_hex(4)
    places = "".join(traceback.format_tb(error.__traceback__))
    _log.error("incident %s: %s\n%s", incident, type(error).__name__, places)
    return Unexpected(incident=incident)


class Job(Generic[E]):
    """`work` is called in a thread of its own; what it yields are the events.

    `done(events, seconds, stopped, error)` is called once, when the work ended or was stopped, before `running`
    turns False. A stop counts at once, even while the work is waiting for somebody; what comes later is not kept.
    """

    def __init__(
        self,
        work: Callable[[], Iterator[E]],
        done: Callable[[Sequence[E], float, bool, PagewiseError | None], None] = lambda *_: None,
    ) -> None:
        self._work = work
        self._done = done
        self._events: list[E] = []
        self._changed = threading.Condition()
        self._stop = False
        self._over = False
        self._started = monotonic()
        self.error: PagewiseError | None = None
        self._thread = threading.Thread(target=self._run, name="pagewise-job", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return not self._over

    @property
    def stopped(self) -> bool:
        return self._stop

    @property
    def events(self) -> tuple[E, ...]:
        with self._changed:
            return tuple(self._events)

    def wait(self, seen: int, seconds: float) -> tuple[E, ...]:
        """The events after the first `seen`, waiting for more at most so long; none when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > seen or self._over, seconds)
            return tuple(self._events[seen:])

    def follow(self, frame: float = FRAME) -> Iterator[tuple[E, ...]]:
        """The events as they come, those of `frame` seconds together, until it is over; () is a moment to stop."""
        seen = 0
        while True:
            new = self.wait(seen, 0.3)
            if not new and not self.running:
                return
            seen += len(new)
            yield new
            if new and self.running:
                self.wait(1 << 60, frame)  # ends early only when the job does

    def stop(self) -> None:
        self._stop = True
        self._finish(None)

    def join(self, seconds: float | None = None) -> None:
        """Waits for the thread itself, which may end later than the job."""
        self._thread.join(seconds)

    def _run(self) -> None:
        error: PagewiseError | None = None
        try:
            events = self._work()
            try:
                for event in events:
                    with self._changed:
                        if self._stop:
                            break
                        self._events.append(event)
                        self._changed.notify_all()
            finally:
                close = getattr(events, "close", None)
                if close is not None:
                    close()  # ends the model's work, or the reading of a file
        except PagewiseError as known:
            error = known
        except Exception as fault:
            error = unexpected(fault)
        self._finish(error)

    def _finish(self, error: PagewiseError | None) -> None:
        with self._changed:
            if self._over:
                return
            self.error = error
            try:
                self._done(tuple(self._events), monotonic() - self._started, self._stop, error)
            except Exception as fault:
                self.error = fault if isinstance(fault, PagewiseError) else unexpected(fault)
            self._over = True
            self._changed.notify_all()


class Jobs:
    """The jobs of this process by name, so that a reloaded page finds its own again. One of a name at a time."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job[object]] = {}
        self._lock = threading.Lock()

    def put(self, name: str, job: "Job[E]") -> "Job[E]":
        """Stops the one that has the name."""
        with self._lock:
            for old in [key for key, other in self._jobs.items() if not other.running and key != name]:
                del self._jobs[old]
            before = self._jobs.get(name)
            self._jobs[name] = job  # type: ignore[assignment]
        if before is not None:
            before.stop()
        return job

    def get(self, name: str) -> "Job[object] | None":
        return self._jobs.get(name)

    def drop(self, name: str) -> None:
        with self._lock:
            job = self._jobs.pop(name, None)
        if job is not None:
            job.stop()
