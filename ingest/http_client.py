"""The HTTP client to one server: it goes there and nowhere else, and never to a link-local or metadata address."""

import functools
import ssl
import urllib.request
from contextlib import suppress
from urllib.parse import urlsplit

import httpx

from ingest import server_url
from ingest.blocked_addresses import resolve
from ingest.errors import BlockedAddressError

_CONNECT_SECONDS = 10.0
_OPENAI_HEADERS = ("openai-organization", "openai-project")  # the environment's, meant for OpenAI


class PinnedTransport(httpx.BaseTransport):
    """Refuses every other scheme, host or port than those of `base`, and dials the very address that was checked.

    The name is resolved once for each request, so a server of names cannot show one address to the check and another
    to the connection (DNS rebinding). Errors are httpx's.
    """

    def __init__(
        self, inner: httpx.BaseTransport, base: str, *, hosted: bool, proxied: bool, allow_link_local: bool
    ) -> None:
        self._inner, self._origin = inner, _origin(server_url.plain(base))
        self._hosted, self._proxied, self._allow_link_local = hosted, proxied, allow_link_local
        self._authorization = server_url.basic(base)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if _origin(str(request.url)) != self._origin:
            raise httpx.UnsupportedProtocol("a request to another host than the configured one", request=request)
        if not self._hosted:
            for name in _OPENAI_HEADERS:
                request.headers.pop(name, None)
        if self._authorization:  # only here, so that no client logs them with the address
            request.headers["authorization"] = self._authorization
        if self._allow_link_local:
            return self._inner.handle_request(request)
        return self._dial(request)

    def _dial(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        try:
            addresses = resolve(host, self._origin[2])
        except BlockedAddressError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        except OSError as error:
            if not self._proxied:
                raise httpx.ConnectError(str(error), request=request) from error
            addresses = []
        if self._proxied:  # it resolves the name itself
            return self._inner.handle_request(request)
        *others, last = addresses
        for found in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return self._inner.handle_request(_dialled(request, found))
        return self._inner.handle_request(_dialled(request, last))

    def close(self) -> None:
        self._inner.close()


def open_client(
    base: str, seconds: float, key: str = "", *, hosted: bool = False, allow_link_local: bool = False
) -> httpx.Client:
    """A client for `base` and its host alone. No redirects; a connection a call, so that none is found dead.

    `seconds` is the longest silence. `hosted`: OpenAI's own address, which alone gets its headers. The proxy of the
    environment is used for https alone: a proxy for plain http would read the key. A user and password in `base` take
    the key's place.
    """
    parts = urlsplit(server_url.plain(base))
    proxies = urllib.request.getproxies() if parts.scheme == "https" else {}
    proxy = proxies.get("https") or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.hostname or ""):
        proxy = None
    elif "://" not in proxy:
        proxy = f"http://{proxy}"
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    inner = httpx.HTTPTransport(_certificates(parts.scheme), limits=limits, proxy=proxy)
    return httpx.Client(
        transport=PinnedTransport(
            inner, base, hosted=hosted, proxied=proxy is not None, allow_link_local=allow_link_local
        ),
        timeout=httpx.Timeout(seconds, connect=min(_CONNECT_SECONDS, seconds), pool=None),
        follow_redirects=False,
        trust_env=False,  # proxies: above
        headers={"Authorization": f"Bearer {key}"} if key else {},
    )


def _dialled(request: httpx.Request, found: str) -> httpx.Request:
    """The request to a numeric address; the Host header and the name in the certificate stay those of the URL."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=found),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


@functools.cache
def _certificates(scheme: str) -> ssl.SSLContext:
    """Whose certificates are believed: read once, for that takes longer (20 to 50 ms) than all else about a client.

    Plain http needs none, so there nobody's are.
    """
    return httpx.create_ssl_context() if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
