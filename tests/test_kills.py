"""A kill at any moment, of whichever process, loses, doubles and halves no document.

More of them: tests/support/kills.py.
"""

import sys
from pathlib import Path

import pytest

from ingest.store.library import Library
from tests.support import kills
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_kills_at_random_moments_cost_no_document(tmp_path: Path) -> None:
    cost = kills.run(16, 20, tmp_path)
    assert cost == kills.Cost(kills=16)


def test_what_is_wrong_would_be_counted(tmp_path: Path) -> None:
    """That the counting can fail: a library with a document lost, one cut in half, and vectors too many."""
    cost, folder = kills.Cost(), tmp_path / "library"
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    files = [make_pdf(shelf / f"{n}.pdf", [f"The text of number {n} is about foxes."]) for n in range(kills.FILES)]
    whole = kills._reference(shelf, folder)
    assert len(files) == len(whole)
    with Library(folder, HashingEmbedder()) as library:
        first, second, third, *_ = whole
        kills._count(library, whole, set(whole), cost, "now")
        assert cost == kills.Cost()
        library.remove(first)
        library._vectors.remove([whole[second][0].id])
        library._compared = (library._vectors.opened, library.version())  # or the search would make it anew
        library._vectors.add(["of nobody"], third, library.embedder.documents(["x"]))
        kills._count(library, whole, set(whole), cost, "now")
    assert cost.lost == 1 and cost.half >= 2 and len(cost.notes) == cost.lost + cost.half + cost.doubled
