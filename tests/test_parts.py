"""A document's parts hold all of it, word for word, whatever the model's window."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chains.strategies.whole_document import PART_TOKENS, parts
from ingest.chunk import split
from ingest.document import Passage
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.sources import NOVEL, SUMMARY, told


@given(st.integers(500, 200_000))
def test_parts_are_all_of_the_document_word_for_word(context: int) -> None:
    embedder = HashingEmbedder(window=40)
    passages = [Passage(chunk, NOVEL.name, NOVEL.title) for chunk in split(NOVEL, embedder.count, embedder.window)]
    model = ScriptedModel(told, context=context)
    joined = parts(passages, NOVEL.pages, SUMMARY, model)
    chunks = [source.passage.chunk for source in joined]
    assert [source.n for source in joined] == list(range(1, len(joined) + 1))
    assert all(chunk.text == NOVEL.text[chunk.start : chunk.end] for chunk in chunks)
    assert all(a.end <= b.start and not NOVEL.text[a.end : b.start].strip() for a, b in pairwise(chunks))
    assert (chunks[0].start, chunks[-1].end) == (passages[0].chunk.start, passages[-1].chunk.end)
    for chunk in chunks:
        for span in chunk.spans:
            assert chunk.text[span.start : span.end] in NOVEL.pages[span.page - 1].text
    if context > 20_000:  # a window that is no limit: parts are of the size that is good to read
        assert len(joined) == -(-len(NOVEL.text) // PART_TOKENS) or len(joined) < len(passages) / 3
