"""The source pane: the page that proves a sentence, with the words marked."""

from dataclasses import replace
from functools import partial

import streamlit as st

from app import cached_resources, safe_text
from app.conversations import Entry
from app.session import Desk, Opened, show
from app.views.answer import opened_citation
from chains.events import Citation
from ingest.document import Record
from ingest.errors import PagewiseError
from ingest.pdf.ocr import marks, marks_within


def draw(desk: Desk, opened: Opened, entry: Entry | None = None) -> None:
    """`entry`: the answer whose citations are listed under the page."""
    words = desk.words
    record = desk.library.holds(opened.document)
    with st.container(key="source", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small", key="source-head"):
            st.markdown(f"**{safe_text.inline(opened.name, 48)}**", width="stretch")
            st.button(
                words("source.close"),
                key="source-close",
                icon=":material/close:",
                type="tertiary",
                on_click=partial(show, None),
            )
        citation = _citation(opened, entry)
        if citation is not None and citation.quote:
            with st.container(key="quote-open", gap="xxsmall"):
                st.markdown(f"“{safe_text.quote(citation.quote, citation.span)}”")
                st.caption(
                    f"[{citation.n}] · {words('page.short', page=citation.page)} · {words(f'source.{citation.match}')}"
                )
        elif citation is not None:
            st.caption(words("source.none"))
        if record is None:
            st.info(words("source.gone"), icon=":material/info:")
        else:
            _turn(desk, opened, record)
            _page(desk, opened, record)
        if entry is not None and entry.answer is not None and len(entry.answer.citations) > 1:
            st.caption(words("source.citations"))
            for i, other in enumerate(entry.answer.citations):
                if i == opened.citation:
                    continue
                quote = f" · {safe_text.inline(other.quote, 90)}" if other.quote else ""
                st.button(
                    f"[{other.n}] {words('page.short', page=other.page)}{quote}",
                    key=f"other-{entry.id}-{i}",
                    type="tertiary",
                    on_click=partial(show, opened_citation(entry, i, other)),
                )


def _citation(opened: Opened, entry: Entry | None) -> Citation | None:
    if entry is None or entry.answer is None or not 0 <= opened.citation < len(entry.answer.citations):
        return None
    return entry.answer.citations[opened.citation]


def _turn(desk: Desk, opened: Opened, record: Record) -> None:
    words = desk.words
    try:
        label = desk.library.page(record.id, opened.page).label
    except PagewiseError:
        label = ""
    plain = label in ("", str(opened.page))
    text = words("page.of", page=opened.page, pages=record.pages)
    if not plain:
        text = words("page.of.label", page=opened.page, pages=record.pages, label=safe_text.inline(label, 20))
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="xsmall", key="source-turn"):
        st.caption(text, width="stretch")
        for key, step, icon in (("back", -1, "chevron_left"), ("next", 1, "chevron_right")):
            st.button(
                "",
                key=f"source-{key}",
                icon=f":material/{icon}:",
                type="tertiary",
                help=words(f"source.{key}"),
                disabled=not 1 <= opened.page + step <= record.pages,
                on_click=partial(show, replace(opened, page=opened.page + step)),
            )


def _page(desk: Desk, opened: Opened, record: Record) -> None:
    words = desk.words
    here = [one for one in opened.quotes if one.page == opened.page]
    quotes, spans = tuple(one.words for one in here), tuple(one.span for one in here)
    try:
        with st.spinner(" "):
            page = desk.library.page(record.id, opened.page)
            found = marks(page, quotes)
            file = str(desk.library.file(record.id))
            strong = marks_within(page, quotes, spans)
            wanted = () if found else quotes
            drawn = cached_resources.page_picture(file, opened.page, wanted, spans, found, strong, desk.settings)
    except PagewiseError as error:
        st.error(safe_text.block(words.error(error)), icon=":material/error:")
        return
    if page.health != "text":
        about = {"page": page.number, "other": page.duplicate_of, "why": safe_text.inline(page.problem)}
        st.caption(words(f"source.{'no text' if page.health == 'garbled' else page.health}", **about))
    alt = words("source.picture", page=opened.page, name=opened.name)
    st.image(drawn.png, width="stretch", alt=alt)
    if quotes:
        st.caption(words("source.marked") if drawn.marks else words("source.unmarked"))
