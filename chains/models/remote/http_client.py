"""The HTTP client to a model server, which can hang up in the middle of a wait."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx

from ingest.http_client import open_client


class Call:
    """One request at a time, in one thread; `hang_up` may come from another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stream: Any = None
        self._over = False

    def connected(self, stream: Any) -> None:
        with self._lock:
            self._stream = stream
            if self._over:
                self._shut()

    def hang_up(self) -> None:
        """Close the connection now, which also wakes up whoever waits for it: the server sees the client go."""
        with self._lock:
            self._over = True
            self._shut()

    def _shut(self) -> None:
        found = self._stream.get_extra_info("socket") if self._stream is not None else None
        if found is not None:
            # Closing a socket does not wake up a thread that reads from it; shutting it down does.
            with contextlib.suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)


_calls = threading.local()


@contextlib.contextmanager
def calling(call: Call) -> Iterator[None]:
    """Requests of this thread belong to `call`."""
    _calls.call = call
    try:
        yield
    finally:
        _calls.call = None


def client(
    base: str, seconds: float, key: str = "", *, hosted: bool = False, allow_link_local: bool = False
) -> httpx.Client:
    """`open_client`, whose requests belong to the Call of the thread that makes them."""
    http = open_client(base, seconds, key, hosted=hosted, allow_link_local=allow_link_local)
    http.event_hooks = {"request": [_follow_connection]}
    return http


def _follow_connection(request: httpx.Request) -> None:
    call: Call | None = getattr(_calls, "call", None)
    if call is None:
        return

    def trace(name: str, info: dict[str, Any]) -> None:
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            call.connected(info["return_value"])

    request.extensions = {**request.extensions, "trace": trace}
