"""What a person may choose, and where text goes because of it. Knows nothing of Streamlit."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from app.i18n import Words
from chains.execution.few_shot import best
from chains.models.remote.discovery import Offer
from chains.options import Ways
from chains.prompt import Example
from chains.retrieval.hybrid import Scope
from ingest.server_url import plain, shown
from settings import Settings

EXTRACTIVE = "extractive"
_AT = " @ "  # between a model and the server that it was found at
_HERE = (EXTRACTIVE, "local:")
WAYS = ("step_back", "think", "parts")  # those of Ways that are on or off
_EXAMPLES = 12  # that are kept with a question: more than fit most windows, and every redraw reads them
_LAST_PAGE = 1_000_000  # no document has as many
_OWN_HOSTS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com", "mistralai": "api.mistral.ai"}


@dataclass(frozen=True)
class Own:
    """A model that a person entered for their own session. The key is never shown, logged or compared."""

    spec: str
    api_base: str = field(default="", repr=False)  # it may hold a password
    api_key: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True)
class Connection:
    """How a model is opened."""

    spec: str
    api_base: str = field(repr=False)
    api_key: str = field(repr=False, compare=False)


def scope(first: int | None, last: int | None, since: int | None, until: int | None) -> Scope:
    """The pages and years that were entered, an end that is open as None; ends in the wrong order are turned round."""
    if first and last:
        first, last = min(first, last), max(first, last)
    if since and until:
        since, until = min(since, until), max(since, until)
    pages = (first or 1, last or _LAST_PAGE) if first or last else None
    return Scope(pages, since, until)


def scope_text(words: Words, chosen: Scope) -> str:
    """Which pages and years these are; "" for all."""
    parts = []
    if chosen.pages is not None:
        first, last = chosen.pages
        parts.append(words("scope.pages", pages=_range(first, None if last >= _LAST_PAGE else last)))
    if chosen.since or chosen.until:
        parts.append(words("scope.years", years=_range(chosen.since, chosen.until)))
    return " · ".join(parts)


def suited(examples: Sequence[Example], question: str) -> tuple[Example, ...]:
    """Those that are kept with a question: the ones that share most words with it."""
    return tuple(best(examples, question)[:_EXAMPLES])


def ways_text(words: Words, chosen: Ways) -> str:
    """Which ways to ask these are; "" for none."""
    parts = [words(f"ways.{name}") for name in WAYS if getattr(chosen, name)]
    if chosen.examples:
        parts.append(words.count("ways.examples", len(chosen.examples)))
    return " · ".join(parts)


def _range(first: int | None, last: int | None) -> str:
    return str(first) if first == last else f"{first or ''}–{last or ''}"


def models(settings: Settings, own: Own | None, offers: Sequence[Offer] = (), chosen: str = "") -> list[str]:
    """The models to choose from, the settings' own first.

    One that was found at a server and is `chosen` stays, also while its server is away.
    """
    found = [choice(offer) for offer in offers if _offered(offer, settings, own)]
    kept = [chosen] if _AT in chosen else []
    return list(dict.fromkeys([settings.model, EXTRACTIVE, *([own.spec] if own else []), *found, *kept]))


def choice(offer: Offer) -> str:
    """The offer as something to choose: "openai:qwen3:8b @ http://127.0.0.1:11434/v1"."""
    return f"{offer.model}{_AT}{offer.api_base}" if offer.api_base else offer.model


def _offered(offer: Offer, settings: Settings, own: Own | None) -> bool:
    """Not what the settings or the person themselves name already."""
    known = [(settings.model, settings.api_base), *([(own.spec, own.api_base)] if own else [])]
    return (offer.model, offer.api_base) not in [(spec, shown(base).rstrip("/")) for spec, base in known]


def connection(spec: str, settings: Settings, own: Own | None) -> Connection:
    """The address and key for `spec`, which may be a `choice`.

    The key of the settings goes to the address of the settings alone: somebody who enters another address
    must bring a key for it, and a server that was found gets none.
    """
    key = settings.api_key.get_secret_value()
    found, _, base = spec.partition(_AT)
    if base:
        ours = base == shown(settings.api_base).rstrip("/")
        return Connection(found, settings.api_base, key) if ours else Connection(found, base, "")
    if own is None or spec != own.spec:
        return Connection(spec, settings.api_base, key)
    same_place = own.api_base == settings.api_base and provider(spec) == provider(settings.model)
    return Connection(spec, own.api_base, own.api_key or (key if same_place else ""))


def entered(base: str, settings: Settings, own: Own | None) -> str:
    """The address that a person entered; one that was shown to them without its password is meant with it."""
    known = ([own.api_base] if own else []) + [settings.api_base]
    return next((one for one in known if base == shown(one)), base)


def provider(spec: str) -> str:
    return spec.partition(":")[0]


def destination(spec: str, api_base: str) -> str:
    """The host that text is sent to when `spec` is used; "" where it stays in this process or on this machine."""
    if spec.startswith(_HERE) or ":" not in spec:
        return ""
    if not api_base:
        return _OWN_HOSTS.get(provider(spec), provider(spec))
    host = urlsplit(plain(api_base)).hostname or ""
    if host == "localhost" or host.endswith(".localhost") or _loopback(host):
        return ""
    return place(api_base)


def place(api_base: str) -> str:
    """The host and port of an address, for a person."""
    parts = urlsplit(plain(api_base))
    host = parts.hostname or shown(api_base)
    return host if parts.port is None else f"{host}:{parts.port}"


def label(spec: str) -> str:
    """A model for a person: the one that was found at a server by its own name, and where that is."""
    found, _, base = spec.partition(_AT)
    return f"{found.partition(':')[2]} · {place(base)}" if base else spec


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
