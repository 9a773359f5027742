"""Ask, read the answer, see the page."""

from functools import partial

import streamlit as st

from app.session import Desk
from app.uploads import SAMPLE
from app.views import answer, comparison, sidebar, source, upload


def draw(desk: Desk) -> None:
    words = desk.words
    job = desk.job()  # before the entries: an answer that comes meanwhile is among them then
    entries = desk.entries()
    if entries and entries[-1].over:
        job = None
    records = desk.records
    if not entries and (not records or upload.running() is not None):
        _welcome(desk)
        return
    opened = desk.opened
    spot = None
    with st.container(key="desk", horizontal=True, gap="medium"):
        with st.container(key="talk"):
            if not entries:
                _start(desk)
            for entry in entries:
                waiting = job if entry is entries[-1] and not entry.over else None
                view = comparison if entry.kind == "compare" else answer
                spot = view.draw(desk, entry, waiting) or spot
        if opened is not None:
            answered = [one for entry in entries for one in (entry, *entry.parts)]
            source.draw(desk, opened, next((entry for entry in answered if entry.id == opened.entry), None))
    with st.bottom, st.container(key="asking", horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
        st.chat_input(
            words("ask.placeholder"),
            key="question",
            submit_mode="disable",
            on_submit=partial(_asked, desk),
            disabled=not records,
        )
        if job is not None:
            st.button(words("ask.stop"), key="stop", icon=":material/stop_circle:", type="primary", on_click=job.stop)
    if job is not None and spot is not None:
        view = comparison if entries[-1].kind == "compare" else answer
        view.follow(desk, job, spot)
        st.rerun()


def _asked(desk: Desk) -> None:
    question = (st.session_state["question"] or "").strip()
    if question:
        desk.ask(question)


def _welcome(desk: Desk) -> None:
    """The first visit: what it is, one place to drop files, a sample, and where text goes."""
    words = desk.words
    with st.container(key="welcome"):
        st.title("Pagewise", anchor=False)
        st.markdown(words("app.purpose"))
        upload.drop(desk, words("first.drop"))
        upload.waiting(desk)
        if upload.running() is None and SAMPLE.is_file():
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.button(
                    words("first.sample"),
                    key="sample",
                    icon=":material/description:",
                    on_click=partial(upload.sample, desk),
                )
                st.caption(words("first.sample.about"), width="content")
        sidebar.privacy(desk)
        upload.follow(desk)


def _start(desk: Desk) -> None:
    """A conversation before its first question."""
    words = desk.words
    with st.container(key="start"):
        st.header(words("ask.start"), anchor=False)
        st.markdown(words("ask.hint"))
        if any(record.name == SAMPLE.name for record in desk.records):
            with st.container(gap="xsmall"):
                for number in (1, 2, 3):
                    question = words(f"sample.question.{number}")
                    st.button(
                        question,
                        key=f"sample-question-{number}",
                        icon=":material/subdirectory_arrow_right:",
                        on_click=partial(desk.ask, question),
                    )
        upload.follow(desk)
