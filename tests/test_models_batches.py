"""Several prompts in one call of the local model: each gets what it would get alone, and none disturbs another."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chains.errors import ModelFailed
from chains.execution import llm_calls
from chains.model import Finish
from chains.models.local import model as local_model
from chains.models.local import quantization
from chains.models.local.batcher import Batches
from chains.models.local.generate import Row, together
from chains.models.local.model import Local
from chains.prompt import Prompt
from tests.support.tiny import tiny

PROMPTS = [
    Prompt("map", "question", question, "en", limit)
    for question, limit in (
        ("When was the bridge opened?", 40),
        ("Who repaired the bridge, and who owns the old mill beside the river?", 25),
        ("公司二〇二〇年的营业收入是多少？", 33),
        ("Where?", 40),
    )
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(autouse=True)
def _one_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one is faster is measured for each model; two that are compared must have the same."""
    monkeypatch.setattr(quantization, "bfloat16_is_faster", lambda width: False)


@pytest.fixture
def model(folder: Path) -> Local:
    return Local(str(folder))


def read(model: Local, prompt: Prompt) -> tuple[str, Finish]:
    *pieces, last = model.stream(prompt)
    assert isinstance(last, Finish)
    return "".join(map(str, pieces)), last


def batches(model: Local, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Records how many rows each generate gets."""
    sizes: list[int] = []
    generate = model._weights().generate

    def recorded(ids: Any, **how: Any) -> Any:
        sizes.append(len(ids))
        return generate(ids, **how)

    monkeypatch.setattr(model._weights(), "generate", recorded)
    return sizes


def at_once(model: Local, prompts: Sequence[Prompt]) -> list[tuple[str, Finish]]:
    """All of them, begun while the model is busy, so that they wait together whatever the machine does."""
    found: dict[int, tuple[str, Finish]] = {}
    threads = [
        threading.Thread(target=lambda n=n, p=p: found.update({n: read(model, p)}))
        for n, p in enumerate(prompts)
    ]
    with busy(model):
        for thread in threads:
            thread.start()
        wait_for(lambda: len(model._batches._waiting) == len(prompts))
    for thread in threads:
        thread.join()
    return [found[n] for n in range(len(prompts))]


class busy:
    """The model works on something else until the block ends."""

    def __init__(self, model: Local) -> None:
        self._model, self._over, self._run = model, threading.Event(), model._batches._run

    def __enter__(self) -> None:
        began = threading.Event()

        def held(rows: Any) -> None:
            if rows == [None]:
                began.set()
                self._over.wait(60)
            else:
                self._run(rows)

        self._model._batches._run = held
        self._model._batches.submit(None)  # type: ignore[arg-type]
        assert began.wait(10)

    def __exit__(self, *_: object) -> None:
        self._over.set()


def wait_for(true: Any) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_row_of_a_batch_says_what_it_says_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = Local(str(folder), parallel=1), Local(str(folder))
    alone = [read(one, prompt) for prompt in PROMPTS]
    sizes = batches(many, monkeypatch)
    assert at_once(many, PROMPTS) == alone and sizes == [4]
    assert [finish.usage.output_tokens for _, finish in alone] == [prompt.max_tokens for prompt in PROMPTS]
    assert len({text for text, _ in alone}) > 1


def test_a_row_ends_where_the_model_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = Local(str(folder), parallel=1), Local(str(folder))
    read(one, PROMPTS[0])
    ids = [one._weights().generate(_ids(one, p), max_new_tokens=20, do_sample=False)[0].tolist() for p in PROMPTS]
    end = ids[0][-10]  # the first ends at its eleventh token at the latest, others elsewhere
    for model in (one, many):
        monkeypatch.setattr(model._weights().generation_config, "eos_token_id", end)
    alone = [read(one, prompt) for prompt in PROMPTS]
    assert at_once(many, PROMPTS) == alone
    assert alone[0][1].reason == "stop" and alone[0][1].usage.output_tokens <= 11


def _ids(model: Local, prompt: Prompt) -> Any:
    import torch

    return torch.tensor([model._tokens(prompt)[0]])


def test_a_reader_that_leaves_does_not_disturb_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Local(str(folder))
    alone = [read(Local(str(folder), parallel=1), prompt) for prompt in PROMPTS[:2]]
    forward, made, sixth, gone = type(model._weights()).forward, [0], threading.Event(), threading.Event()

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        made[0] += 1
        if made[0] == 6:  # the reader leaves now; only then the next token is made
            sixth.set()
            assert gone.wait(30)
        return forward(self, *args, **kwargs)

    leaver = model.stream(Prompt("map", "question", "Which?", "en", 900))
    rows: list[Any] = []

    def recorded(model: Any, tokenizer: Any, given: Sequence[Row]) -> None:
        rows.extend(given)
        together(model, tokenizer, given)

    monkeypatch.setattr(local_model, "together", recorded)
    monkeypatch.setattr(type(model._weights()), "forward", counted)

    def leave() -> None:
        while not sixth.is_set():
            next(leaver)
        leaver.close()  # type: ignore[attr-defined]
        gone.set()

    thread = threading.Thread(target=leave)
    with busy(model):
        thread.start()
        wait_for(lambda: len(model._batches._waiting) == 1)
        found: dict[int, tuple[str, Finish]] = {}
        others = [
            threading.Thread(target=lambda n=n: found.update({n: read(model, PROMPTS[n])}))
            for n in range(2)
        ]
        for other in others:
            other.start()
        wait_for(lambda: len(model._batches._waiting) == 3)
    for one in (thread, *others):
        one.join()
    assert [found[n] for n in range(2)] == alone
    assert model._batches.idle(30)
    (left,) = (row for row in rows if row.max_tokens == 900)
    assert left.made <= 6  # within a token of leaving
    assert made[0] <= 45  # the batch ended with those who stayed, not with the 900 tokens of the one who left


def test_each_row_streams(model: Local) -> None:
    pieces: dict[int, list[Any]] = {}
    threads = [
        threading.Thread(target=lambda n=n: pieces.update({n: list(model.stream(PROMPTS[n]))}))
        for n in range(3)
    ]
    model._weights()
    with busy(model):
        for thread in threads:
            thread.start()
        wait_for(lambda: len(model._batches._waiting) == 3)
    for thread in threads:
        thread.join()
    assert all(len([piece for piece in got if piece and isinstance(piece, str)]) > 3 for got in pieces.values())


def test_a_chain_s_maps_run_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {n: read(Local(str(folder), parallel=1), prompt)[0].strip() for n, prompt in enumerate(PROMPTS)}
    model = Local(str(folder), parallel=4)
    sizes = batches(model, monkeypatch)
    replies = {n: reply for n, reply in llm_calls.read_all(model, PROMPTS * 3) if isinstance(reply, llm_calls.Reply)}
    assert len(replies) == 12 and all(replies[n].text == alone[n % 4] for n in replies)
    assert sum(sizes) == 12 and max(sizes) > 1


def test_what_is_of_other_length_by_far_runs_by_itself(model: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = batches(model, monkeypatch)
    monkeypatch.setattr(local_model, "_FILLING", 1.2)
    long = Prompt("map", "question", "When was the bridge opened? " * 90, "en", 5)
    at_once(model, [PROMPTS[0], long])
    assert sizes == [1, 1]


def test_a_batch_keeps_to_the_memory(model: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = batches(model, monkeypatch)
    longest = max(model.count(prompt) + prompt.max_tokens for prompt in PROMPTS)
    each = longest * local_model._bytes_a_token(model._config.get_text_config())
    monkeypatch.setattr(local_model, "free_memory", lambda gpu: 2.5 * each / local_model._SHARE)
    at_once(model, PROMPTS)
    assert max(sizes) == 2


def test_a_batch_that_is_too_large_is_tried_one_by_one(model: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = model._weights().generate

    def narrow(ids: Any, **how: Any) -> Any:
        if len(ids) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return generate(ids, **how)

    monkeypatch.setattr(model._weights(), "generate", narrow)
    assert [finish.reason for _, finish in at_once(model, PROMPTS)] == ["length"] * 4


def test_what_breaks_a_batch_is_told_to_each_of_its_rows(model: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ids: Any, **how: Any) -> Any:
        raise RuntimeError("no")

    monkeypatch.setattr(model._weights(), "generate", broken)
    replies = [reply for _, reply in llm_calls.read_all(model, PROMPTS)]
    assert len(replies) == 4 and all(isinstance(reply, ModelFailed) for reply in replies)


def test_a_model_with_one_state_for_all_gets_its_rows_one_by_one(model: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = batches(model, monkeypatch)
    monkeypatch.setattr(model._weights(), "_is_stateful", True)
    at_once(model, PROMPTS)
    assert set(sizes) == {1} and len(sizes) >= 4  # and once with guesses, which it refuses


def test_a_limit_of_the_model_s_own_ends_every_row(model: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model._weights().generation_config, "max_time", 1e-9)
    assert {finish.reason for _, finish in at_once(model, PROMPTS)} == {"length"}


def test_a_model_that_does_not_say_how_large_it_is_takes_much() -> None:
    assert local_model._bytes_a_token(object()) == local_model._LARGE


def test_a_call_that_waits_for_its_turn_can_be_closed(model: Local) -> None:
    with busy(model):
        stream = model.stream(PROMPTS[0])
        assert next(stream) == ""
        stream.close()  # type: ignore[attr-defined]
    assert model._batches.idle(30) and model._model is None  # it was never begun


# ---- the gathering by itself


def test_rows_run_in_the_order_of_coming_and_never_more_than_the_most() -> None:
    ran: list[list[int]] = []
    gathering: Batches[int] = Batches(lambda rows: ran.append(list(rows)), lambda rows: sum(rows) < 10, 3)
    for n in (1, 2, 3, 4, 9, 5):
        gathering.submit(n)
    assert gathering.idle(30)
    assert [n for rows in ran for n in rows] == [1, 2, 3, 4, 9, 5]
    assert all(len(rows) <= 3 and (len(rows) == 1 or sum(rows) < 10) for rows in ran)


def test_what_comes_while_a_batch_ends_is_not_forgotten() -> None:
    ran: list[int] = []
    gathering: Batches[int] = Batches(ran.extend, lambda rows: True, 4)

    def submit(first: int) -> None:
        for n in range(first, first + 50):
            gathering.submit(n)
            time.sleep(0.001)

    threads = [threading.Thread(target=submit, args=(n,)) for n in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gathering.idle(30) and sorted(ran) == sorted([*range(50), *range(100, 150), *range(200, 250)])
