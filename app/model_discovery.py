"""The models that can be chosen here, found out in the background. Knows nothing of Streamlit."""

import shlex
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from chains.models.remote import discovery
from chains.models.remote.discovery import Offer
from settings import Settings

FRESH = 30.0  # seconds that what was found holds good
BESIDE = 3.0  # seconds for a search that nobody waits for, on a machine that is busy starting


def search(settings: Settings, seconds: float = discovery.SECONDS) -> list[Offer]:
    """Servers on this machine, which are asked for so long, then what lies in the hub's cache."""
    key = settings.api_key.get_secret_value()
    return [*discovery.servers(settings.api_base, key, seconds=seconds), *discovery.cached()]


class Offers:
    """What `search` found last. Looking at it never waits; where it is old, a new search begins beside it."""

    def __init__(self, search: Callable[[], Sequence[Offer]]) -> None:
        self._search, self._lock = search, threading.Lock()
        self._found: tuple[Offer, ...] = ()
        self._at = -FRESH  # when it was found, by the clock that never goes back
        self._thread: threading.Thread | None = None

    def look(self) -> tuple[Offer, ...]:
        with self._lock:
            if self._thread is None and time.monotonic() - self._at >= FRESH:
                self._thread = threading.Thread(target=self._run, name="pagewise-offers", daemon=True)
                self._thread.start()
            return self._found

    def forget(self) -> None:
        """The next look searches again."""
        with self._lock:
            self._at = -FRESH

    @property
    def found(self) -> tuple[Offer, ...]:
        """The same without a new search."""
        return self._found

    @property
    def searching(self) -> bool:
        return self._thread is not None

    def _run(self) -> None:
        found: tuple[Offer, ...] = ()
        with suppress(Exception):  # it is only about offering: what is named by hand works all the same
            found = tuple(self._search())
        with self._lock:
            self._found, self._at, self._thread = found, time.monotonic(), None


def command(offer: Offer) -> str:
    """What a person types to ask it. A server's own words are quoted: it may call its model anything. An address with a
    password is the settings' own, and is left to them."""
    named = offer.api_base and not offer.signed
    address = f"PAGEWISE_API_BASE={shlex.quote(offer.api_base)} " if named else ""
    return f"{address}pagewise ask \"…\" --model {shlex.quote(offer.model)}"


def offers_json(offers: Sequence[Offer]) -> dict[str, object]:
    return {
        "models": [
            {
                "model": offer.model,
                "api_base": offer.api_base,
                "server": offer.server,
                "context": offer.context,
                "size": offer.size,
            }
            for offer in offers
        ]
    }


def offers_lines(offers: Sequence[Offer]) -> list[str]:
    """For a person: what each is, and what to type."""
    lines = []
    for offer in offers:
        if offer.api_base:
            about = f"{offer.server or 'a server'} at {offer.api_base}"
        else:
            about = "in the hub's cache" if offer.size else "picks and quotes sentences; no language model"
        window = f", {offer.context:,} tokens" if offer.context else ""
        size = f", {offer.size / 1e9:.1f} GB" if offer.size else ""
        lines += [f"{offer.model}  ({about}{window}{size})", f"    {command(offer)}"]
    return lines
