"""A model of one's own for this tab, the table of prices, and what this Pagewise is."""

import importlib.metadata
import re
from functools import partial

import streamlit as st

from app import safe_text
from app.model_choice import Own, choice, entered, place
from app.session import Desk
from app.views import prices, setting_sources, sidebar
from app.views.answer import model_name
from ingest.blocked_addresses import check_written
from ingest.errors import PagewiseError
from ingest.server_url import shown
from settings import MODEL, check_provider_key, inspect_settings


def draw(desk: Desk) -> None:
    words = desk.words
    with st.container(key="welcome"):
        st.header(words("options.title"), anchor=False)
        st.subheader(words("options.model"), anchor=False)
        st.caption(words("options.model.about"))
        own = desk.own
        with st.form("own-model", border=True):
            spec = st.text_input(
                words("options.spec"),
                value=own.spec if own else "",
                key="own-spec",
                placeholder="openai:gpt-5-mini",
                help=words("options.spec.help").replace("<", "\\<"),
            )
            base = st.text_input(
                words("options.base"),
                value=shown(own.api_base if own else desk.settings.api_base),
                key="own-base",
                placeholder="http://127.0.0.1:11434/v1",
                help=words("options.base.help"),
            )
            key = st.text_input(
                words("options.key"),
                type="password",
                key="own-key",
                help=words("options.key.help"),
                autocomplete="off",
            )
            used = st.form_submit_button(words("options.use"), key="own-use", type="primary")
        if used:
            _use(desk, (spec or "").strip(), (base or "").strip(), (key or "").strip())
        st.markdown(words("options.using", model=f"**{safe_text.inline(model_name(words, desk.model))}**"))
        sidebar.privacy(desk)
        _here(desk)
        prices.draw(desk)
        setting_sources.draw(words)
        st.subheader(words("options.about"), anchor=False)
        st.markdown(f"Pagewise {importlib.metadata.version('pagewise')}")
        st.caption(words("options.data", folder=safe_text.inline(str(desk.settings.data))))
        st.caption(words("options.embedder", embedder=safe_text.inline(desk.settings.embedder)))


def _here(desk: Desk) -> None:
    """The models that were found on this machine, each to be chosen with a click."""
    words, found = desk.words, desk.offers.look()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(words("options.here"), anchor=False)
        st.button(words("options.again"), key="offers-again", type="tertiary", on_click=desk.offers.forget)
    if desk.offers.searching:
        _arriving(desk)
    elif not found:
        st.caption(words("options.none_here"))
    for n, offer in enumerate(found):
        where = (
            words("options.at", server=offer.server or words("options.server"), host=place(offer.api_base))
            if offer.api_base
            else words("options.cached", size=f"{offer.size / 1e9:.1f}")
        )
        window = words("options.window", tokens=f"{offer.context:,}") if offer.context else ""
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"offer-{n}"):
            st.button(
                words("options.choose"),
                key=f"offer-use-{n}",
                disabled=desk.model == choice(offer),
                on_click=partial(_choose, choice(offer)),
            )
            about = " · ".join(part for part in (where, window) if part)
            st.markdown(f"**{safe_text.inline(offer.model.partition(':')[2])}** — {safe_text.inline(about)}")


@st.fragment(run_every=0.5)
def _arriving(desk: Desk) -> None:
    """Draws the page again when the search has ended; nobody waits for it."""
    if not desk.offers.searching:
        st.rerun()


def _choose(chosen: str) -> None:
    st.session_state["chosen"] = chosen


def _use(desk: Desk, spec: str, base: str, key: str) -> None:
    words = desk.words
    if not re.match(MODEL, spec):
        st.error(words("options.no_spec"))
        return
    if base and not base.startswith(("http://", "https://")):
        st.error(words("options.bad_base"))
        return
    before = desk.own
    base = entered(base, desk.settings, before)
    try:
        check_written(base, allow_link_local=desk.settings.allow_link_local == "on")
        if base == desk.settings.api_base:  # shown in the field, not typed
            check_provider_key(spec, base, inspect_settings().origins["api_base"])
    except PagewiseError as error:
        st.error(safe_text.block(words.error(error)))
        return
    if not key and before is not None and before.api_base == base:
        key = before.api_key  # the field is shown empty; the same address keeps the key that was entered for it
    st.session_state["own"] = Own(spec, base, key)
    st.session_state["chosen"] = spec  # the sidebar's widget was drawn already; it takes this in the next run
    st.rerun()
