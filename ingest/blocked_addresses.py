"""Link-local addresses and the metadata services of clouds, which no configured or typed address may lead to.

A metadata service gives whoever asks it from inside a machine the credentials of that machine, so an address of it
in a settings file is an attack (server-side request forgery). It can be written in many ways, and a name can resolve
to it. So the written form is checked where an address is set, and the resolved one where it is dialled.
"""

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from ingest import server_url
from ingest.errors import BlockedAddressError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_BLOCKED_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "169.254.0.0/16",  # link-local (RFC 3927), where nearly all clouds have their metadata
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure's host agent
            "192.0.0.192/32",  # Oracle Cloud, classic
        ),
    )
)
_BLOCKED_IPV6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "fe80::/10",  # link-local (RFC 4291)
            "fd00:ec2::/32",  # Amazon: metadata, names, time
            "fd20:ce::254/128",  # Google
            "fd00:42::42/128",  # Scaleway
            "fd00:c1::a9fe:a9fe/128",  # Oracle
        ),
    )
)
# Prefixes whose last 32 bits are an IPv4 address that the packets end at.
_CARRIES_IPV4 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "::/96",  # IPv4-compatible (RFC 4291)
            "::ffff:0:0/96",  # IPv4-mapped (RFC 4291)
            "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
            "64:ff9b::/96",  # NAT64 (RFC 6052)
            "64:ff9b:1::/48",  # NAT64 of one's own network (RFC 8215)
        ),
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214: these 32 bits stand before the IPv4 address
# Behind a proxy a name may not resolve here, so the usual names of metadata services are known by themselves.
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_IPV4_NUMBER = re.compile(r"0x[0-9a-f]{0,40}|[0-9]{1,40}")


def is_blocked(found: IPAddress) -> bool:
    """Whether it is a link-local or metadata address, or an IPv6 form that carries one."""
    if isinstance(found, ipaddress.IPv4Address):
        return any(found in network for network in _BLOCKED_IPV4)
    return any(found in network for network in _BLOCKED_IPV6) or any(map(is_blocked, _carried_ipv4(found)))


def check_written(url: str, *, allow_link_local: bool = False) -> None:
    """Check an address as it is written; no name is looked up. Raises BlockedAddressError."""
    if allow_link_local:
        return
    with suppress(ValueError):  # no address at all, as whoever dials it says
        _check_host(urlsplit(server_url.plain(server_url.full(url))).hostname or "")


def resolve(host: str, port: int) -> list[str]:
    """The numeric addresses of a host, in the order in which to try them.

    Raises BlockedAddressError if any of them is blocked, and OSError where the name is not known.
    """
    _check_host(host)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for written in addresses:
        if is_blocked(ipaddress.ip_address(written.split("%")[0])):
            raise BlockedAddressError(host=host, address=written)
    return addresses


def check_resolved(url: str, *, allow_link_local: bool = False) -> None:
    """Check what a client dials that resolves the name itself. Raises BlockedAddressError.

    A name that cannot be resolved here passes: that client will not reach it, or its proxy resolves it.
    """
    if allow_link_local:
        return
    with suppress(OSError, ValueError):
        parts = urlsplit(server_url.plain(server_url.full(url)))
        resolve(parts.hostname or "", parts.port or 0)


def _check_host(host: str) -> None:
    name = _normalize_host(host)
    if name in _METADATA_NAMES:
        raise BlockedAddressError(host=host, address=name)
    for found in _read_address(name):
        if is_blocked(found):
            raise BlockedAddressError(host=host, address=found)


def _normalize_host(host: str) -> str:
    """The host as a resolver takes it: fullwidth digits and dots, percent-encoding, scope and last dot undone."""
    text = unicodedata.normalize("NFKC", unquote(host)).replace("。", ".").lower()
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")  # IDNA drops them
    return text.strip().strip("[]").split("%")[0].rstrip(".")


def _read_address(name: str) -> Iterator[IPAddress]:
    """Every address that a host can be read as; nothing for a name."""
    with suppress(ValueError):
        yield ipaddress.ip_address(name)
    parts = name.split(".")
    if len(parts) > 4 or not all(map(_IPV4_NUMBER.fullmatch, parts)):
        return
    for octal in (True, False):  # C's inet_aton takes 0251 as octal, other readers take it as decimal
        *leading, last = (_read_number(part, octal) for part in parts)
        if last < 256 ** (4 - len(leading)) and all(number < 256 for number in leading):  # "169.254.43518"
            yield ipaddress.IPv4Address(last + sum(number << 24 - 8 * i for i, number in enumerate(leading)))


def _read_number(part: str, octal: bool) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if octal and part.startswith("0") and not set(part) & {"8", "9"} else 10)


def _carried_ipv4(found: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses inside an IPv6 address."""
    last = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    if any(found in network for network in _CARRIES_IPV4) or (int(found) >> 32) & 0xFFFFFFFF in _ISATAP:
        yield last
    if found.sixtofour is not None:
        yield found.sixtofour
    if found.teredo is not None:
        yield from found.teredo
