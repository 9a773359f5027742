"""The table of prices: what is in it, one more, one less."""

from functools import partial
from pathlib import Path

import streamlit as st

from app import price_table, safe_text
from app.price_table import Row
from app.session import Desk
from ingest.errors import PagewiseError


def draw(desk: Desk) -> None:
    words = desk.words
    file = price_table.place(desk.settings.data)
    st.subheader(words("prices.title"), anchor=False)
    st.caption(words("prices.about", file=safe_text.inline(str(file))))
    try:
        rows = price_table.read(file)
    except PagewiseError as error:
        st.error(safe_text.block(words.error(error)), icon=":material/error:")
        return
    for i, row in enumerate(rows):
        with st.container(horizontal=True, vertical_alignment="center", wrap=False, key=f"price-{i}"):
            price = row.price
            about = words("prices.row", input=f"{price.input:g}", output=f"{price.output:g}", currency=price.currency)
            st.markdown(f"**{safe_text.inline(row.model, 80)}**  \n{safe_text.inline(about)}", width="stretch")
            st.button(
                "",
                key=f"price-drop-{i}",
                icon=":material/delete:",
                type="tertiary",
                help=words("prices.drop"),
                on_click=partial(_keep, desk, file, [*rows[:i], *rows[i + 1 :]]),
            )
    with st.form("price", border=True, clear_on_submit=False):
        chosen = "" if desk.model == "extractive" else desk.model
        model = st.text_input(words("prices.model"), value=chosen, key="price-model", help=words("prices.model.help"))
        with st.container(horizontal=True, gap="small"):
            read = st.number_input(words("prices.input"), min_value=0.0, value=None, key="price-in", format="%.4f")
            write = st.number_input(words("prices.output"), min_value=0.0, value=None, key="price-out", format="%.4f")
            currency = st.text_input(words("prices.currency"), value="USD", key="price-currency", max_chars=12)
        added = st.form_submit_button(words("prices.save"), key="price-save")
    if added:
        row_ = price_table.row(model or "", read, write, currency or "")
        if row_ is None:
            st.error(words("prices.wrong"))
        else:
            _keep(desk, file, [*(one for one in rows if one.model != row_.model), row_])
            st.rerun()
    if failed := st.session_state.pop("price-failed", ""):
        st.error(safe_text.block(failed), icon=":material/error:")


def _keep(desk: Desk, file: Path, rows: list[Row]) -> None:
    """Writes the table; what went wrong is said in the next run."""
    try:
        price_table.write(file, rows)
    except PagewiseError as error:
        st.session_state["price-failed"] = desk.words.error(error)
