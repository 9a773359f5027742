"""Work that blocks runs in a thread of its own, so that whoever reads it can stop it at any moment.

A generator can be closed only while it waits at a `yield`, and a model may be silent for a minute before its first
word. So while nothing comes, `pump` yields an empty piece every quarter of a second: a sign of life, and a chance to
close.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator

from chains.model import Piece

Put = Callable[[Piece], None]
BEAT = 0.25  # seconds between two signs of life
_JOIN = 2.0  # seconds to wait for the work to end after it was told to


def pump(
    work: Callable[[Put, threading.Event], None],
    hang_up: Callable[[], None] = lambda: None,
    patience: float = float("inf"),
    silent: Callable[[], Exception] = TimeoutError,
) -> Iterator[Piece]:
    """What `work(put, stopped)` puts, as it comes; its exception is raised here.

    Closing the iterator sets `stopped` and calls `hang_up`, which must make blocking work return soon.
    `silent()` is raised when nothing was put for `patience` seconds.
    """
    items: queue.SimpleQueue[tuple[bool, Piece | BaseException | None]] = queue.SimpleQueue()
    stopped = threading.Event()

    def run() -> None:
        try:
            work(lambda item: items.put((False, item)), stopped)
        except BaseException as error:  # it belongs to the reader, whatever it is
            items.put((True, error))
        else:
            items.put((True, None))

    thread = threading.Thread(target=run, name="model", daemon=True)
    thread.start()
    heard = time.monotonic()
    try:
        while True:
            try:
                last, item = items.get(timeout=BEAT)
            except queue.Empty:
                if time.monotonic() - heard > patience:
                    raise silent() from None
                yield ""
                continue
            heard = time.monotonic()
            if isinstance(item, BaseException):
                raise item
            if last or item is None:
                return
            yield item
    finally:
        stopped.set()
        hang_up()
        thread.join(_JOIN)
