"""Keeps the suite and every Python process that it starts off the network: only loopback can be reached.

Python imports a module of this name at start where its folder is on PYTHONPATH, which tests/conftest.py sees to; so
the rule holds in the reader's workers, in `pagewise` itself and in the servers that the tests start. An attempt is
refused and written to the file that OFFLINE_GUARD names, so that a library that swallows the refusal is found out.
"""

import ipaddress
import os
import socket
import sys


class Blocked(OSError):
    """A test reached for the network."""


def _outside(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or host in ("", "localhost", "0.0.0.0", "::"):
        return False
    try:
        return not ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return not host.endswith(".localhost") and host != socket.gethostname()


def _guard(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if not _outside(host):
        return
    if isinstance(host, str) and host.endswith(".invalid"):  # reserved: a test's own name for "nowhere"
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    log = os.environ.get("OFFLINE_GUARD")
    if log:
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{event} {host} by {sys.argv[:3]}\n")
    raise Blocked(f"the tests may reach loopback only, not {host!r}")


if os.environ.get("OFFLINE_GUARD"):
    sys.addaudithook(_guard)
