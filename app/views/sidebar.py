"""The sidebar: where to go, what to ask about, how, and where text goes because of it."""

from collections import Counter
from dataclasses import replace
from functools import partial

import streamlit as st
from streamlit.navigation.page import Page

from app import safe_text
from app.i18n import NAMES, Words
from app.model_choice import WAYS, connection, destination, models, place, provider, scope_text, ways_text
from app.session import SCOPE, Desk, go_to, leave, remember_language
from app.views.answer import model_name
from chains.compare import NAMES as CHAINS
from chains.execution import few_shot
from chains.models.remote.discovery import Offer
from ingest.errors import PagewiseError
from settings import Settings

_EARLIER = 12
_LAST_YEAR = 9999


def top(words: Words, pages: list[Page]) -> None:
    with st.sidebar:
        with st.container(key="brand"):
            st.markdown("Pagewise")
        with st.container(gap="xxsmall"):
            for page in pages:
                st.page_link(page)


def choices(desk: Desk) -> None:
    """What the next question is asked about and how."""
    words, settings = desk.words, desk.settings
    records = desk.records
    if not records:
        return
    with st.sidebar:
        names = {record.id: record.name for record in records}
        counts = Counter(names.values())
        kept = [id for id in st.session_state.get("documents", []) if id in names]
        if kept != st.session_state.get("documents", []):
            st.session_state["documents"] = kept
        st.multiselect(
            words("side.documents"),
            list(names),
            key="documents",
            format_func=lambda id: f"{names[id]} ({id[:8]})" if counts[names[id]] > 1 else names[id],
            placeholder=words("side.documents.all"),
            help=words("side.documents.help"),
            persist_state="session",
        )
        _scope(desk)
        st.session_state.setdefault("chain", settings.chain)
        st.selectbox(
            words("side.chain"),
            list(CHAINS),
            key="chain",
            format_func=lambda name: words(f"chain.{name}"),
            persist_state="session",
        )
        st.caption(words(f"chain.{desk.chain}.about"))
        _ways(desk)
        offers = desk.offers.look()
        specs = models(settings, desk.own, offers, desk.model)
        if st.session_state.get("model") not in specs:
            st.session_state["model"] = specs[0]
        st.selectbox(
            words("side.model"),
            specs,
            key="model",
            format_func=lambda spec: model_name(words, spec),
            persist_state="session",
        )
        if desk.offers.searching:
            _arriving(desk, offers)
        if desk.model == "extractive":
            st.caption(words("model.extractive.about"))
        privacy(desk)


@st.fragment(run_every=1.0)
def _arriving(desk: Desk, shown: tuple[Offer, ...]) -> None:
    """Draws the page again where a search that nobody waited for found something else than is shown."""
    if not desk.offers.searching and desk.offers.found != shown:
        st.rerun()


def _scope(desk: Desk) -> None:
    """Which pages and which years the question is about; folded away, with what is chosen in its title."""
    words = desk.words
    chosen = scope_text(words, desk.scope)
    with st.expander(words("side.scope") + (f": **{chosen}**" if chosen else ""), key="scope", type="compact"):
        for pair, most in ((SCOPE[:2], None), (SCOPE[2:], _LAST_YEAR)):
            with st.container(horizontal=True, gap="small", wrap=False):
                for name in pair:
                    st.number_input(
                        words(f"scope.{name}"),
                        min_value=1,
                        max_value=most,
                        value=None,
                        step=1,
                        key=name,
                        persist_state="session",
                    )
        st.caption(words("scope.about"))


