"""The few rules of style and the one script that Streamlit's own theme does not give. Constants: no text enters them."""

import json
from functools import lru_cache

import streamlit as st
from PIL import Image, ImageDraw

from app.i18n import Words

# A mark in the text is a link to the button of its citation, which stands under the answer; this presses that button.
# The server's content-security policy allows this script by its hash, and no other.
SCRIPT = (
    "window.pagewiseMarks||(window.pagewiseMarks=true,document.addEventListener('click',function(e){"
    "var a=e.target.closest&&e.target.closest('a[href^=\"#cite-\"]');if(!a)return;e.preventDefault();"
    "var b=document.querySelector('.st-key-'+CSS.escape(a.getAttribute('href').slice(1))+' button');if(b)b.click()},true))"
)

STYLE = """
[data-testid="stMainBlockContainer"] { padding: 2.5rem 2.5rem 1.5rem; max-width: 100rem; }
[data-testid="stSidebarUserContent"] { padding-bottom: 1.5rem; }
.st-key-talk { max-width: 46rem; margin-inline: auto; min-width: 0; }
.st-key-desk { align-items: flex-start; flex-wrap: nowrap; }
.st-key-desk:has(.st-key-source) .st-key-talk { margin-inline: 0; flex: 1 1 52%; }
.st-key-source { flex: 1 1 48%; min-width: 0; position: sticky; top: 3.5rem; max-height: calc(100vh - 9rem);
  overflow-y: auto; padding: 0 0.25rem 0 1.5rem; border-left: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.st-key-source img { border: 1px solid color-mix(in srgb, currentColor 16%, transparent); border-radius: 4px; }
.st-key-asking { max-width: 46rem; margin-inline: auto; }
.stApp:has(.st-key-source) .st-key-asking { margin-inline: 0; max-width: min(46rem, 50%); }
.st-key-welcome [data-testid="stFileUploaderDropzone"] { min-height: 9rem; justify-content: center; border-style: dashed; }
.st-key-welcome { max-width: 40rem; margin: 6vh auto 0; }
.st-key-shelf { max-width: 64rem; margin-inline: auto; }
a[href^="#cite-"] { display: inline-block; min-width: 1.25em; padding: 0 0.3em; margin: 0 0.1em; border-radius: 0.35em;
  font-size: 0.78em; line-height: 1.45; text-align: center; text-decoration: none !important; vertical-align: 0.12em;
  background: color-mix(in srgb, currentColor 13%, transparent); }
a[href^="#cite-"]:hover { background: color-mix(in srgb, currentColor 26%, transparent); }
a[href^="#cite-"]:focus-visible, button:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
[class*="st-key-quote-"] { border-left: 3px solid color-mix(in srgb, currentColor 30%, transparent); padding-left: 0.75rem; }
.st-key-brand p { font-size: 1.35rem; font-weight: 650; letter-spacing: -0.01em; }
@media (max-width: 760px) {
  [data-testid="stMainBlockContainer"] { padding: 3.5rem 1rem 1rem; }
  .st-key-source { position: fixed; inset: 0; z-index: 1000000; max-height: none; padding: 1rem; border: 0; background: var(--pagewise-ground); }
  .st-key-heads { display: none; }
}
.stApp { --pagewise-ground: #ffffff; }
@media (prefers-color-scheme: dark) { .stApp { --pagewise-ground: #141817; } }
"""


@lru_cache(maxsize=1)
def icon() -> Image.Image:
    """For the browser's tab: a page with a marked line. Drawn here, because a named icon would be fetched from a font server."""
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
