"""What an OpenAI-compatible server tells about itself: its models, their windows, and how many tokens a text has.

Every kind of server answers differently and none of it is part of the common interface, so everything here is asked
once, politely and briefly, and a server that does not answer costs nothing but the default.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

ASK = 5.0  # seconds for a question that must not hold up the real work
_WINDOW_NAMES = (  # in an entry of GET /models: vLLM; OpenRouter and Together; Groq; Mistral; LM Studio
    "max_model_len",
    "context_length",
    "context_window",
    "max_context_length",
)
_OLLAMA_WINDOW = 4096  # what Ollama gives a model that says nothing, on a machine without a large card
_COUNTED = 1024  # prompts, and pieces of them, remembered
_ANSWERED = "\0answered"  # in place of a reply: somebody is there, and does not know this question


@dataclass(frozen=True)
class Window:
    """Tokens that a model reads and writes in one call, 0 where nobody says; `told` by the server, or only usual."""

    tokens: int
    told: bool = True


class Server:
    """The server at `base` (…/v1), asked through `client`; never raises, for it is only about knowing better."""

    def __init__(self, client: httpx.Client, base: str, model: str, seconds: float = ASK) -> None:
        self._client, self._base, self._model, self._seconds = client, base.rstrip("/"), model, seconds
        self._root = self._base.removesuffix("/v1")
        self._counts: bool | None = None  # whether it can count; None: not known yet
        self._templates: bool | None = None  # whether it can render messages (llama.cpp)
        self.reached = False  # somebody was there
        self._counted = functools.lru_cache(maxsize=_COUNTED)(self._count)
        self._sized = functools.lru_cache(maxsize=_COUNTED)(self._size)

    def models(self) -> list[str]:
        """The names that it lists, [] where it does not say."""
        return [str(entry["id"]) for entry in self._entries() if entry.get("id")]

    def window(self) -> Window:
        """Of the model that was named."""
        entries = self._entries()
        entry = next((e for e in entries if e.get("id") == self._model), entries[0] if len(entries) == 1 else {})
        if listed := next(filter(None, (_number(entry.get(name)) for name in _WINDOW_NAMES)), 0):
            return Window(listed)
        props = self._get(f"{self._root}/props")  # llama.cpp: what one slot really has, not what was trained
        settings = props.get("default_generation_settings")
        found = _number(settings.get("n_ctx") if isinstance(settings, Mapping) else None) or _number(props.get("n_ctx"))
        if found:
            return Window(found)
        ollama = self._ollama()
        return ollama if ollama.tokens else Window(self._lm_studio() or _trained(entry))

    def count(self, system: str, user: str) -> int:
        """Tokens of the prompt as the model gets it, template included; 0 where the server cannot say."""
        try:
            return self._counted(system, user) if self._counts is not False else 0
        except LookupError:
            return 0

    def size(self, text: str) -> int:
        """Tokens of a text by itself; 0 where the server cannot say, or was never asked to `count`."""
        try:
            return self._sized(text) if self._counts else 0
        except LookupError:
            return 0

    def _count(self, system: str, user: str) -> int:
        messages = [{"role": role, "content": text} for role, text in (("system", system), ("user", user)) if text]
        body: dict[str, Any] = {"model": self._model, "messages": messages, "add_generation_prompt": True}
        if self._templates is not False:
            rendered = self._post(f"{self._root}/apply-template", {"messages": messages}).get("prompt")
            self._templates = isinstance(rendered, str)
            if self._templates:
                body = {"content": rendered, "add_special": True, "parse_special": True}
        return self._tokens(body)  # vLLM takes the messages themselves

    def _size(self, text: str) -> int:
        if self._templates:
            return self._tokens({"content": text, "add_special": False, "parse_special": True})
        return self._tokens({"model": self._model, "prompt": text, "add_special_tokens": False})

    def _tokens(self, body: Mapping[str, Any]) -> int:
        reply = self._post(f"{self._root}/tokenize", body)
        tokens = reply.get("tokens")
        found = _number(reply.get("count")) or (len(tokens) if isinstance(tokens, list) else 0)
        if not found:
            if self._counts is None and _ANSWERED in reply:
                self._counts = False
            raise LookupError
        self._counts = True
        return found

    def _ollama(self) -> Window:
        """Ollama: the window of the loaded model, else what its file sets, else what is usual."""
        shown = self._post(f"{self._root}/api/show", {"model": self._model})
        info = shown.get("model_info")
        if not isinstance(info, Mapping):
            return Window(0)
        trained = next((_number(value) for name, value in info.items() if name.endswith(".context_length")), 0)
        loaded = self._get(f"{self._root}/api/ps").get("models")
        for entry in loaded if isinstance(loaded, list) else []:
            ours = isinstance(entry, Mapping) and self._model in (entry.get("name"), entry.get("model"))
            if ours and (window := _number(entry.get("context_length"))):
                return Window(window)
        for line in str(shown.get("parameters", "")).splitlines():
            name, _, value = line.strip().partition(" ")
            if name == "num_ctx" and value.strip().isdigit():
                return Window(int(value))
        return Window(min(trained or _OLLAMA_WINDOW, _OLLAMA_WINDOW), told=False)

    def _lm_studio(self) -> int:
        entry = self._get(f"{self._root}/api/v0/models/{self._model}")
        return _number(entry.get("loaded_context_length")) or _number(entry.get("max_context_length"))

    def _entries(self) -> list[Mapping[str, Any]]:
        data = self._get(f"{self._base}/models").get("data")
        return [entry for entry in data if isinstance(entry, Mapping)] if isinstance(data, list) else []

    def _get(self, url: str) -> Mapping[str, Any]:
        return self._ask("GET", url, None)

    def _post(self, url: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._ask("POST", url, body)

    def _ask(self, method: str, url: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
        try:
            reply = self._client.request(method, url, json=body, timeout=self._seconds)
            self.reached = True
            found = reply.json() if reply.status_code == 200 else None
        except httpx.ConnectError:  # it may come up later
            return {}
        except (httpx.HTTPError, ValueError, RecursionError):
            return {_ANSWERED: False}
        return found if isinstance(found, Mapping) else {_ANSWERED: False}


def _trained(entry: Mapping[str, Any]) -> int:
    """llama.cpp, the last resort."""
    meta = entry.get("meta")
    return _number(meta.get("n_ctx_train")) if isinstance(meta, Mapping) else 0


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
