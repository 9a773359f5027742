"""Any LangChain chat model: OpenAI and every compatible server, and what else `init_chat_model` knows."""

import functools
import json
import random
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from chains.errors import (
    ContextTooSmall,
    KeyMissing,
    KeyRefused,
    ModelError,
    ModelTimeout,
    ModelUnreachable,
    OnlyThoughts,
    UnknownModel,
)
from chains.execution import context_budget
from chains.model import Piece
from chains.models import error_mapping
from chains.models.remote import providers
from chains.models.remote.http_client import Call, calling, client
from chains.models.remote.reply_stream import Reply
from chains.models.remote.server_info import Server, Window
from chains.models.stream_pump import Put, pump
from chains.models.token_bound import bound, bound_messages
from chains.prompt import Prompt, Rendered, Schema
from chains.prompting import scores
from chains.prompting.render import render
from ingest import server_url
from ingest.blocked_addresses import check_resolved, check_written

OPENAI = "https://api.openai.com/v1"
WINDOW = 8192  # tokens, where neither the setting nor the server nor the package says: small enough to be true
PARALLEL = 4
TRIES = 4  # at most so many requests for one reply, all before its first piece
_KNOCKS = 2  # where nobody is there, it is better to say so soon
_FIRST_WAIT = 0.5  # seconds, doubled each time
_GRACE = 5.0  # seconds beyond the client's own limit
_TEMPLATE = 1 / 4  # of the window, at most, that a template takes beyond the estimate
_NAMED = 12  # models in a hint
_LUMP = 100_000  # characters that a server is asked to count at once
_THINKS = re.compile(r"^(o\d|gpt-5(?!.*chat))")  # OpenAI's, which count their thinking as part of the reply
_THINKING = 4096  # tokens that they get for it
_OPTIONAL = ("temperature", "stream_options", "reasoning_effort")  # parameters that a server may do without
_STRUCTURE = "response_format"  # and this one, whose refusals are worded in many ways
_NO_STRUCTURE = re.compile(r"response.?format|json.?schema|structured|grammar|guided", re.IGNORECASE)


