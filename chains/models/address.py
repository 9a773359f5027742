"""The address of a model server: as it is dialled, and as what tells one server from another."""

from urllib.parse import urlsplit


def full(base: str) -> str:
    """With its scheme: "localhost:11434/v1" is plain http, anything but this machine is https."""
    if not base or "://" in base:
        return base
    host = urlsplit(f"//{base}").hostname or ""
    return f"{'http' if host in ('localhost', '::1') or host.startswith('127.') else 'https'}://{base}"


def place(base: str) -> str:
    """Host, port and path: "localhost:11434/v1"; "" for a provider's own. Without user, password or query."""
    parts = urlsplit(full(base.strip()))
    host = parts.netloc.rpartition("@")[2].lower()
    return host + parts.path.rstrip("/")
