"""From a SQuAD file to the reader's weights: whole, seeded, the same after a kill, and what the file promises."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from chains.reader import checkpoint
from chains.reader.span_decoding import DOUBT
from chains.reader.span_decoding import doubted as doubted_of
from tests.support.tiny_bert import alike, tiny_bert, tiny_squad
from training import calibrate, reader, weight_averaging
from training.curriculum import Planned, Unit, plan
from training.encoder import hidden_states
from training.features import Row, batch, windows
from training.hard_negatives import foreign, likeness
from training.model import ReaderModel, UnfitBase
from training.qa_metrics import area, exact, f1
from training.squad import Pairs, held_out, load
from training.train_loop import UNKNOWN, Run, doubted, settled, train

KINDS = ["bert", "xlm-roberta"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_squad(tmp_path_factory.mktemp("squad") / "tiny.json")


def run(base: Path, squad: Path, out: Path, *more: str) -> Path:
    """The weights that the command makes."""
    said = [f"--base={base}", f"--data={squad}", f"--out={out}", "--rank=4", "--longest=128", "--epochs=2"]
    assert reader.main([*said, "--held-out=0.3", *more]) == 0
    return out / "reader.safetensors"


def kept(path: Path) -> dict[str, bytes]:
    """What is in the file, whatever its order."""
    return {name: array.tobytes() for name, array in load_file(path).items()}


def test_one_command_makes_weights_that_a_runtime_can_merge(base: Path, squad: Path, tmp_path: Path) -> None:
    made = checkpoint.read(run(base, squad, tmp_path / "out"))
    assert made.card.base == str(base) and made.card.longest == 128
    whole = checkpoint.merged(load_file(base / "model.safetensors"), made)
    assert whole["encoder.layer.0.output.dense.weight"].shape == (16, 32)
    assert any(np.abs(b).max() > 0 for _, b in made.adapters.values())
    lines = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
    assert any('"examples_per_second"' in line for line in lines) and any('"dev"' in line for line in lines)


def test_a_seed_settles_the_result(base: Path, squad: Path, tmp_path: Path) -> None:
    first, second, other = (
        kept(run(base, squad, tmp_path / name, f"--seed={seed}")) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first == second != other


def test_a_killed_run_goes_on_to_the_same_weights(
    base: Path, squad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.train_loop.SAVE_EVERY", 1)
    monkeypatch.setattr("training.reader.STEP", 600)
    whole = kept(run(base, squad, tmp_path / "whole"))
    real = train

    def killed(*args: object, **named: object) -> None:
        real(*args, **named, stop_after=2)  # type: ignore[arg-type]

    monkeypatch.setattr("training.train_loop.train", killed)
    said = [f"--base={base}", f"--data={squad}", f"--out={tmp_path / 'cut'}", "--rank=4", "--longest=128", "--epochs=2"]
    assert reader.main([*said, "--held-out=0.3"]) == 0
    assert not (tmp_path / "cut" / "reader.safetensors").exists()
    monkeypatch.setattr("training.train_loop.train", real)
    assert kept(run(base, squad, tmp_path / "cut", "--resume")) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_the_forward_pass_is_that_of_transformers(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModel

    model = ReaderModel(str(tiny_bert(tmp_path, kind)), rank=4)
    rows = [Row("Who opened it?", "Ada opened the bridge in 1884."), Row("When?", "In 1900 it was closed.")]
    cut = [each[0] for each in windows(model.tokenizer, rows, 64, 16, 16)]
    made = batch(cut, model.tokenizer.pad_token_id, model.shape.types, torch.device("cpu"))
    ours = hidden_states(model.weights(torch.float32), model.shape, made.ids, made.types, made.mask)
    theirs = AutoModel.from_pretrained(tmp_path)(
        input_ids=made.ids, attention_mask=made.mask.long(), token_type_ids=made.types
    ).last_hidden_state
    assert torch.allclose(ours[made.mask], theirs[made.mask], atol=1e-5)


def test_merged_weights_do_what_the_adapted_model_does(base: Path, squad: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    model = ReaderModel(str(base), rank=4)
    model.take(checkpoint.read(run(base, squad, tmp_path / "out")))
    text = model.tokenizer(["Ada opened the bridge."], ["In 1884."], return_tensors="pt")
    with torch.no_grad():
        for name, value in model.peft.base_model.model.named_parameters():
            plain = name.replace(".base_layer", "")
            if plain.replace(".", "|") in model.free:
                value.copy_(model.free[plain.replace(".", "|")])
        adapted = model.peft(**text).last_hidden_state
    merged = checkpoint.merged(
        load_file(base / "model.safetensors"), checkpoint.read(tmp_path / "out" / "reader.safetensors")
    )
    plain_model = AutoModel.from_pretrained(base)
    plain_model.load_state_dict({name: torch.from_numpy(array) for name, array in merged.items()})
    with torch.no_grad():
        assert torch.allclose(plain_model(**text).last_hidden_state, adapted, atol=1e-4)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    from tests.support.tiny import tiny

    with pytest.raises(UnfitBase):
        ReaderModel(str(tiny(tmp_path)))


def test_a_file_that_is_no_squad_is_said(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text("[]")
    assert reader.main([f"--base={base}", f"--data={tmp_path}", f"--out={tmp_path / 'out'}"]) == 1
    assert "x.json is not in the form of SQuAD" in capsys.readouterr().err


def test_the_installed_weights_are_small_and_fit_their_base() -> None:
    from ingest.embedding.model_files import DEFAULT_SHA256, installed

    assert checkpoint.INSTALLED.stat().st_size < 6_000_000
    kept = checkpoint.read(checkpoint.INSTALLED)
    assert kept.card.base_sha256 == DEFAULT_SHA256
    whole = checkpoint.merged(load_file(installed() / "model.safetensors"), kept)
    assert all(np.isfinite(array).all() for array in whole.values() if array.dtype.kind == "f")


def test_runs_are_averaged(base: Path, squad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run(base, squad, tmp_path / "a")
    second = run(base, squad, tmp_path / "b", f"--start={first}", "--seed=8")
    assert weight_averaging.main([f"--out={tmp_path / 'c'}", "--of", str(first), str(second)]) == 0
    one, other, both = (load_file(tmp_path / name / "reader.safetensors") for name in "abc")
    assert set(one) == set(both)
    for name, array in both.items():
        middle = (one[name].astype(np.float32) + other[name].astype(np.float32)) / 2
        assert np.allclose(array, middle, atol=1e-3)
    assert any((both[name] != one[name]).any() for name in both)
    wider = tmp_path / "d"
    assert reader.main([f"--base={base}", f"--data={squad}", f"--out={wider}", "--rank=8", "--epochs=1"]) == 0
    assert (
        weight_averaging.main([f"--out={tmp_path / 'e'}", "--of", str(first), str(wider / "reader.safetensors")]) == 1
    )
    assert "of different bases or ranks" in capsys.readouterr().err and not (tmp_path / "e").exists()


def test_calibration_is_kept_in_the_file(
    base: Path, squad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(base, squad, tmp_path)
    before = checkpoint.read(made)
    said = [f"--out={tmp_path}", f"--data={squad}", "--held-out=0.3", f"--refusals={squad}", f"--passages={squad}"]
    assert calibrate.main(said) == 0
    after = checkpoint.read(made)
    assert after.card.calibration != before.card.calibration
    assert all((after.heads[name] == before.heads[name]).all() for name in before.heads)
    assert '"f1_with_refusals"' in capsys.readouterr().out


def test_a_question_asked_twice_of_one_text_counts_once(squad: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    copy.write_bytes(squad.read_bytes())
    assert len(load([squad, copy]).pairs) == len(load([squad]).pairs) > 0


def test_what_is_held_out_shares_no_passage(squad: Path) -> None:
    train_on, dev = held_out(load([squad]), 0.3)
    assert dev.pairs and train_on.pairs
    assert not {p.text for p in train_on.passages} & {p.text for p in dev.passages}
    for part in (train_on, dev):
        for pair in part.pairs:
            text = part.passages[pair.passage].text
            assert not pair.answerable or text[pair.start : pair.end] in pair.golds


def test_a_plan_shows_negatives_beside_their_pair(squad: Path) -> None:
    pairs: Pairs = load([squad])
    mined = [[(pair.passage + 2) % len(pairs.passages)] for pair in pairs.pairs]

    def made() -> list[Planned]:
        return plan(pairs, mined, foreign(pairs), seed=1, epochs=2, size=2000, like=alike, shares={})

    assert made() == made()
    units = [unit for step in made() for unit in step.units]
    asked = {(pairs.passages[pair.passage].text, pair.question) for pair in pairs.pairs}
    assert any(len(unit.rows) == 2 for unit in units) and any(unit.choices for unit in units)
    for unit in units:
        first = unit.rows[0]
        assert all(row.start == row.end == 0 for row in unit.choices)
        for row in unit.rows[1:]:
            assert row.passage[row.start : row.end] == ("" if unit.ranked else first.passage[first.start : first.end])
        assert not {(row.passage, row.question) for row in unit.choices} & asked
        if unit.ranked:
            assert unit.rows[0].end > 0 and len({row.question for row in unit.rows}) == 1


def test_foreign_questions_have_no_answer_in_the_passage(squad: Path) -> None:
    pairs = load([squad])
    found = foreign(pairs)
    assert len(found) == len(pairs.passages) and any(found)
    for place, chosen in enumerate(found):
        text = pairs.passages[place].text.lower()
        for n in chosen:
            assert pairs.pairs[n].passage != place
            assert not any(gold.lower() in text for gold in pairs.pairs[n].golds)


def test_the_choice_that_is_believed_is_read_more_often() -> None:
    row, weak, strong = Row("Who?", "Ada.", 0, 3), Row("Whose?", "Ada."), Row("Who else?", "Ada.")
    unit = Unit((row,), choices=(weak, strong))
    assert unit.count == 2
    read = [next(settled([unit], [-2.0, 2.0], random.Random(seed))) for seed in range(200)]
    assert all(len(one.rows) == 2 and one.rows[0] == row and not one.choices for one in read)
    assert sum(one.rows[1] == strong for one in read) > 150
    assert list(settled([Unit((row,))], [], random.Random(1))) == [Unit((row,))]


def test_one_doubtful_word_of_a_question_is_enough(base: Path) -> None:
    model = ReaderModel(str(base), rank=4)
    row = Row("Who opened the new mill?", "Ada opened the old mill.", changed=(15, 18))
    ((window,),) = windows(model.tokenizer, [row], 64, 16, 20)
    given = batch([window], model.tokenizer.pad_token_id, model.shape.types, torch.device("cpu"))
    with torch.no_grad():
        out = model.run(model.weights(torch.float32), given)
    words = doubted(row, window, given.ids.shape[1])
    own = given.asked[0]
    said = [row.question[slice(*at)] for at, mark in zip(window.asked, words[own], strict=True) if mark == 1]
    assert "".join(said) == "new"
    assert set(words[~own].tolist()) == {UNKNOWN} and set(words[own].tolist()) == {0.0, 1.0}
    judged = float(out.answers[0]) + doubted_of(out.doubt[0, own].numpy()) / DOUBT
    with torch.no_grad():
        span = model.heads["span"]
        assert isinstance(span, torch.nn.Linear)
        span.bias[2] = 5.0
        doubtful = model.run(model.weights(torch.float32), given)
    expected = judged - doubted_of(doubtful.doubt[0, own].numpy()) / DOUBT
    assert float(doubtful.answers[0]) == pytest.approx(expected, abs=1e-4)
    assert float(doubtful.answers[0]) < float(out.answers[0]) - 4


def test_windows_cover_a_long_passage_and_find_its_characters(base: Path) -> None:
    model = ReaderModel(str(base), rank=4)
    passage = "Ada opened the bridge. " * 12
    cut = windows(model.tokenizer, [Row("Who?", passage)], 64, 16, 20)[0]
    assert len(cut) > 2 and all(len(window.ids) <= 64 for window in cut)
    covered = {at for window in cut for span in window.offsets for at in range(*span)}
    assert covered == {at for at, sign in enumerate(passage) if not sign.isspace()}
    at = passage.index("bridge", 100)
    spans = [(window, span) for window in cut if (span := window.span(at, at + 6))]
    assert spans
    for window, (i, j) in spans:
        assert passage[window.offsets[i][0] : window.offsets[j][1]] == "bridge"


def test_measures_are_those_of_squad() -> None:
    assert exact("The Bridge.", ["bridge"]) == 1 and f1("", []) == 1 and f1("x", []) == 0
    assert f1("old stone bridge", ["the stone bridge"]) == pytest.approx(0.8)
    assert f1("老桥", ["老石桥"]) == pytest.approx(0.8)
    assert area(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == pytest.approx(0.75)


def test_a_full_run_has_no_adapters(base: Path, squad: Path) -> None:
    model = ReaderModel(str(base), full=True)
    assert not model.pairs and any(name.endswith("query.weight") for name in model.trained())
    pairs = load([squad])
    none: list[tuple[int, ...]] = [()] * len(pairs.pairs)
    steps = plan(pairs, none, foreign(pairs), seed=1, epochs=1, size=2000, like=likeness(model), shares={})
    before = model.weights(torch.float32)["encoder.layer.0.output.dense.weight"].clone()
    train(model, steps, (pairs, []), Run(longest=128), Path(squad.parent / "full"))
    assert not torch.equal(model.weights(torch.float32)["encoder.layer.0.output.dense.weight"].float(), before)