class Chat:
    """The model `spec`, "provider:model". Nothing is sent before it is asked something.

    `base`: where the server is, "" for the provider's own. `key` goes there and nowhere else. `context`, `parallel`:
    0 to find out. `seconds`: the longest silence before a call is given up.
    Raises KeyMissing, KeyRefused (it cannot be one), PackageMissing, UnknownModel (no such provider),
    BlockedAddressError.
    """

    def __init__(
        self,
        spec: str,
        base: str,
        key: str,
        context: int,
        parallel: int,
        seconds: float,
        allow_link_local: bool = False,
    ) -> None:
        self.name = spec
        self.parallel = parallel or PARALLEL
        provider, _, self._model = spec.partition(":")
        base, key = server_url.full(base.strip()), key.strip()
        if not (key.isascii() and key.isprintable()):  # no header can hold it
            raise KeyRefused(url=server_url.shown(base) or provider)
        check_written(base, allow_link_local=allow_link_local)
        self._key, self._base = SecretStr(key), SecretStr(base)
        self._allow_link_local = allow_link_local
        self._seconds, self._setting = seconds, context
        self._found: Window | None = None  # once somebody answered
        self._beyond = 0  # tokens that the server turned out to count beyond the estimate
        self._without: set[str] = set()  # parameters that this server turned out to refuse
        self._lock = threading.Lock()
        self._listing: Server | None = None  # to be asked which models there are
        self._server: Server | None = None  # to be asked about windows and tokens too
        self._chat: Callable[[int], Any]  # max_tokens → LangChain's chat model
        if provider == "openai":
            if not base and not key:
                raise KeyMissing(model=spec)
            url = server_url.plain(base or OPENAI).rstrip("/")
            self._url, self._hosted = server_url.shown(url), urlsplit(url).hostname == urlsplit(OPENAI).hostname
            http = client(base or OPENAI, seconds, key, hosted=self._hosted, allow_link_local=allow_link_local)
            self._listing = Server(http, url, self._model)
            self._server = None if self._hosted else self._listing
            opened = providers.open_openai(self._model, url, key, seconds, http, self._hosted)
            self._chat = lambda max_tokens: opened
        else:
            self._url, self._hosted = server_url.shown(base) or provider, False

            @functools.lru_cache(maxsize=32)
            def other(max_tokens: int) -> Any:
                # A provider that takes a window is told the one that is reckoned with: Ollama's own is half of it.
                return providers.open_other(provider, self._model, base, key, seconds, max_tokens, context or WINDOW)

            self._chat = other
        self._openai = provider == "openai"
        self._chat(1)  # so that a missing package or key is told at once

    def __repr__(self) -> str:
        return f"Chat({self.name!r})"

    @property
    def context(self) -> int:
        """What the server says, else what the provider's package knows of the model; the setting can only lower it.

        Where neither says, it is the setting, else what is usual for such a server, else WINDOW.
        """
        found = self._found or self._window()
        if self._setting:
            return min(self._setting, found.tokens) if found.told and found.tokens else self._setting
        return found.tokens or WINDOW

    def _window(self) -> Window:
        if self._server:
            window = self._server.window()
            if self._server.reached:  # else it may come up later
                self._found = window
            return window
        profile = getattr(self._chat(1), "profile", None)
        known = profile.get("max_input_tokens") if isinstance(profile, Mapping) else None
        self._found = Window(known if isinstance(known, int) else 0)
        return self._found

    def count(self, prompt: Prompt) -> int:
        """Exact where the server counts, else by `estimate`, never too few."""
        schema = self._schema(prompt, self._without)
        return self._count(render(prompt, structured=schema is not None)) + _length(schema)

    def size(self, *texts: str) -> int:
        if len(texts) == 1:
            return (self._server.size(texts[0]) if self._server else 0) or bound(texts[0])
        return sum(self.size(lump) + context_budget.SEAM * parts for lump, parts in _lumps(texts))

    def at_most(self, text: str) -> int:
        return bound(text)

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        """See Model.stream. While the model is silent, empty pieces come, so that it can be closed at any time."""
        schema = self._schema(prompt, self._without)
        rendered = render(prompt, structured=schema is not None)
        context = self.context
        room = context - prompt.max_tokens
        needed = self._bound(rendered) + _length(schema)
        if needed > room:  # else a server need not be asked
            needed = context_budget.total(prompt, self)  # its pieces have mostly been counted before
        if needed > room:
            needed = self._count(rendered) + _length(schema)
        asked = error_mapping.Asked(
            model=self.name,
            url=self._url,
            seconds=self._seconds,
            key=self._key.get_secret_value(),
            base=self._base.get_secret_value(),
        )
        if needed > room:
            raise ContextTooSmall(model=self.name, context=context, needed=needed + prompt.max_tokens)
        call = Call()

        def work(put: Put, stopped: threading.Event) -> None:
            with calling(call):
                reply = self._ask(prompt, asked, context, put, stopped)
                if not stopped.is_set():
                    sane = 0 < reply.input_tokens <= context
                    billed = reply.input_tokens if sane else context_budget.total(prompt, self)  # mostly counted before
                    finish = reply.finish(self.name, billed)
                    put(finish)  # it is paid for
                    if reply.only_thoughts:
                        raise OnlyThoughts(model=self.name, tokens=finish.usage.output_tokens)
                    self._learn(reply.input_tokens - needed)
                    if self._found is not None and not self._found.told:
                        self._found = None  # now that the model is loaded, the server knows

        def silent() -> ModelError:
            return ModelTimeout(url=self._url, seconds=self._seconds)

        # The client's own limit ends a silence; pump's ends a server that sends signs of life and nothing else.
        yield from pump(work, call.hang_up, self._seconds + _GRACE, silent)

    def _count(self, rendered: Rendered) -> int:
        return (self._server.count(rendered.system, rendered.user) if self._server else 0) or self._bound(rendered)

    def _bound(self, rendered: Rendered) -> int:
        return bound_messages((rendered.system, rendered.user)) + self._beyond

    def _learn(self, missing: int) -> None:
        """A template can say more than the estimate allows for; then the estimate grows for good. No template takes a
        good part of the window: that is a wrong bill, and believing it would leave no room for any prompt."""
        with self._lock:
            if missing <= self.context * _TEMPLATE:
                self._beyond += max(0, missing)

    def _ask(
        self, prompt: Prompt, asked: error_mapping.Asked, window: int, put: Put, stopped: threading.Event
    ) -> Reply:
        """The whole reply, asked for again only while nothing of it has come."""
        tries = 0
        while True:
            reply, without = Reply(put, prompt.max_tokens, window), frozenset(self._without)
            schema = self._schema(prompt, without)
            try:
                self._read(prompt, schema, without, reply, stopped)
                if schema and reply.reason and reply.begun_with and not reply.begun_with.startswith(("{", "```")):
                    self._forgo(_STRUCTURE, without)  # it was let be: then what is asked for is what is written anyway
                return reply
            except Exception as error:
                if stopped.is_set() or reply.reason:  # nobody listens, or it was complete before something broke
                    return reply
                if not reply.began and self._adapt(error, without, schema):
                    continue
                tries += 1
                ours = error_mapping.translate(error, asked, reply.began)
                wait = error_mapping.wait_asked(error)
                if wait is None:
                    wait = _FIRST_WAIT * 2 ** (tries - 1) * random.uniform(1, 1.3)
                most = _KNOCKS if isinstance(ours, ModelUnreachable) else TRIES
                again = (
                    not reply.began
                    and tries < most
                    and wait <= error_mapping.LONG
                    and error_mapping.may_pass(error, ours)
                )
            if not again:
                raise self._hinted(ours) from None  # theirs may hold the key, in a header or a message
            for _ in range(max(1, round(wait / 0.25))):
                put("")
                if stopped.wait(min(wait, 0.25)):
                    return reply

    def _schema(self, prompt: Prompt, without: Collection[str]) -> Schema | None:
        """What the reply will be made to fit; None where words alone ask for it, and where it is to reason first."""
        return prompt.schema if self._openai and not prompt.reasoning and _STRUCTURE not in without else None

    def _read(
        self,
        prompt: Prompt,
        schema: Schema | None,
        without: Collection[str],
        reply: Reply,
        stopped: threading.Event,
    ) -> None:
        from langsmith import tracing_context

        if not self._openai and (base := self._base.get_secret_value()):  # its package dials by itself
            check_resolved(base, allow_link_local=self._allow_link_local)
        messages = _messages(render(prompt, structured=schema is not None))
        # LANGSMITH_TRACING in somebody's environment must not send what is in their documents anywhere.
        with tracing_context(enabled=False):
            parameters = self._parameters(prompt.max_tokens, schema, without)
            with closing(self._chat(prompt.max_tokens).stream(messages, **parameters)) as chunks:
                for chunk in chunks:
                    if stopped.is_set():
                        return
                    reply.feed(chunk)
                    if reply.over:  # what it would still say is not waited for
                        return

    def _parameters(self, max_tokens: int, schema: Schema | None, without: Collection[str]) -> dict[str, Any]:
        """What goes into one request besides the messages."""
        if not self._openai:
            return {}
        settings: dict[str, Any] = {"temperature": 0}
        if self._hosted and _THINKS.match(self._model):
            settings = {"reasoning_effort": "low"}
            max_tokens += _THINKING
        # OpenAI knows only max_completion_tokens for its newer models, Ollama and others only max_tokens.
        body: dict[str, Any] = {}  # as it is: LangChain would read a response_format, and not stream such a reply
        if self._hosted or "max_tokens" in without:
            settings["max_tokens"] = max_tokens  # LangChain sends it under the newer name
        else:
            body["max_tokens"] = max_tokens
        if schema:
            wanted = {"name": schema, "strict": True, "schema": scores.SCHEMAS[schema]}
            body[_STRUCTURE] = {"type": "json_schema", "json_schema": wanted}
        if body:
            settings["extra_body"] = body
        if "stream_options" in without:
            settings["stream_usage"] = False
        return {name: value for name, value in settings.items() if name == "max_tokens" or name not in without}

    def _adapt(self, error: BaseException, without: Collection[str], schema: Schema | None) -> bool:
        """Whether the server refused a parameter that can be left out or named otherwise; then it is, for good.

        `without`: what this request had done without already; another may have learned more meanwhile.
        """
        status = error_mapping.status_of(error)
        if status is None or not self._openai:
            return False
        said = error_mapping.message_of(error)
        if status in (400, 422):
            for name in (*_OPTIONAL, *(() if self._hosted else ("max_tokens",))):
                if name in said and self._forgo(name, without):
                    return True
        # Refusals of a schema seldom name the parameter; some are a 500 about a grammar.
        refused = status in (400, 422) and not error_mapping.is_told(said)
        return schema is not None and (refused or bool(_NO_STRUCTURE.search(said))) and self._forgo(_STRUCTURE, without)

    def _forgo(self, name: str, without: Collection[str]) -> bool:
        """Do without the parameter from now on; False where that was tried already."""
        with self._lock:
            self._without.add(name)
        return name not in without

    def _hinted(self, error: ModelError) -> ModelError:
        """UnknownModel says what there is instead, where the server tells."""
        if not isinstance(error, UnknownModel):
            return error
        names = self._listing.models() if self._listing else []
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            hint = f"It has: {', '.join(names[:_NAMED])}{more}."
        elif self._server and not self._url.endswith("/v1"):
            hint = f"Check the name and the address: most servers want {self._url}/v1."
        else:
            hint = f"{error.params['hint']} Check the name and the address."
        return UnknownModel(model=error.params["model"], where=error.params["where"], hint=hint)


def _messages(rendered: Rendered) -> list[tuple[str, str]]:
    return [(role, text) for role, text in (("system", rendered.system), ("human", rendered.user)) if text]


def _lumps(texts: Iterable[str]) -> Iterator[tuple[str, int]]:
    """The texts joined to few, each with how many it is made of."""
    lump: list[str] = []
    for text in texts:
        if lump and sum(map(len, lump)) + len(text) > _LUMP:
            yield "\n\n".join(lump), len(lump)
            lump = []
        lump.append(text)
    if lump:
        yield "\n\n".join(lump), len(lump)


def _length(schema: Schema | None) -> int:
    """Tokens that a schema can take at most: some servers put it into the prompt."""
    return bound(json.dumps(scores.SCHEMAS[schema])) if schema else 0
