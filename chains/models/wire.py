"""The HTTP client to one model server: goes there and nowhere else, and can hang up in the middle of a wait."""

import contextlib
import functools
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from ingest import address

_CONNECT = 10.0  # seconds
_ELSEWHERE = ("openai-organization", "openai-project")  # the environment's, meant for OpenAI


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


class _Pinned(httpx.BaseTransport):
    """Refuses every other scheme, host or port than the configured one, whatever asks for it."""

    def __init__(self, inner: httpx.BaseTransport, base: str, ours: bool) -> None:
        self._inner, self._origin, self._ours = inner, _origin(address.plain(base)), ours
        self._signed = address.basic(base)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if _origin(str(request.url)) != self._origin:
            raise httpx.UnsupportedProtocol("a request to another host than the configured one", request=request)
        if self._ours:
            for name in _ELSEWHERE:
                request.headers.pop(name, None)
        if self._signed:  # only here, so that no client logs them with the address
            request.headers["authorization"] = self._signed
        call: Call | None = getattr(_calls, "call", None)
        if call is not None:

            def trace(name: str, info: dict[str, Any]) -> None:
                if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                    call.connected(info["return_value"])

            request.extensions = {**request.extensions, "trace": trace}
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def client(base: str, seconds: float, key: str = "", ours: bool = True) -> httpx.Client:
    """A client for `base` and its host alone. No redirects; a connection a call, so that none is found dead.

    `seconds` is the longest silence. `ours`: not a hosted provider's own address. The proxy of the environment is
    used for https alone: a proxy for plain http would read the key. A user and password in `base` take the key's place.
    """
    parts = urlsplit(address.plain(base))
    proxies = urllib.request.getproxies() if parts.scheme == "https" else {}
    proxy = proxies.get("https") or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
        proxy = None
    elif "://" not in proxy:
        proxy = f"http://{proxy}"
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.Client(
        transport=_Pinned(httpx.HTTPTransport(_trusted(parts.scheme), limits=limits, proxy=proxy), base, ours),
        timeout=httpx.Timeout(seconds, connect=min(_CONNECT, seconds), pool=None),
        follow_redirects=False,
        trust_env=False,  # proxies: above
        headers={"Authorization": f"Bearer {key}"} if key else {},
    )


@functools.cache
def _trusted(scheme: str) -> ssl.SSLContext:
    """Whose certificates are believed: read once, for that takes longer (20 to 50 ms) than all else about a client.

    Plain http needs none, so there nobody's are.
    """
    return httpx.create_ssl_context() if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
