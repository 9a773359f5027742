"""The library: add, look, summarise, remove."""

from functools import partial

import streamlit as st
from streamlit.navigation.page import Page

from app import safe_text
from app.i18n import Words
from app.session import Desk, Opened, show
from app.views import source, summary, upload
from ingest.document import Record
from ingest.errors import PagewiseError

_ROWS = 20  # on one page of the table
_WIDTHS = (5, 1.5, 3, 2.5, 2)


def draw(desk: Desk, ask: Page) -> None:
    words = desk.words
    opened = desk.opened
    with st.container(key="desk", horizontal=True, gap="medium"):
        with st.container(key="talk" if opened else "shelf"):
            st.header(words("library.title"), anchor=False)
            upload.drop(desk, words("library.drop"))
            st.caption(words("library.limit", mb=desk.settings.max_file_mb))
            upload.waiting(desk)
            results = st.container()
            table = st.container()
        if opened is not None:
            source.draw(desk, opened)
    with table:
        _table(desk, ask)
    with results:
        upload.follow(desk)


def _table(desk: Desk, ask: Page) -> None:
    words, records = desk.words, desk.records
    if not records:
        if upload.running() is None:
            st.info(words("library.empty"))
        return
    if len(records) > _ROWS:
        wanted = st.text_input(words("library.filter"), key="filter", icon=":material/search:")
        records = [record for record in records if (wanted or "").casefold() in record.name.casefold()]
        if not records:
            st.caption(words("library.filter.none"))
            return
    pages = -(-len(records) // _ROWS)
    at = min(st.session_state.get("shelf-page", 1), pages)
    if not desk.opened:
        with st.container(key="heads"):
            for column, head in zip(st.columns(_WIDTHS), ("name", "pages", "state", "added"), strict=False):
                column.caption(words(f"library.{head}"))
    for record in records[(at - 1) * _ROWS : at * _ROWS]:
        _row(desk, ask, record)
    if pages > 1:
        st.pagination(pages, key="shelf-page")


def _row(desk: Desk, ask: Page, record: Record) -> None:
    words = desk.words
    with st.container(key=f"doc-{record.id[:16]}"):
        narrow = desk.opened is not None
        columns = st.columns((6, 2) if narrow else _WIDTHS, vertical_alignment="center")
        columns[0].button(
            safe_text.inline(record.name, 70),
            key=f"view-{record.id}",
            type="tertiary",
            icon=":material/description:",
            help=words("library.open"),
            on_click=partial(show, Opened(record.id, record.name, 1)),
        )
        if not narrow:
            columns[1].markdown(words.count("library.count", record.pages))
            columns[2].markdown(state(words, record))
            columns[3].markdown(f"{record.added.astimezone():%Y-%m-%d %H:%M}")
        with columns[-1], st.container(horizontal=True, gap="small", wrap=False):
            if st.button(
                "",
                key=f"sum-{record.id}",
                icon=":material/short_text:",
                type="tertiary",
                help=words("library.summarise"),
            ):
                _summarise(desk, ask, record)
            if st.button(
                "",
                key=f"drop-doc-{record.id}",
                icon=":material/delete:",
                type="tertiary",
                help=words("library.remove"),
            ):
                _remove(desk, record)


def state(words: Words, record: Record) -> str:
    """What became of the pages, in words."""
    parts = []
    if record.without_text:
        parts.append(words.count("library.without", len(record.without_text), pages=upload.ranges(record.without_text)))
    for health in ("garbled", "ocr", "duplicate"):
        if count := record.health.get(health):
            parts.append(words.count(f"library.{health}", count))
    return " · ".join(parts) or words("library.complete")


def _summarise(desk: Desk, ask: Page, record: Record) -> None:
    counting = desk.planning(record)

    def body() -> None:
        chosen = summary.body(desk, record, counting)
        if chosen is not None:
            desk.summarize(record, *chosen)
            st.switch_page(ask, query_params={"c": st.session_state["conversation"]})

    st.dialog(desk.words("library.summarise"))(body)()


def _remove(desk: Desk, record: Record) -> None:
    words = desk.words

    def body() -> None:
        st.markdown(words("library.remove.sure", name=f"**{safe_text.inline(record.name, 80)}**"))
        with st.container(horizontal=True, gap="small"):
            if st.button(words("library.remove.yes"), key="remove-yes", type="primary"):
                try:
                    receipt = desk.library.remove(record.id)
                except PagewiseError as error:
                    st.error(safe_text.block(words.error(error)))
                    return
                opened = desk.opened
                if opened is not None and opened.document == record.id:
                    show(None)
                counts = {"rows": receipt.rows, "vectors": receipt.vectors, "tokens": receipt.tokens}
                said = words("library.removed", name=safe_text.inline(record.name, 60), left=receipt.left, **counts)
                st.toast(said, icon=":material/check:")
                st.rerun()
            if st.button(words("library.cancel"), key="remove-no"):
                st.rerun()

    st.dialog(words("library.remove"))(body)()
