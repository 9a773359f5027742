"""Which hosts and which web pages the server answers: the control against DNS rebinding and cross-site requests.

A page of another site reaches this server in two ways. It lets its own name resolve to the server's address (DNS
rebinding): the browser then takes the app for a part of that site, and only the `Host` header still shows the foreign
name. Or it sends requests from its own origin, a websocket among them, which the `Origin` header shows. The browser
writes both headers and no script can change them, so they decide here, before any other code sees the request.
"""

import ipaddress
import logging
from dataclasses import dataclass

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.server_url import Host, parse_host, parse_hosts
from settings import Settings

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """Where a web page comes from. scheme: "http" or "https"."""

    scheme: str
    name: str
    port: int


def parse_origin(text: str) -> Origin | None:
    """From "https://docs.example.com" make Origin("https", "docs.example.com", 443); None of "null" and the like."""
    scheme, _, rest = text.partition("://")
    host = parse_host(rest)
    return build_origin(scheme, host) if scheme in _DEFAULT_PORTS and host else None


def build_origin(scheme: str, host: Host) -> Origin:
    return Origin(scheme, host.name, host.port if host.port is not None else _DEFAULT_PORTS[scheme])


class HostPolicy:
    """What is allowed by the settings: `address`, localhost and `allowed_hosts`."""

    def __init__(self, settings: Settings) -> None:
        added = parse_hosts(settings.allowed_hosts)
        try:
            address = ipaddress.ip_address(settings.address)
        except ValueError:  # a name
            self._names, self._on_all_addresses = {settings.address.lower()}, False
        else:
            self._names, self._on_all_addresses = {str(address)}, address.is_unspecified
        self._names |= {"localhost", *(host.name for host in added)}
        self._origins = {build_origin(scheme, host) for scheme in _DEFAULT_PORTS for host in added}

    def is_allowed_host(self, host: Host) -> bool:
        """The port does not count: a browser names the one that it connects to, and a tunnel or container may map it.

        A server on all addresses answers each of them. That is safe, because rebinding needs a name: a page whose host
        is written as an IP address was loaded from that address.
        """
        if host.name in self._names:
            return True
        try:
            address = ipaddress.ip_address(host.name)
        except ValueError:
            return False
        return address.is_loopback or self._on_all_addresses

    def is_allowed_origin(self, origin: Origin, scheme: str, host: Host) -> bool:
        """True for a page of this server itself, as the request names it, and for those that the setting names.

        Another port is another site: what else listens on this machine may not use the app. The setting's names count
        with either scheme, since a proxy in front of the app may not say that it was called with https.
        """
        return origin == build_origin(scheme, host) or origin in self._origins


class HostGuard:
    """Refuses requests for a foreign host or from a foreign origin, of HTTP and websockets alike.

    What passes goes on without its Origin header. Streamlit would check that again, and look for the machine's outer
    address (8.8.8.8, checkip.amazonaws.com) wherever Origin and Host are not the same string.
    """

    def __init__(self, app: ASGIApp, policy: HostPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._find_refusal(scope)
        if refusal is not None:
            status, sentence = refusal
            _LOGGER.warning("Refused (%d): %s", status, sentence)  # a page without its websocket shows no reason
            await PlainTextResponse(sentence + "\n", status)(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"origin"]
        await self._app({**scope, "headers": headers}, receive, send)

    def _find_refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The HTTP status and the sentence to refuse with; None where the request is allowed."""
        hosts = _read_header(scope, b"host")
        host = parse_host(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            return 400, "The request must name its host in one valid Host header."
        if not self._policy.is_allowed_host(host):
            return 421, (
                f"Pagewise does not answer for the host {host.name}. "
                "If it is to be opened by that name, add the name to PAGEWISE_ALLOWED_HOSTS."
            )
        origins = _read_header(scope, b"origin")
        if not origins:  # no page of a browser, or a read of one that the browser keeps from foreign pages
            return None
        origin = parse_origin(origins[0]) if len(origins) == 1 else None
        scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
        if origin is None or not self._policy.is_allowed_origin(origin, scheme, host):
            return 403, (
                "Pagewise does not take requests from pages of other sites. "
                "If this page is Pagewise behind a proxy, add the host in its address to PAGEWISE_ALLOWED_HOSTS."
            )
        return None


def _read_header(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
