"""What the person should know of the library although nothing was stopped by it, on every page until it is closed."""

import streamlit as st

from app import safe_text
from app.session import Desk
from app.views import upload
from ingest.errors import UnlistedFilesNotice


def draw_notices(desk: Desk) -> None:
    """Draws each notice of the library and the conversations, and *Repair* where stored files are not listed."""
    words = desk.words
    closed = st.session_state.setdefault("notices_closed", set())
    notices = [notice for notice in desk.list_notices() if str(notice) not in closed]
    for number, notice in enumerate(notices):
        is_unlisted = isinstance(notice, UnlistedFilesNotice)
        if is_unlisted and (upload.running() is not None or not desk.library.list_unlisted_files()):
            continue
        with st.container(key=f"notice-{number}", gap="xsmall"):
            st.warning(safe_text.block(words.error(notice)), icon=":material/info:")
            with st.container(horizontal=True, gap="small"):
                if is_unlisted and st.button(words("repair.start"), key="repair-files", icon=":material/build:"):
                    upload.begin_repair(desk)
                    st.rerun()
                if st.button(words("notice.close"), key=f"notice-close-{number}", type="tertiary"):
                    closed.add(str(notice))
                    st.rerun()
