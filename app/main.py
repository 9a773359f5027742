"""The web app: one run of this script draws one screen. It draws events and hands values in; the work is elsewhere."""

from functools import partial

import streamlit as st

from app import cached_resources, safe_text, session
from app.i18n import Words
from app.screens import ask, library
from app.screens import settings as settings_screen
from app.session import Desk
from app.views import notices, sidebar, style, upload
from ingest.errors import CatalogueError, PagewiseError
from ingest.repair import replace_damaged_catalogue
from settings import Settings, load_settings


def main() -> None:
    st.set_page_config(page_title="Pagewise", page_icon=style.icon(), layout="wide")
    words = session.words()
    style.draw(words)
    settings = None
    try:
        settings = load_settings()
        cached_resources.offers(
            settings.api_base, settings
        ).look()  # begins a search, which is over when the library is open
        desk = _desk(settings, words)
    except PagewiseError as error:
        sidebar.bottom(words)
        _cannot_start(words, error, settings)
        return
    if st.session_state.pop("repairing", False):  # the catalogue is new; its documents are read again
        upload.begin_repair(desk)
    cached_resources.prepared(settings.model)
    if "chosen" in st.session_state:
        st.session_state["model"] = st.session_state.pop("chosen")
    asking = st.Page(
        partial(ask.draw, desk), title=words("nav.ask"), icon=":material/forum:", url_path="ask", default=True
    )
    shelf = st.Page(
        partial(library.draw, desk, asking),
        title=words("nav.library"),
        icon=":material/library_books:",
        url_path="library",
    )
    knobs = st.Page(
        partial(settings_screen.draw, desk), title=words("nav.options"), icon=":material/settings:", url_path="settings"
    )
    page = st.navigation([asking, shelf, knobs], position="hidden")
    _closed_on_the_way(page.url_path)
    sidebar.top(words, [asking, shelf, knobs])
    sidebar.earlier(desk, asking)
    sidebar.choices(desk)
    sidebar.bottom(words)
    try:
        notices.draw_notices(desk)
        page.run()
    except PagewiseError as error:
        _error(words, error)


def _desk(settings: Settings, words: Words) -> Desk:
    with st.spinner(words("ask.starting")):
        opened = cached_resources.library(settings)
    return Desk(settings, words, opened, cached_resources.conversations(str(settings.data)), cached_resources.jobs())


def _closed_on_the_way(page: str) -> None:
    """The source pane belongs to the page that it was opened on."""
    if st.session_state.get("page") != page:
        if "page" in st.session_state:
            session.show(None)
        st.session_state["page"] = page


def _cannot_start(words: Words, error: PagewiseError, settings: Settings | None) -> None:
    with st.container(key="welcome"):
        st.title("Pagewise", anchor=False)
        st.markdown(words("app.purpose"))
        _error(words, error)
        if isinstance(error, CatalogueError) and settings is not None:
            _offer_repair(words, settings)


def _offer_repair(words: Words, settings: Settings) -> None:
    st.caption(words("repair.about"))
    if st.button(words("repair.start"), key="repair-catalogue", type="primary", icon=":material/build:"):
        try:
            replace_damaged_catalogue(settings.data)
        except PagewiseError as error:
            st.error(safe_text.block(words.error(error)), icon=":material/error:")
            return
        st.session_state["repairing"] = True
        st.rerun()


def _error(words: Words, error: PagewiseError) -> None:
    st.error(safe_text.block(words.error(error)), icon=":material/error:")
    st.button(words("error.retry"), key="retry", icon=":material/refresh:")


main()