def _ways(desk: Desk) -> None:
    """Ways to ask; folded away, with what is chosen in the title."""
    words = desk.words
    known, error = desk.examples()
    chosen = ways_text(words, replace(desk.ways, examples=known))
    with st.expander(words("side.ways") + (f": **{chosen}**" if chosen else ""), key="ways", type="compact"):
        for name in WAYS:
            st.session_state.setdefault(f"way-{name}", getattr(desk.ways, name))
            st.toggle(
                words(f"ways.{name}"),
                key=f"way-{name}",
                help=words(f"ways.{name}.about"),
                persist_state="session",
            )
        file = st.file_uploader(
            words("ways.file"),
            type=["jsonl", "toml"],
            key=f"way-examples-{st.session_state.setdefault('examples_turn', 0)}",
            max_upload_size=1,
            help=words("ways.file.about"),
        )
        if file is not None:
            _take(desk, file.name, file.getvalue())
        if error := st.session_state.get("examples_wrong") or error:
            st.error(safe_text.block(words.error(error)))
        if known:
            with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
                st.caption(words.count("ways.examples", len(known)), width="stretch")
                if "examples" in st.session_state:
                    st.button(
                        "", key="examples-drop", icon=":material/delete:", type="tertiary",
                        help=words("ways.file.drop"), on_click=partial(st.session_state.pop, "examples", None),
                    )  # fmt: skip
        if desk.model == "extractive":
            st.caption(words("ways.extractive"))


def _take(desk: Desk, name: str, data: bytes) -> None:
    """The file's examples become the tab's; the uploader is empty again. What is wrong with a file is said once."""
    try:
        st.session_state["examples"] = few_shot.parse(data, name)
        st.session_state["examples_wrong"] = None
    except PagewiseError as error:
        st.session_state["examples_wrong"] = error
    st.session_state["examples_turn"] += 1
    st.rerun()


def privacy(desk: Desk) -> None:
    """Where text goes, with what is chosen now."""
    words = desk.words
    where = connection(desk.model, desk.settings, desk.own)
    answering = destination(where.spec, where.api_base)
    embedding = embedder_host(desk.settings)
    if answering:
        st.caption(f":material/cloud_upload: {words('privacy.sent', host=safe_text.inline(answering))}")
    if embedding:
        st.caption(f":material/cloud_upload: {words('privacy.embedder', host=safe_text.inline(embedding))}")
    if not answering and not embedding:
        served = where.api_base and provider(where.spec) not in ("extractive", "local")
        here = (
            words("privacy.server", host=safe_text.inline(place(where.api_base)))
            if served
            else words("privacy.machine")
        )
        st.caption(f":material/lock: {here}")


def embedder_host(settings: Settings) -> str:
    """The host that documents are sent to when they are added; "" where their text stays here."""
    return destination(settings.embedder, settings.api_base) if provider(settings.embedder) == "openai" else ""


def earlier(desk: Desk, ask: Page) -> None:
    """A new conversation, and those before."""
    words = desk.words
    listed = desk.store.listed(_EARLIER)
    with st.sidebar:
        if st.button(
            words("side.new"),
            key="new",
            icon=":material/add:",
            width="stretch",
            disabled=not listed,
            on_click=leave,
        ):
            st.switch_page(ask)
        if listed:
            with st.expander(words("side.earlier"), key="earlier", type="compact"):
                for conversation in listed:
                    with st.container(
                        horizontal=True,
                        wrap=False,
                        vertical_alignment="center",
                        gap="xxsmall",
                        key=f"row-{conversation.id}",
                    ):
                        if st.button(
                            safe_text.inline(conversation.title, 42) or "–",
                            key=f"open-{conversation.id}",
                            type="tertiary",
                            width="stretch",
                            on_click=partial(go_to, conversation.id),
                        ):
                            st.switch_page(ask, query_params={"c": conversation.id})
                        st.button(
                            "",
                            key=f"forget-{conversation.id}",
                            icon=":material/delete:",
                            type="tertiary",
                            help=words("side.delete"),
                            on_click=partial(_forget, desk, conversation.id),
                        )


def _forget(desk: Desk, conversation: str) -> None:
    desk.jobs.drop(conversation)
    desk.store.delete(conversation)
    if st.session_state.get("conversation") == conversation:
        leave()


def bottom(words: Words) -> None:
    with st.sidebar:
        st.segmented_control(
            words("language"),
            list(NAMES),
            key="language",
            format_func=lambda code: NAMES[code],
            on_change=remember_language,
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
