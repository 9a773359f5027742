"""Whatever a provider's client raises becomes one of our errors. It looks at what an exception carries (a status,
a name, a message), not at its class, because every provider's package has its own classes for the same few troubles."""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import ceil, isfinite

from chains.errors import (
    ContextRefused,
    KeyRefused,
    ModelError,
    ModelFailed,
    ModelTimeout,
    ModelUnreachable,
    RateLimited,
    RateLimitedLong,
    ServerAway,
    StreamCut,
    UnknownModel,
)
from ingest.server_url import unsigned

_TOO_LONG = re.compile(
    r"context[_ -]?(length|size|window)|maximum context|exceed_context|prompt is too long|input is too long|"
    r"too many (input )?tokens|token count .{0,40}exceeds|max_model_len|available context",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model_not_found|model\W.{0,80}?(not found|does not exist|is not available)|(unknown|invalid|no such) model|"
    r"pinned to",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(r"insufficient_quota|quota|billing|credit", re.IGNORECASE)
_KEY = re.compile(r"\b(sk|pk|key|gsk|xai|lsv2)[-_][\w*.-]{6,}|(Bearer|Basic)\s+\S+", re.IGNORECASE)
_NO_CONNECTION = {"ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror", "ProxyError"}
_NO_ADDRESS = {"UnsupportedProtocol", "InvalidURL", "LocalProtocolError", "BlockedAddressError"}
_SILENT = {"ReadTimeout", "APITimeoutError", "TimeoutException", "WriteTimeout", "PoolTimeout", "TimeoutError"}
_BROKEN = {"RemoteProtocolError", "ReadError", "WriteError", "APIConnectionError", "ConnectionError", "TransportError"}
_AWAY = (502, 503, 504, 529)  # no gateway, service or room (RFC 9110; 529 is said by some that have too much to do)
LONG = 60.0  # seconds; a server that wants a longer pause is not waited for
_FOREVER = 366 * 86400.0  # and what asks for more is no answer
_LINE = 200  # characters of a detail


@dataclass(frozen=True)
class Asked:
    """What was asked of whom, for the sentence about what went wrong. `key`, and `base`, the address with its password,
    are here only to be kept out of it."""

    model: str
    url: str
    seconds: float
    key: str = ""
    base: str = ""

    def __repr__(self) -> str:
        return f"Asked({self.model!r}, {self.url!r})"


def one_line(text: str, key: str = "", base: str = "") -> str:
    """`text` short, on one line, with nothing in it that is or looks like a key, or a password of an address."""
    if key:
        text = text.replace(key, "…")
    text = unsigned(text, base)
    text = " ".join(_KEY.sub("…", text).split())
    text = "".join(c for c in text if c.isprintable())
    return text if len(text) <= _LINE else text[: _LINE - 1] + "…"


def translate(error: BaseException, asked: Asked, began: bool) -> ModelError:
    """Ours for theirs. `began`: some of the reply had arrived."""
    if isinstance(error, ModelError):
        return error
    status, said = status_of(error), message_of(error)
    detail = one_line(said, asked.key, asked.base) or type(error).__name__
    names = {name for link in _chain(error) for name in (t.__name__ for t in type(link).__mro__)}
    if status in (401, 403):
        return KeyRefused(url=asked.url)
    if status == 429:
        if _NO_MONEY.search(said):
            detail = one_line(f"the account's quota is used up: {detail}")
        wait = wait_asked(error) or 0.0
        if LONG < wait < _FOREVER:
            return RateLimitedLong(url=asked.url, detail=detail, minutes=ceil(wait / 60))
        return RateLimited(url=asked.url, detail=detail)
    if _TOO_LONG.search(said) and status in (None, 400, 413, 422, 500):
        window = _window_of(error)
        return ContextRefused(model=asked.model, detail=f"{detail}: {window} tokens" if window else detail)
    if status == 404 or (_NO_MODEL.search(said) and status in (None, 400, 422)):
        return UnknownModel(model=asked.model, where=asked.url, hint=f"It says: {detail}.")
    if status is not None and 300 <= status < 400:
        return ModelFailed(model=asked.model, detail=_redirect(error, asked))
    if status is not None:
        detail = one_line(f"the server says {status}: {detail}", asked.key, asked.base)
        return (ServerAway if status in _AWAY else ModelFailed)(model=asked.model, detail=detail)
    if names & (_NO_CONNECTION | _NO_ADDRESS):
        return ModelUnreachable(url=asked.url, detail=one_line(_root(error), asked.key, asked.base))
    if names & _SILENT:
        return ModelTimeout(url=asked.url, seconds=asked.seconds)
    if names & _BROKEN:
        return StreamCut(detail=one_line(_root(error), asked.key, asked.base))
    if "JSONDecodeError" in names or "UnicodeDecodeError" in names:
        return ModelFailed(model=asked.model, detail="the server sent something that is no reply")
    if "No generation chunks" in said and not began:
        return StreamCut(detail="the server ended the reply before its first word")
    return ModelFailed(model=asked.model, detail=detail)


def is_told(said: str) -> bool:
    """Whether a refusal says that the prompt is too long or the model is not there: then nothing else is the matter."""
    return _TOO_LONG.search(said) is not None or _NO_MODEL.search(said) is not None


def may_pass(error: BaseException, ours: ModelError) -> bool:
    """Worth asking again a little later, if nothing of the reply had arrived."""
    status = status_of(error)
    if isinstance(ours, RateLimited):
        return not _NO_MONEY.search(message_of(error))
    return isinstance(ours, ModelUnreachable | StreamCut) or status in (408, 409, 500, 502, 503, 504, 529)


def wait_asked(error: BaseException) -> float | None:
    """Seconds that the server asks to wait in Retry-After, which holds seconds or a date (RFC 9110, 10.2.3)."""
    for link in _chain(error):
        headers = getattr(getattr(link, "response", None), "headers", None)
        if headers is not None:
            for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
                with contextlib.suppress(ValueError, OverflowError):
                    seconds = float(headers.get(name, ""))
                    if isfinite(seconds):
                        return max(0.0, seconds * unit)
            until = _until(headers.get("retry-after", ""), headers.get("date", ""))
            if until is not None:
                return until
    return None


def _until(date: str, now: str) -> float | None:
    """Seconds from `now`, which is the server's own clock where it says, until `date`."""
    try:
        wanted = parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
    try:
        return max(0.0, wanted - parsedate_to_datetime(now).timestamp())
    except (ValueError, OverflowError):
        return max(0.0, wanted - time.time())


def status_of(error: BaseException) -> int | None:
    for link in _chain(error):
        for holder in (link, getattr(link, "response", None)):
            for name in ("status_code", "code", "http_status"):
                value = getattr(holder, name, None)
                if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600:
                    return value
    return None


def message_of(error: BaseException) -> str:
    """The server's own words, else the exception's."""
    for link in _chain(error):
        body = getattr(link, "body", None)
        if isinstance(body, str) and body.strip():
            return body.strip()
        if isinstance(body, dict):
            inner = body.get("error", body)
            if isinstance(inner, dict):
                said = [str(inner[name]) for name in ("message", "detail", "code", "type") if inner.get(name)]
                if said:
                    return " · ".join(dict.fromkeys(said))
            return str(inner)
    return str(error)


def _window_of(error: BaseException) -> int:
    """What llama.cpp says beside its words; 0 where it stands in them, or nowhere."""
    for link in _chain(error):
        body = getattr(link, "body", None)
        inner = body.get("error", body) if isinstance(body, dict) else None
        window = inner.get("n_ctx") if isinstance(inner, dict) else None
        if isinstance(window, int):
            return window
    return 0


def _redirect(error: BaseException, asked: Asked) -> str:
    for link in _chain(error):
        headers = getattr(getattr(link, "response", None), "headers", None)
        if headers is not None and headers.get("location"):
            there = one_line(str(headers["location"]), asked.key, asked.base)
            return f"the server sends us on to {there}; a key is not taken there: if it is right, set it as the address"
    return "the server sends us on to another address; a key is not taken there"


def _root(error: BaseException) -> str:
    *_, last = _chain(error)
    return str(last) or type(last).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
