"""Pages → chunks: nothing lost, nothing doubled, every chunk inside the window and on its page."""

import re

from hypothesis import given
from hypothesis import strategies as st

from ingest.chunk import split
from ingest.document import Document, Heading, Page, context_line, layout, spans
from ingest.text.running_headers import running_lines
from tests.support.fakes import HashingEmbedder

WORD = st.sampled_from(
    ["Revenue", "rose", "to", "5.2", "million", "in", "2018.", "Costs", "fell;", "净利润", "增长。", "——"]
)
TEXT = st.lists(st.one_of(WORD, st.just("\n"), st.just("\n\n"), st.just("x" * 90)), max_size=160).map(" ".join)
count = HashingEmbedder().count


def document(texts: list[str], outline: tuple[Heading, ...] = (), title: str = "A title") -> Document:
    return Document("d" * 64, "a.pdf", title, tuple(Page(n, str(n), t) for n, t in enumerate(texts, 1)), outline)


@given(st.lists(TEXT, max_size=5), st.integers(24, 256))
def test_chunks_hold_every_character_once(texts: list[str], window: int) -> None:
    doc = document(texts)
    chunks = split(doc, count, window)
    running = running_lines(texts)
    at = 0
    for index, chunk in enumerate(chunks):
        assert chunk.index == index
        assert chunk.start >= at
        assert chunk.text == doc.text[chunk.start : chunk.end]
        if not running:
            assert not doc.text[at : chunk.start].strip()
        at = chunk.end
    if not running:
        assert not doc.text[at:].strip()
    assert len({chunk.id for chunk in chunks}) == len(chunks)


@given(st.lists(TEXT, max_size=4), st.integers(40, 256))
def test_a_chunk_with_its_context_line_fits_the_window(texts: list[str], window: int) -> None:
    doc = document(texts, (Heading("Chapter One", 1, 1),))
    for chunk in split(doc, count, window):
        assert count(context_line(doc.title, chunk.heading) + "\n" + chunk.text) <= window


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_the_spans_tell_the_page_of_every_character(texts: list[str]) -> None:
    doc = document(texts)
    for chunk in split(doc, count, 64):
        for span in chunk.spans:
            page = doc.page_starts[span.page - 1]
            on_page = doc.pages[span.page - 1].text
            start = chunk.start + span.start - page
            assert chunk.text[span.start : span.end] == on_page[start : start + span.end - span.start]


def test_a_sentence_that_runs_over_the_page_end_stays_whole() -> None:
    chunks = split(document(["One is here. Two goes on and", "on until here. Three is next."]), count, 256)
    assert [chunk.text for chunk in chunks] == ["One is here. Two goes on and\non until here.", "Three is next."]
    assert [[span.page for span in chunk.spans] for chunk in chunks] == [[1, 2], [2]]


def test_pages_that_end_with_a_sentence_are_kept_apart() -> None:
    chunks = split(document(["One is here.", "Two is here."]), count, 256)
    assert [[span.page for span in chunk.spans] for chunk in chunks] == [[1], [2]]


def test_chinese_is_cut_at_its_full_stops() -> None:
    text = "公司主营兽用疫苗。" * 40
    chunks = split(document([text], title=""), count, 100)
    assert len(chunks) > 3
    assert all(chunk.text.endswith("。") for chunk in chunks)


def test_running_headers_and_page_numbers_are_left_out() -> None:
    facts = [
        "Sales rose in the north.",
        "Costs fell in the south.",
        "Staff grew in the east.",
        "Debt sank in the west.",
    ]
    pages = [f"Annual Report 2020\n{n} / 195\n{fact}\nConfidential" for n, fact in enumerate(facts, 1)]
    assert [chunk.text for chunk in split(document(pages), count, 256)] == facts


def test_a_page_of_nothing_but_running_lines_keeps_them() -> None:
    chunks = split(document([f"Page {n} of 9" for n in range(1, 10)]), count, 256)
    assert [chunk.spans[0].page for chunk in chunks] == list(range(1, 10))


def test_the_outline_gives_each_chunk_its_heading() -> None:
    outline = (Heading("Part I", 1, 1), Heading("Risks", 2, 2), Heading("Part II", 1, 3))
    chunks = split(document(["One.", "Two.", "Three."], outline), count, 256)
    assert [chunk.heading for chunk in chunks] == ["Part I", "Part I › Risks", "Part II"]


def test_ids_are_the_same_each_time() -> None:
    doc = document(["Some text here. And more of it."])
    assert [c.id for c in split(doc, count, 64)] == [c.id for c in split(doc, count, 64)]


@given(st.lists(st.text("ab\n", max_size=20), max_size=6), st.integers(0, 100), st.integers(0, 100))
def test_spans_cover_a_range_but_for_page_breaks(texts: list[str], a: int, b: int) -> None:
    doc = document(texts)
    start, end = sorted((min(a, len(doc.text)), min(b, len(doc.text))))
    covered = sum(span.end - span.start for span in spans(start, end, layout(doc.pages)))
    breaks = sum(start <= at - 1 < end for at in doc.page_starts[1:])
    assert covered == end - start - breaks


def test_a_very_long_word_is_cut_and_not_lost() -> None:
    text = "中" * 1000
    assert re.sub(r"\s", "", "".join(c.text for c in split(document([text], title=""), count, 64))) == text
