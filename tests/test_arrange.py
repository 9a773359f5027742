"""What becomes of ranked chunks: the same text once, neighbours as one with their exact pages, no document alone."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chains.retrieval.merge import arrange, joined
from ingest.document import Chunk, Passage, Span

WORDS = [f"word{n} alpha{n} beta{n}." for n in range(12)]


def passages(document: str, texts: Sequence[str], page_of: Sequence[int] | None = None) -> list[Passage]:
    """A document's chunks in order, one space apart, all on page 1 unless `page_of` says otherwise."""
    made, at = [], 0
    for n, text in enumerate(texts):
        page = page_of[n] if page_of else 1
        chunk = Chunk(
            f"{document}{n}", document, n, at, at + len(text), text, "", (Span(page, str(page), 0, len(text)),)
        )
        made.append(Passage(chunk, f"{document}.pdf", document, 1 - n / 100))
        at += len(text) + 1
    return made


def never(first: Chunk, second: Chunk) -> None:
    return None


def test_the_same_text_is_there_once_and_counted() -> None:
    one, two, three = passages("a", [WORDS[0]]), passages("b", [WORDS[0].upper()]), passages("c", [WORDS[1]])
    found = arrange([*one, *two, *three], 5, never, spread=True).passages
    assert [(f.passage.document, f.folded) for f in found] == [("a", 1), ("c", 0)]


def test_forms_that_differ_in_one_figure_are_not_the_same() -> None:
    form = " ".join(f"Row {n} of the form says what every form says." for n in range(30))
    found = arrange([*passages("a", [form + " 17"]), *passages("b", [form + " 18"])], 5, never, spread=False).passages
    assert len(found) == 2


@given(st.permutations(range(6)), st.integers(1, 6))
def test_neighbours_of_a_page_are_joined_to_the_page_s_own_text(order: list[int], k: int) -> None:
    page = " ".join(WORDS[:6])
    chunks = passages("a", WORDS[:6])
    found = arrange([chunks[i] for i in order], k, lambda a, b: joined(a, b, page), spread=False).passages
    assert len(found) <= k
    for one in found:
        chunk = one.passage.chunk
        assert chunk.text == page[chunk.start : chunk.end]
        assert chunk.spans == (Span(1, "1", 0, len(chunk.text)),)
        assert 1 <= len(one.chunks) <= 3
    taken = [id for one in found for id in one.chunks]
    assert len(taken) == len(set(taken))


def test_chunks_of_two_pages_are_not_joined() -> None:
    one, two = passages("a", WORDS[:2], [1, 2])
    assert joined(one.chunk, two.chunk, " ".join(WORDS[:2])) is None


def test_what_has_other_text_between_is_not_joined() -> None:
    first, second = (p.chunk for p in passages("a", WORDS[:2]))
    apart = replace(second, start=second.start + 4, end=second.end + 4)
    assert joined(first, apart, f"{WORDS[0]} gap {WORDS[1]}") is None
    assert joined(first, second, "another page altogether") is None


def test_no_document_takes_more_than_its_share_unless_there_is_nothing_else() -> None:
    many, few = passages("a", WORDS[:8]), passages("b", WORDS[8:10])
    found = arrange([*many, *few], 4, never, spread=True).passages
    assert [f.passage.document for f in found] == ["a", "a", "b", "b"]
    assert [f.passage.document for f in arrange([*many, *few], 4, never, spread=False).passages] == ["a"] * 4
    assert [f.passage.document for f in arrange(many, 4, never, spread=True).passages] == ["a"] * 4
