"""The address of a server: as it is dialled, as it is shown, and as what tells one server from another.

An address may hold a user and a password (RFC 3986, 3.2.1): "https://ann:secret@host/v1". They go to the server, in a
header, and stand nowhere else.
"""

import base64
import re
from urllib.parse import unquote, urlsplit

_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")
_SIGNED = re.compile(r"(?<=://)[^\s/@]*@")


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
