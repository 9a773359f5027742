"""The settings in force and where each is from, folded away on the Settings screen."""

import streamlit as st

from app import safe_text
from app.i18n import Words
from app.settings_table import setting_rows
from ingest.errors import PagewiseError
from ingest.terminal_text import visible
from settings import inspect_settings


def draw(words: Words) -> None:
    with st.expander(words("sources.title"), icon=":material/tune:"):
        st.caption(words("sources.about"))
        try:
            loaded = inspect_settings()
        except PagewiseError as error:  # a file that was changed since the page was opened
            st.error(safe_text.block(words.error(error)), icon=":material/error:")
            return
        if loaded.problem is not None:
            st.error(safe_text.block(words.error(loaded.problem)), icon=":material/error:")
        # Drawn on a canvas as plain text: a value is never read as markup.
        st.dataframe(
            [
                {
                    words("sources.setting"): row.name,
                    words("sources.value"): visible(
                        words(f"sources.key.{row.value.replace(' ', '_')}") if row.name == "api_key" else row.value
                    ),
                    words("sources.source"): words(f"sources.{row.source.name.lower()}"),
                    words("sources.where"): row.where,
                }
                for row in setting_rows(loaded)
            ],
            hide_index=True,
            key="setting-sources",
        )
