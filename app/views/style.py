"""The few rules of style and the one script that Streamlit does not give. Constants: no text of others enters them."""

import json
from functools import lru_cache
from pathlib import Path

import streamlit as st
from PIL import Image, ImageDraw

from app.i18n import Words

# A mark in the text is a link to the button of its citation, which stands under the answer; this presses that button,
# and brings a new question into view.
# The server's content-security policy allows this script by its hash, and no other.
SCRIPT = (Path(__file__).parent / "marks.js").read_text(encoding="utf-8")

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def icon() -> Image.Image:
    """For the browser's tab: a page with a marked line. Drawn here: a named icon is fetched from a font server."""
    image = Image.new("RGBA", (64, 64))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((10, 4, 54, 60), 7, fill="#0b6e63")
    for top, colour in ((17, "#ffffff"), (29, "#ffd54a"), (41, "#ffffff")):
        pen.rounded_rectangle((19, top, 45, top + 6), 2, fill=colour)
    return image


def draw(words: Words) -> None:
    """Once in every run, before anything else."""
    drop = json.dumps(words("upload.drop"), ensure_ascii=False)
    # The uploader's own words are English in every language; they are replaced by the catalogue's.
    choose = json.dumps(words("upload.choose"), ensure_ascii=False)
    uploader = (
        '[data-testid="stFileUploaderDropzone"] button p { font-size: 0; }'
        f'[data-testid="stFileUploaderDropzone"] button p::after {{ content: {choose}; font-size: 0.9rem; }}'
        '[data-testid="stFileUploaderDropzoneInstructions"] { font-size: 0; }'
        '[data-testid="stFileUploaderDropzoneInstructions"] * { font-size: 0 !important; }'
        f'[data-testid="stFileUploaderDropzoneInstructions"]::after {{ content: {drop}; font-size: 0.95rem; }}'
    )
    st.html(f"<style>{STYLE}{uploader}</style>")
    st.html(f"<script>{SCRIPT}</script>", unsafe_allow_javascript=True)
