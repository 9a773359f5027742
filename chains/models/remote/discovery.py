"""Which model servers are up on this machine, what they have, and which models lie in the hub's cache.

Asked are the usual ports of loopback, all at once, for half a second: a server that is not there, hangs or answers
nonsense costs no more than that. Nothing is asked of any other machine, and no redirect is followed.
"""

import ipaddress
import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from chains.models.remote.http_client import Call, calling, client
from chains.models.remote.server_info import Server
from ingest import server_url

SECONDS = 0.5
USUAL = {11434: "Ollama", 1234: "LM Studio", 8080: "llama.cpp", 8000: "vLLM"}
_OWNERS = {"llamacpp": "llama.cpp", "vllm": "vLLM", "library": "Ollama", "organization_owner": "LM Studio"}
_MOST = 100  # models of one server
_LARGEST = 2_000_000  # bytes of a list of models
_NOT_CHAT = re.compile(r"embed|rerank|whisper|\bbge\b|minilm", re.IGNORECASE)
_ELSEWHERE = re.compile(r"[:-]cloud$")  # Ollama's names for models that it sends everything on to


@dataclass(frozen=True)
class Offer:
    """A model that can be chosen. `context` in tokens and `size` in bytes are 0 where they are not known."""

    model: str  # as it is chosen: "openai:qwen3:8b", "local:Qwen/Qwen3-4B"
    api_base: str = ""  # where its server is, as it is shown; "" for one that runs in this process
    server: str = ""  # whose server it is, "" where that is not known
    context: int = 0
    size: int = 0
    signed: bool = field(default=False, compare=False)  # the address has a user and a password, which are not told


def servers(
    api_base: str = "", api_key: str = "", ports: Sequence[int] | None = None, seconds: float = SECONDS
) -> list[Offer]:
    """The models of the servers at `ports` of loopback (None: USUAL) and at `api_base`, if that is on loopback too.

    `api_key` goes to `api_base` alone. Takes `seconds` at most; windows that were not told by then are 0.
    """
    bases = {f"http://127.0.0.1:{port}/v1": "" for port in (USUAL if ports is None else ports)}
    if api_base and on_loopback(api_base):
        same = {_same(base): base for base in bases}
        bases.pop(same.get(_same(api_base), ""), None)
        bases[api_base.rstrip("/")] = api_key
    askers = [_Asker(base, client(base, seconds, key)) for base, key in bases.items()]
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=asker.ask, args=(until,), name="nearby", daemon=True) for asker in askers]
    for thread in threads:
        thread.start()
    for thread, asker in zip(threads, askers, strict=True):
        thread.join(max(0.0, until - time.monotonic()))
        asker.call.hang_up()
    return [offer for asker in askers for offer in list(asker.offers)]


def cached(folder: Path | None = None) -> list[Offer]:
    """The models that write, with safetensors, in the hub's cache (or `folder`): `local:` opens them offline."""
    if folder is None:
        from huggingface_hub.constants import HF_HUB_CACHE

        folder = Path(HF_HUB_CACHE)
    offers = []
    for repository in sorted(folder.glob("models--*")):
        # Of several snapshots the one that `main` means, as transformers opens it.
        try:
            snapshot = repository / "snapshots" / (repository / "refs" / "main").read_text(encoding="ascii").strip()
            config = json.loads((snapshot / "config.json").read_text(encoding="utf-8"))
            size = sum(file.stat().st_size for file in snapshot.glob("*.safetensors"))
        except (OSError, ValueError):
            continue
        kinds = config.get("architectures") if isinstance(config, Mapping) else None
        if not size or not any(str(kind).endswith("ForCausalLM") for kind in kinds or []):
            continue
        context = config.get("max_position_embeddings")
        name = repository.name.removeprefix("models--").replace("--", "/")
        offers.append(Offer(f"local:{name}", context=context if isinstance(context, int) else 0, size=size))
    return offers


def on_loopback(url: str) -> bool:
    """Whether the address is this machine's own by its very name; no name is looked up."""
    host = urlsplit(server_url.plain(url)).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Asker:
    """Asks one server, in a thread of its own; `offers` grows as it answers."""

    def __init__(self, base: str, http: httpx.Client) -> None:
        self.base, self.call, self.offers = server_url.plain(base), Call(), list[Offer]()
        self._signed = bool(server_url.basic(base))
        self._http = http

    def ask(self, until: float) -> None:
        """What it has, then the windows as far as the time goes. Never raises."""
        try:
            with calling(self.call), self._http:
                self._models(until)
                for n, offer in enumerate(self.offers):
                    left = until - time.monotonic()
                    if left <= 0:
                        return
                    window = Server(self._http, self.base, offer.model.removeprefix("openai:"), left).window()
                    self.offers[n] = replace(offer, context=window.tokens)
        except (httpx.HTTPError, ValueError, OSError, RecursionError):  # the last: lists in lists in lists
            return

    def _models(self, until: float) -> None:
        usual = USUAL.get(urlsplit(self.base).port or 0, "")
        for entry in _list(self._http, f"{self.base}/models", until)[:_MOST]:
            owner = entry.get("owned_by")
            server = _OWNERS.get(str(owner), "" if owner else usual)
            where = server_url.shown(self.base)
            self.offers.append(Offer(f"openai:{entry['id']}", where, server, signed=self._signed))


def _list(http: httpx.Client, url: str, until: float) -> list[Mapping[str, Any]]:
    """The entries of a list of models, those that write and run here; [] for anything else that it may send."""
    data = b""
    with http.stream("GET", url) as reply:
        if reply.status_code != 200:
            return []
        for piece in reply.iter_bytes():
            data += piece
            if len(data) > _LARGEST or time.monotonic() > until:
                return []
    said = json.loads(data)
    entries = said.get("data") if isinstance(said, Mapping) else None
    return [
        entry
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, Mapping) and _is_chat(entry.get("id"))
    ]


def _is_chat(name: object) -> bool:
    """A name that can be shown to a person and put into a command, and is none of a model that does something else."""
    fit = isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable() and name == name.strip()
    return fit and not _NOT_CHAT.search(str(name)) and not _ELSEWHERE.search(str(name))


def _same(base: str) -> tuple[str, int]:
    """Two addresses of one server."""
    parts = urlsplit(server_url.plain(base))
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    return host, parts.port or (443 if parts.scheme == "https" else 80)
