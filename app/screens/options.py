"""A model of one's own for this tab, the table of prices, and what this Pagewise is."""

import importlib.metadata
import re

import streamlit as st

from app.choices import Own
from app.session import Desk
from app.views import prices, safe, sidebar
from app.views.answer import model_name
from settings import MODEL


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
                value=own.api_base if own else desk.settings.api_base,
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
        st.markdown(words("options.using", model=f"**{safe.inline(model_name(words, desk.model))}**"))
        sidebar.privacy(desk)
        prices.draw(desk)
        st.subheader(words("options.about"), anchor=False)
        st.markdown(f"Pagewise {importlib.metadata.version('pagewise')}")
        st.caption(words("options.data", folder=safe.inline(str(desk.settings.data))))
        st.caption(words("options.embedder", embedder=safe.inline(desk.settings.embedder)))


def _use(desk: Desk, spec: str, base: str, key: str) -> None:
    words = desk.words
    if not re.match(MODEL, spec):
        st.error(words("options.no_spec"))
        return
    if base and not base.startswith(("http://", "https://")):
        st.error(words("options.bad_base"))
        return
    before = desk.own
    if not key and before is not None and before.api_base == base:
        key = before.api_key  # the field is shown empty; the same address keeps the key that was entered for it
    st.session_state["own"] = Own(spec, base, key)
    st.session_state["chosen"] = spec  # the sidebar's widget was drawn already; it takes this in the next run
    st.rerun()
