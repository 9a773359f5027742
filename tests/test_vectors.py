"""Chroma, embedded: a filter gives what the chosen documents hold now."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.store.chroma import Vectors


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Vectors]:
    store = Vectors(tmp_path / "chroma", "", "some-vectors")
    store.open("counting", 4)
    yield store
    store.close()


def rows(count: int, seed: int) -> NDArray[np.float32]:
    found = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    unit: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def test_a_chosen_document_gives_its_nearest_also_after_it_changed(store: Vectors) -> None:
    mine, others = rows(30, 1), rows(50, 2)
    ids = [f"a{n}" for n in range(30)]
    store.add(ids, "a", mine)
    store.add([f"b{n}" for n in range(50)], "b", others)
    asked = rows(1, 3)[0]

    def expected(left: list[int]) -> list[str]:
        return [ids[i] for i in sorted(left, key=lambda i: -float(mine[i] @ asked))][:5]

    def found() -> list[str]:
        return [id for id, _ in store.nearest(asked, 5, ["a"])]

    assert found() == expected(list(range(30)))
    assert [score for _, score in store.nearest(asked, 5, ["a"])] == pytest.approx(
        sorted((mine @ asked).tolist(), reverse=True)[:5], abs=1e-5
    )
    gone = found()[:2]
    store.remove(gone)
    assert found() == expected([i for i in range(30) if ids[i] not in gone])
    store.add(gone, "a", mine[[ids.index(id) for id in gone]])
    assert found() == expected(list(range(30)))
    store.remove_document("a")
    assert found() == []
    assert store.nearest(asked, 5, ["nobody"]) == []
    assert len(store.nearest(asked, 60, ["a", "b"])) == 50
