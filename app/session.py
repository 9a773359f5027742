"""What one browser tab holds, all in st.session_state: language, choices, conversation, the page that is open."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import streamlit as st

from app import cached_resources, composition, question_job
from app.background_jobs import Job, Jobs
from app.conversations import Conversations, Entry, new_entry_id, new_id
from app.cost_text import Estimates
from app.i18n import NAMES, Words, preferred
from app.model_choice import EXTRACTIVE, Connection, Own, connection, scope, suited
from app.model_discovery import Offers
from app.question_job import Told
from chains.answer import ask, plans, summarize
from chains.compare import compare
from chains.execution.limits import Caps
from chains.options import Ways
from chains.prompt import Example, Language
from chains.retrieval.hybrid import Scope
from ingest.document import Record
from ingest.errors import Notice, PagewiseError
from ingest.store.library import Library
from settings import Settings

SCOPE = ("first_page", "last_page", "since", "until")  # where what was entered is kept
_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True)
class Quoted:
    """What is to be marked on a page: words that stand there, and in them those that answer ("": none apart)."""

    page: int
    words: str
    span: str = ""


@dataclass(frozen=True)
class Opened:
    """The page that the source pane shows."""

    document: str  # id
    name: str
    page: int
    quotes: tuple[Quoted, ...] = ()  # of this page, and of those that they run over to or come from
    entry: str = ""  # whose citation it is
    citation: int = -1  # which


@dataclass(frozen=True)
class Desk:
    """All that a page needs."""

    settings: Settings
    words: Words
    library: Library
    store: Conversations
    jobs: Jobs

    @property
    def records(self) -> list[Record]:
        return self.library.records()

    def list_notices(self) -> tuple[Notice, ...]:
        """What the person should know of the library and the conversations, in the order in which it was found."""
        return (*self.library.notices.list_all(), *self.store.notices.list_all())

    # --- the conversation -------------------------------------------------------------------------------------

    @property
    def conversation(self) -> str:
        """The id in the address, else the one this tab had; "" before the first question."""
        wanted = st.query_params.get("c") or st.session_state.get("conversation", "")
        if not _ID.fullmatch(wanted):
            return ""
        st.session_state["conversation"] = wanted
        if st.query_params.get("c") != wanted:
            st.query_params["c"] = wanted
        return str(wanted)

    def entries(self) -> list[Entry]:
        return self.store.entries(self.conversation) if self.conversation else []

    def job(self) -> Job[Told] | None:
        """The one that answers in this conversation now."""
        job = self.jobs.get(self.conversation) if self.conversation else None
        return job if job is not None and job.running else None  # type: ignore[return-value]

    def ask(self, question: str, chain: str = "", documents: Sequence[str] | None = None) -> None:
        """Put a question and begin to answer it, with what is chosen."""
        chosen = list(documents) if documents is not None else self.chosen_documents()
        entry = Entry(
            new_entry_id(),
            "question",
            question.strip(),
            chain or self.chain,
            self.model,
            tuple(chosen) if chosen else None,
            self.scope,
            replace(self.ways, examples=suited(self.examples()[0], question)),
            caps=composition.caps(self.settings),
        )
        self._begin(entry)

    def summarize(self, record: Record, chain: str, caps: Caps) -> None:
        """Begin a conversation with the summary of a document."""
        leave()
        self._begin(Entry(new_entry_id(), "summary", record.name, chain, self.model, (record.id,), caps=caps))

    def resume(self, entry: Entry) -> None:
        """A summary that ended before its end goes on in its place, with the model that it was begun with."""
        self._begin(replace(entry, steps=(), answer=None, problem=None))

    def planning(self, record: Record) -> Job[Estimates]:
        """What a summary of this document would take, being counted; its only event."""
        where, opened, settings, library = (
            self._where(self.model),
            cached_resources.models(),
            self.settings,
            self.library,
        )
        known, language = cached_resources.speeds(str(settings.data)), _language(settings)

        def run() -> Iterator[Estimates]:
            model = opened.open(settings, where, library.embedder)
            terms = composition.spending(settings, library, model.name, known, api_base=where.api_base)
            yield Estimates(plans(record.id, library, model, language=language, spending=terms), terms.price)

        return Job(run)

    def compare(self, entry: Entry) -> None:
        """The same question through every chain, side by side."""
        self.again(replace(entry, kind="compare", chain=""))

    def again(self, entry: Entry, chain: str = "") -> None:
        """The same once more, with the model that is chosen now."""
        self._begin(
            replace(
                entry,
                id=new_entry_id(),
                chain=chain or entry.chain,
                model=self.model,
                steps=(),
                answer=None,
                problem=None,
                parts=(),
            ),
            again=True,
        )

    def _begin(self, entry: Entry, again: bool = False) -> None:
        """`again`: the model is really asked, also what it has answered before."""
        conversation = self.conversation or new_id()
        st.session_state["conversation"] = conversation
        st.query_params["c"] = conversation
        st.session_state.pop("opened", None)
        earlier = question_job.history(self.store.entries(conversation))
        opened, settings, library = cached_resources.models(), self.settings, self.library
        reranker = cached_resources.reranker(settings.reranker, settings.reader, settings)
        where, known, language = (
            self._where(entry.model),
            cached_resources.speeds(str(settings.data)),
            _language(settings),
        )

        def run() -> Iterator[Told]:
            model = opened.open(settings, where, library.embedder)
            terms = composition.spending(settings, library, model.name, known, again, where.api_base)
            spending = replace(terms, caps=entry.caps)
            if entry.kind == "summary":
                return summarize(
                    entry.documents[0] if entry.documents else "",
                    library,
                    model,
                    chain=entry.chain,
                    language=language,
                    spending=spending,
                )
            way: Callable[..., Iterator[Told]] = compare if entry.kind == "compare" else partial(ask, chain=entry.chain)
            return way(
                entry.asked,
                library,
                model,
                k=settings.passages,
                documents=entry.documents,
                scope=entry.scope,
                reranker=reranker,
                history=earlier,
                language=language,
                rerank=settings.rerank,
                ways=entry.ways,
                spending=spending,
            )

        question_job.start(self.jobs, self.store, conversation, entry, run)

    def _where(self, model: str) -> Connection:
        return connection(model, self.settings, self.own)

    # --- the choices ------------------------------------------------------------------------------------------

    @property
    def own(self) -> Own | None:
        return st.session_state.get("own")

    @property
    def offers(self) -> Offers:
        """The models that are found on this machine."""
        return cached_resources.offers(self.settings.api_base, self.settings)

    @property
    def model(self) -> str:
        return str(st.session_state.get("model") or self.settings.model or EXTRACTIVE)

    @property
    def chain(self) -> str:
        return str(st.session_state.get("chain") or self.settings.chain)

    def chosen_documents(self) -> list[str]:
        """Ids; none chosen means all."""
        there = {record.id for record in self.records}
        return [id for id in st.session_state.get("documents", []) if id in there]

    @property
    def scope(self) -> Scope:
        """The pages and years that the next question is about."""
        first, last, since, until = (st.session_state.get(name) for name in SCOPE)
        return scope(first, last, since, until)

    @property
    def ways(self) -> Ways:
        """How the next question is asked, but for its examples."""

        def on(name: str, setting: str) -> bool:
            said = st.session_state.get(f"way-{name}")
            return setting == "on" if said is None else bool(said)

        settings = self.settings
        return Ways(on("step_back", settings.step_back), on("think", settings.think), on("parts", settings.split))

    def examples(self) -> tuple[tuple[Example, ...], PagewiseError | None]:
        """The tab's own, else those of the settings; why there are none, where they cannot be read."""
        own: tuple[Example, ...] | None = st.session_state.get("examples")
        if own is not None:
            return own, None
        try:
            return composition.read_examples(self.settings), None
        except PagewiseError as error:
            return (), error

    # --- the source pane --------------------------------------------------------------------------------------

    @property
    def opened(self) -> Opened | None:
        return st.session_state.get("opened")


def _language(settings: Settings) -> Language | None:
    return None if settings.language == "auto" else settings.language


def show(opened: Opened | None) -> None:
    """Open a page in the source pane, or close it."""
    if opened is None:
        st.session_state.pop("opened", None)
    else:
        st.session_state["opened"] = opened


def leave() -> None:
    """Begin a new conversation with the next question."""
    for name in ("conversation", "opened"):
        st.session_state.pop(name, None)
    if "c" in st.query_params:
        del st.query_params["c"]


def go_to(conversation: str) -> None:
    leave()
    st.session_state["conversation"] = conversation
    st.query_params["c"] = conversation


def words() -> Words:
    """In the language of the address, of the tab, or of the browser."""
    if st.session_state.get("language") not in NAMES:  # none is chosen: the first run, or a click on the chosen one
        wanted = st.query_params.get("lang", "")
        st.session_state["language"] = wanted if wanted in NAMES else preferred(st.context.locale)
    return Words(st.session_state["language"])


def remember_language() -> None:
    if st.session_state["language"] in NAMES:
        st.query_params["lang"] = st.session_state["language"]
