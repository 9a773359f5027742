"""The sidebar: where to go, what to ask about, how, and where text goes because of it."""

from collections import Counter
from functools import partial

import streamlit as st
from streamlit.navigation.page import Page

from app.choices import connection, destination, models, provider, scope_text
from app.i18n import NAMES, Words
from app.session import SCOPE, Desk, go_to, leave, remember_language
from app.views import safe
from app.views.answer import model_name
from chains.compare import NAMES as CHAINS
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
        specs = models(settings, desk.own)
        if st.session_state.get("model") not in specs:
            st.session_state["model"] = specs[0]
        st.selectbox(
            words("side.model"),
            specs,
            key="model",
            format_func=lambda spec: model_name(words, spec),
            persist_state="session",
        )
        if desk.model == "extractive":
            st.caption(words("model.extractive.about"))
        privacy(desk)


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


def privacy(desk: Desk) -> None:
    """Where text goes, with what is chosen now."""
    words = desk.words
    where = connection(desk.model, desk.settings, desk.own)
    answering = destination(where.spec, where.api_base)
    embedding = embedder_host(desk.settings)
    if answering:
        st.caption(f":material/cloud_upload: {words('privacy.sent', host=safe.inline(answering))}")
    if embedding:
        st.caption(f":material/cloud_upload: {words('privacy.embedder', host=safe.inline(embedding))}")
    if not answering and not embedding:
        st.caption(f":material/lock: {words('privacy.machine')}")


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
                            safe.inline(conversation.title, 42) or "–",
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
