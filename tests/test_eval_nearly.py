"""What near is measured on, and that it is near what it should be."""

from pathlib import Path

import pytest

from chains.grounding.quote_match import near
from evals.near_match import KINDS, half, main, pairs, share
from ingest.chunk import split
from ingest.document import Document, Page
from ingest.text.search_tokens import tokens
from tests.support.pdfs import make_pdf, not_a_pdf

COLOURS = ("amber", "violet", "scarlet", "emerald", "ivory", "copper")
THINGS = ("harbour", "orchard", "windmill", "library", "lantern", "staircase", "meadow", "chapel")
PAGES = [
    "\n".join(
        f"The {colour} {thing} of {'mno'[page % 3]}a{'bcdf'[page // 3]}er was painted as {other} birds watched it {i}."
        for i, (colour, thing, other) in enumerate(zip(COLOURS, THINGS[page % 3 :], reversed(COLOURS), strict=False))
    )
    for page in range(12)
]


def test_the_pairs_are_the_same_each_time_and_told_apart() -> None:
    document = Document("e" * 64, "a.pdf", "A", tuple(Page(n, str(n), text) for n, text in enumerate(PAGES, 1)))
    chunks = split(document, lambda text: len(tokens(text)), 256)
    found = pairs(chunks, 20)
    assert found == pairs(chunks, 20) and set(found) == set(KINDS)
    assert share(near, found["one word changed"]) == share(half, found["one word changed"]) == 1
    assert share(near, found["another page"]) <= share(half, found["another page"])
    assert share(near, []) == 0


def test_it_prints_a_row_for_each_rule_or_says_what_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(make_pdf(tmp_path / "a.pdf", PAGES)), "--sentences", "5"]) == 0
    head, _, old, new = capsys.readouterr().out.splitlines()
    assert all(kind in head for kind in KINDS) and "half of all words" in old and "| near |" in new
    assert main([str(not_a_pdf(tmp_path / "b.pdf"))]) == 1
    assert "b.pdf" in capsys.readouterr().err
