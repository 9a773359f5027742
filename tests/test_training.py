"""From a SQuAD file to the reader's weights: whole, seeded, the same after a kill, and what the file promises."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from chains.reader import files
from chains.reader.spans import DOUBT
from chains.reader.spans import doubted as doubted_of
from tests.tiny_bert import tiny_bert, tiny_squad
from training import average, calibrate, reader
from training.encoder import hidden_states
from training.features import Row, batch, windows
from training.loop import UNKNOWN, Run, doubted, settled, train
from training.measure import area, exact, f1
from training.mining import foreign, likeness
from training.model import ReaderModel, UnfitBase
from training.negatives import (
    OPPOSITE,
    altered,
    changed,
    changed_places,
    crossed,
    exchanged,
    excluded,
    mixed,
    negated,
    swapped,
    without_answer,
)
from training.plan import Planned, Unit, plan
from training.squad import Pair, Pairs, Passage, held_out, load

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
    made = files.read(run(base, squad, tmp_path / "out"))
    assert made.card.base == str(base) and made.card.longest == 128
    whole = files.merged(load_file(base / "model.safetensors"), made)
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
    monkeypatch.setattr("training.loop.SAVE_EVERY", 1)
    monkeypatch.setattr("training.reader.STEP", 600)
    whole = kept(run(base, squad, tmp_path / "whole"))
    real = train

    def killed(*args: object, **named: object) -> None:
        real(*args, **named, stop_after=2)  # type: ignore[arg-type]

    monkeypatch.setattr("training.loop.train", killed)
    said = [f"--base={base}", f"--data={squad}", f"--out={tmp_path / 'cut'}", "--rank=4", "--longest=128", "--epochs=2"]
    assert reader.main([*said, "--held-out=0.3"]) == 0
    assert not (tmp_path / "cut" / "reader.safetensors").exists()
    monkeypatch.setattr("training.loop.train", real)
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
    model.take(files.read(run(base, squad, tmp_path / "out")))
    text = model.tokenizer(["Ada opened the bridge."], ["In 1884."], return_tensors="pt")
    with torch.no_grad():
        for name, value in model.peft.base_model.model.named_parameters():
            plain = name.replace(".base_layer", "")
            if plain.replace(".", "|") in model.free:
                value.copy_(model.free[plain.replace(".", "|")])
        adapted = model.peft(**text).last_hidden_state
    merged = files.merged(load_file(base / "model.safetensors"), files.read(tmp_path / "out" / "reader.safetensors"))
    plain_model = AutoModel.from_pretrained(base)
    plain_model.load_state_dict({name: torch.from_numpy(array) for name, array in merged.items()})
    with torch.no_grad():
        assert torch.allclose(plain_model(**text).last_hidden_state, adapted, atol=1e-4)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    from tests.tiny import tiny

    with pytest.raises(UnfitBase):
        ReaderModel(str(tiny(tmp_path)))


def test_a_file_that_is_no_squad_is_said(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text("[]")
    assert reader.main([f"--base={base}", f"--data={tmp_path}", f"--out={tmp_path / 'out'}"]) == 1
    assert "x.json is not in the form of SQuAD" in capsys.readouterr().err


def test_the_installed_weights_are_small_and_fit_their_base() -> None:
    from ingest.weights import DEFAULT_SHA256, installed

    assert files.INSTALLED.stat().st_size < 6_000_000
    kept = files.read(files.INSTALLED)
    assert kept.card.base_sha256 == DEFAULT_SHA256
    whole = files.merged(load_file(installed() / "model.safetensors"), kept)
    assert all(np.isfinite(array).all() for array in whole.values() if array.dtype.kind == "f")


def test_runs_are_averaged(base: Path, squad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run(base, squad, tmp_path / "a")
    second = run(base, squad, tmp_path / "b", f"--start={first}", "--seed=8")
    assert average.main([f"--out={tmp_path / 'c'}", "--of", str(first), str(second)]) == 0
    one, other, both = (load_file(tmp_path / name / "reader.safetensors") for name in "abc")
    assert set(one) == set(both)
    for name, array in both.items():
        middle = (one[name].astype(np.float32) + other[name].astype(np.float32)) / 2
        assert np.allclose(array, middle, atol=1e-3)
    assert any((both[name] != one[name]).any() for name in both)
    wider = tmp_path / "d"
    assert reader.main([f"--base={base}", f"--data={squad}", f"--out={wider}", "--rank=8", "--epochs=1"]) == 0
    assert average.main([f"--out={tmp_path / 'e'}", "--of", str(first), str(wider / "reader.safetensors")]) == 1
    assert "of different bases or ranks" in capsys.readouterr().err and not (tmp_path / "e").exists()


def test_calibration_is_kept_in_the_file(
    base: Path, squad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(base, squad, tmp_path)
    before = files.read(made)
    said = [f"--out={tmp_path}", f"--data={squad}", "--held-out=0.3", f"--refusals={squad}", f"--passages={squad}"]
    assert calibrate.main(said) == 0
    after = files.read(made)
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


def alike(word: str, others: Sequence[str]) -> list[float]:
    """A small Likeness: the share of letters that two words have in common."""
    return [len(set(word.lower()) & set(other.lower())) / len(set(word + other)) for other in others]


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


@given(st.lists(st.sampled_from(["Ada came in 1884.", "The mill was old!", "Who knows?", "It cost 3.5."]), min_size=1))
def test_a_passage_without_its_answer_does_not_hold_it(sentences: list[str]) -> None:
    passage = " ".join(sentences)
    at = passage.find("1884")
    left = without_answer(passage, max(at, 0), max(at, 0) + 4, ["1884"])
    if left is not None:
        assert "1884" not in left and left
        assert set(left.split()) <= set(passage.split())


@given(st.integers(0, 10_000))
def test_a_swapped_question_is_another_one_of_the_same_kind(seed: int) -> None:
    question = "When did Ada Brun open 12 mills in 1884?"
    other = swapped(question, "In 1901 Emil saw 30 mills, and so did Dora of Ulm.", [], alike, random.Random(seed))
    assert other is not None and other != question
    assert "1901" in other or "30" in other or "Dora of Ulm" in other


def test_nothing_to_swap_gives_nothing() -> None:
    assert swapped("who came?", "Ada came in 1884.", [], alike, random.Random(1)) is None
    assert altered("Who came?", "Ada came in 1884.", random.Random(1)) is None
    assert mixed("Did Ada come?", "In 1884 Ada Brun came.", alike, random.Random(1)) is None
    assert crossed("Who came?", "Ada", ["Ada came."], alike, random.Random(1)) is None
    assert excluded("Who came?", random.Random(1)) is None


@given(st.sampled_from(["1884", "3,792,621", "20.8", "7"]), st.integers(0, 10_000))
def test_an_altered_number_stands_nowhere(number: str, seed: int) -> None:
    passage = f"There were {number} mills, and 12 more in 1901."
    other = altered(f"Where were {number} mills?", passage, random.Random(seed))
    assert other is not None
    (changed,) = re.findall(r"Where were (\S+) mills\?", other)
    assert changed not in passage and len(changed) == len(number)
    assert re.sub(r"\d", "0", changed) == re.sub(r"\d", "0", number)


@given(st.integers(0, 10_000))
def test_a_mixed_name_is_of_two_people(seed: int) -> None:
    passage = "There the chemist John Mayow met with Robert Boyle in Oxford."
    other = mixed("When was the chemist John Mayow born?", passage, alike, random.Random(seed))
    assert other is not None and "John Mayow" not in other
    name = re.findall(r"chemist (\w+ \w+) born", other)[0]
    assert name not in passage and ("John" in name or "Mayow" in name)


@given(st.integers(0, 10_000))
def test_a_crossed_question_asks_with_another_word_of_the_passage(seed: int) -> None:
    passage = "The desert lies at the border of Arizona, the valley at the border of Nevada. Its name is Mojave."
    question = "What is the name of the desert at the border of Arizona?"
    other = crossed(question, "Mojave", [passage], alike, random.Random(seed))
    assert other is not None and other != question and "Mojave" not in other
    before, after = question.rstrip("?").split(), other.rstrip("?").split()
    (changed,) = [b for a, b in zip(before, after, strict=True) if a != b]
    assert changed in passage and changed not in before


@given(st.integers(0, 10_000))
def test_an_excluded_question_names_what_cannot_be_true_as_well(seed: int) -> None:
    other = excluded("Who was born in March?", random.Random(seed))
    assert other is not None and other != "Who was born in March?"
    assert re.fullmatch(r"Who was (born|buried) in [A-Z][a-z]+\?", other)


@given(st.sampled_from(sorted(OPPOSITE)), st.integers(0, 100))
def test_a_negated_question_differs_in_one_word(word: str, seed: int) -> None:
    asked = f"Which mill has the {word} roof?"
    turned = negated(asked, random.Random(seed))
    assert turned in {
        f"Which mill has the {OPPOSITE[word]} roof?",
        f"Which mill has not the {word} roof?",
        f"Which mill hasn't the {word} roof?",
    }
    denied = negated("Where did Ada live?", random.Random(seed))
    assert denied in {"Where did Ada not live?", "Where didn't Ada live?", "Where did Ada die?"}


WORDS = st.lists(st.sampled_from(["the", "mill", "Mill", "old", "bridge", "of", "Ulm", "1884."]), max_size=12)


@given(WORDS, WORDS)
def test_changing_places_twice_gives_the_passage_back_and_keeps_the_answer(before: list[str], after: list[str]) -> None:
    passage = " ".join([*before, "Ada Brun", *after])
    at = passage.index("Ada Brun")
    row = Row("Who opened the mill?", passage, at, at + 8)
    other = changed_places(row, "mill", "bridge")
    assert (other is None) == ("mill" not in passage.lower())
    if other is not None:
        assert other.passage[other.start : other.end] == "Ada Brun"
        words = {"mill": "bridge", "Mill": "Bridge", "bridge": "mill"}
        assert other.passage.split() == [words.get(word, word) for word in passage.split()]
        back = changed_places(other, "bridge", "mill")
        assert back is not None and back == row
    assert changed_places(row, "Brun", "mill") is None


def test_what_two_questions_have_in_each_others_place() -> None:
    assert exchanged("Who opened the old mill?", "Who opened the new mill?") == ("old", "new")
    assert exchanged("When did Ada Brun come?", "When did Emil Sorel of Ulm come?") == ("Ada Brun", "Emil Sorel of Ulm")
    assert exchanged("Where did Ada live?", "Where did Ada not live?") is None


@pytest.mark.parametrize(
    ("question", "other", "words"),
    [
        ("Who opened the old mill?", "Who opened the new mill?", "new"),
        ("When did Ada come?", "When did Emil Sorel come?", "Emil Sorel"),
        ("When did Ada come?", "When did Ada not come?", "not"),
        ("When did Ada not come?", "When did Ada come?", ""),
        ("Who came?", "Who came?", ""),
        ("Who came in 1850?", "Who came in 1870?", "1870?"),
    ],
)
def test_the_words_of_a_made_question_that_the_passage_was_not_asked_with(
    question: str, other: str, words: str
) -> None:
    start, end = changed(question, other)
    assert other[start:end] == words


def settled_units(pairs: Pairs, parts: dict[str, float]) -> list[Unit]:
    nothing: list[tuple[int, ...]] = [()] * len(pairs.pairs)
    steps = plan(
        pairs, nothing, nothing, seed=1, epochs=1, size=1, like=alike, shares={}, short=0, parts=parts
    )
    return [unit for step in steps for unit in step.units]


def test_a_pair_is_read_with_the_passage_changed_as_the_question_was() -> None:
    """So that what looks odd is not what has no answer."""
    text = "Ada opened the old mill, and Emil a bridge."
    one = Pair("1", "Who opened the old mill?", 0, 0, 3, ("Ada",))
    units = settled_units(Pairs((Passage("mills", text),), (one,) * 40), {"whole": 1.0})
    turned = [unit for unit in units if len(unit.rows) == 2 and not unit.ranked]
    assert turned
    for unit in turned:
        row, other = unit.rows
        assert other.passage[other.start : other.end] == "Ada"
        assert other.question != row.question and other.passage != row.passage
        crossed = {(choice.question, choice.passage) for choice in unit.choices}
        assert {(other.question, row.passage), (row.question, other.passage)} <= crossed
        assert row.changed == other.changed == (0, 0)
        for choice in unit.choices:  # the words that have no place in their passage
            assert choice.changed is not None
            start, end = choice.changed
            assert choice.question[start:end] not in ("", row.question)


def test_a_pair_is_read_beside_the_parts_of_its_passage_that_the_program_looks_at() -> None:
    cut = ["Snow fell.", "Ada opened the old mill.", "Emil built a bridge in Ulm.", "It rained."]
    mill = Pair("1", "Who opened the old mill?", 0, 11, 14, ("Ada",))
    bridge = Pair("2", "Where was the bridge built?", 0, 59, 62, ("Ulm",))
    none = Pair("3", "Who closed the old mill?", 0, 0, 0, (), seeming=11)
    text = " ".join(cut)
    assert text[11:14] == "Ada" and text[59:62] == "Ulm"
    pairs = Pairs((Passage("mills", text),), (mill, bridge, none) * 40)
    for part, wanted in (
        ("whole", {text}),
        ("near", {cut[1]}),
        ("wide", {cut[1], " ".join(cut[:2]), " ".join(cut[1:3]), " ".join(cut[:3])}),
    ):
        units = settled_units(pairs, {part: 1.0})
        of = [unit for unit in units if unit.rows[0].question == mill.question]
        assert {unit.rows[0].passage for unit in of} == wanted
        assert all(unit.rows[0].passage[unit.rows[0].start : unit.rows[0].end] == "Ada" for unit in of)
        lacking = [unit.rows[0] for unit in units if unit.rows[0].question == none.question]
        assert {row.passage for row in lacking} == wanted and not any(row.end for row in lacking)
        for row in (row for unit in of for row in (*unit.choices, *(unit.rows[1:] if unit.ranked else ()))):
            if row.question == mill.question and row.passage in text:
                assert "Ada" not in row.passage
            if row.question == bridge.question:
                assert "Ulm" not in row.passage
    # A part of a passage does not answer what another part is asked.
    near = [row for unit in settled_units(pairs, {"near": 1.0}) for row in unit.choices]
    assert any(row.question == bridge.question and row.passage == cut[1] for row in near)


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
