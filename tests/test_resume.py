"""A long summary that is killed goes on where it was: nothing that was finished is asked again."""

import threading
from pathlib import Path

import pytest

from ingest.pdf.extract_worker import Limits
from ingest.pipeline import Upload, ingest
from ingest.store.library import Library
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf
from tests.support.resuming import run
from tests.support.servers import Reply, Request, Scripted, said

PAGES = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library with one book of some pages."""
    lines = [[f"On page {n} the traveller met person {n}x{i} near the river." for i in range(30)] for n in range(PAGES)]
    make_pdf(tmp_path / "book.pdf", ["\n".join(page) for page in lines])
    with Library(tmp_path / "library", HashingEmbedder()) as library:
        list(ingest([Upload("book.pdf", tmp_path / "book.pdf")], library, Limits()))
        assert [record.pages for record in library.records()] == [PAGES]
    return tmp_path / "library"


def test_a_summary_that_is_killed_three_times_pays_for_nothing_twice(folder: Path, tmp_path: Path) -> None:
    lock, asked = threading.Lock(), list[str]()

    def answer(request: Request) -> Reply:
        with lock:
            asked.append(request.body["messages"][-1]["content"])
        return said("The traveller goes on ", "[1].", pause=0.02)

    server = Scripted(answer)
    try:
        outcome = run(folder, "openai:m", server.url, tmp_path / "log.jsonl", kills=3, every=7)
    finally:
        server.close()
    assert outcome.again == 0 and outcome.read_twice == 0
    assert outcome.pages == PAGES and outcome.answer["error"] == ""
    assert outcome.finished <= outcome.announced and outcome.announced > 3 * 7
    assert len(outcome.starts) == 4 and all(0 < begun <= announced for announced, begun in outcome.starts)
    assert outcome.cut <= 3 * 2, "only what was on its way when it was killed"
    made = outcome.answer["calls"] + outcome.answer["kept"]
    assert len(set(asked)) == made and len(asked) <= outcome.begun, "by the server's own log"
    # A kill can come after a reply was kept and before that was written down.
    assert outcome.answer["kept"] >= 3 * 7 and outcome.finished <= made <= outcome.finished + outcome.cut
