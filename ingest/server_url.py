"""The address of a server: as it is dialled, as it is shown, as what tells one server from another, and its host.

An address may hold a user and a password (RFC 3986, 3.2.1): "https://ann:secret@host/v1". They go to the server, in a
header, and stand nowhere else.
"""

import base64
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)(?::([0-9]{0,5}))?")
_SIGNED = re.compile(r"(?<=://)[^\s/@]*@")


@dataclass(frozen=True)
class Host:
    """A host as a request's Host header, a page's origin or a setting names it.

    name: lower case, without a final dot; an IPv6 address without brackets, in its shortest form.
    port: None where none is named.
    """

    name: str
    port: int | None


def parse_host(text: str) -> Host | None:
    """Host and port: "Docs.Example.com:8443" → Host("docs.example.com", 8443); None where `text` is anything else.

    The alphabet is that of names as they are looked up, so an international name is written as xn--….
    """
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        return None
    name = match[1].lower().removesuffix(".")
    if name.startswith("["):
        try:
            name = str(ipaddress.IPv6Address(name[1:-1]))
        except ValueError:
            return None
    port = int(match[2]) if match[2] else None
    return Host(name, port) if port is None or port <= 65535 else None


def parse_hosts(text: str) -> tuple[Host, ...]:
    """The hosts of a list with commas; none in an empty one. Raises ValueError where an entry is no host."""
    hosts = []
    for entry in text.split(",") if text.strip() else ():
        host = parse_host(entry.strip())
        if host is None:
            raise ValueError(f"{entry.strip()!r} is no host")
        hosts.append(host)
    return tuple(hosts)


def full(base: str) -> str:
    """With its scheme: "localhost:11434/v1" is plain http, anything but this machine is https."""
    if not base or "://" in base:
        return base
    host = urlsplit(f"//{shown(base)}").hostname or ""
    return f"{'http' if host in ('localhost', '::1') or host.startswith('127.') else 'https'}://{base}"


def shown(base: str) -> str:
    """For a person, a log or a file: without user and password, and without a query, which may hold a key."""
    scheme, _, rest = _parted(base)
    return scheme + re.split(r"[?#]", rest)[0]


def place(base: str) -> str:
    """Host, port and path: "localhost:11434/v1"; "" for a provider's own. Without user, password or query."""
    host, slash, path = _parted(shown(base.strip()))[2].partition("/")
    return (host.lower() + slash + path).rstrip("/")


def plain(base: str) -> str:
    """Without user and password: as it is dialled where `basic` is said beside it."""
    scheme, _, rest = _parted(base)
    return scheme + rest


def basic(base: str) -> str:
    """The header Authorization (RFC 7617) that says the address's user and password; "" where it has none."""
    user, _, password = _parted(base)[1].partition(":")
    if not user and not password:
        return ""
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode("ascii")


def unsigned(text: str, base: str = "") -> str:
    """A foreign text without the users and passwords of the addresses in it, and without the password of `base`."""
    password = _parted(base)[1].partition(":")[2]
    for secret in {password, unquote(password), basic(base)} - {""}:
        text = text.replace(secret, "…")
    return _SIGNED.sub("", text)


def _parted(base: str) -> tuple[str, str, str]:
    """Scheme with "://", user and password, and the rest. An unescaped "/" in a password does not end it, where what
    stands before can be no host.
    """
    scheme, between, rest = base.partition("://")
    if not between:
        scheme, rest = "", base
    authority = re.split(r"[/?#]", rest)[0]
    if "@" not in authority and _HOST.fullmatch(authority):
        return scheme + between, "", rest
    at = authority.rfind("@") if "@" in authority else rest.rfind("@")
    return scheme + between, rest[: max(0, at)], rest[at + 1 :]
