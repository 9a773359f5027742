"""In how many bits a model's weights are held, and what is said where the machine cannot."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from chains.errors import ExtraMissing, MemoryTooSmall, ModelError
from chains.model import Finish
from chains.models import open_model
from chains.models.local import hardware, quantization
from chains.models.local.model import Local
from chains.models.local.quantization import Form, choose, needed
from chains.prompt import Prompt
from tests.support.tiny import tiny

PROMPT = Prompt("answer", "question", "When was the bridge opened?", "en", 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("tiny") / "model", width=64)


@pytest.fixture
def config(folder: Path) -> Any:
    return transformers.AutoConfig.from_pretrained(folder)


@pytest.fixture(autouse=True)
def _float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "bfloat16_is_faster", lambda width: False)


def footprint(model: Any) -> int:
    """Bytes."""
    return int(model.get_memory_footprint())


def free(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    monkeypatch.setattr(quantization, "free_memory", lambda gpu: size)


@pytest.mark.parametrize(("bits", "kind"), [("8", "Linear8bitLt"), ("4", "Linear4bit")])
def test_a_model_in_fewer_bits_answers(folder: Path, bits: Any, kind: str) -> None:
    model = open_model(f"local:{folder}", bits=bits)
    *_, last = model.stream(PROMPT)
    assert isinstance(last, Finish) and last.usage.output_tokens == PROMPT.max_tokens
    assert isinstance(model, Local)
    layers = {type(layer).__name__ for layer in model._weights().modules()}
    assert kind in layers
    whole = Local(str(folder), bits="16")
    list(whole.stream(PROMPT))
    assert footprint(model._weights()) < footprint(whole._weights())


@pytest.mark.parametrize("bits", ["8", "4"])
def test_fewer_bits_give_nearly_the_same_numbers(folder: Path, bits: Any) -> None:
    rounded, whole = Local(str(folder), bits=bits), Local(str(folder), bits="16")
    ids = torch.tensor([whole._tokens(PROMPT)[0]])
    with torch.inference_mode():
        one, other = (model._weights()(ids).logits.float().flatten() for model in (rounded, whole))
    assert float(torch.nn.functional.cosine_similarity(one, other, dim=0)) > 0.9


def test_the_size_is_that_of_the_model(folder: Path, config: Any) -> None:
    sizes = quantization.sizes_of(config)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert sizes is not None and sizes.linear + sizes.other == sum(p.numel() for p in model.parameters())
    whole = needed(Form(16, torch.float32), sizes)
    assert whole == pytest.approx(quantization._MARGIN * footprint(model), rel=0.01)


def test_auto_takes_as_many_bits_as_fit(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = quantization.sizes_of(config)
    assert sizes is not None
    forms = [Form(16, torch.float32), Form(16, torch.bfloat16), Form(8, torch.float32), Form(4, torch.float32)]
    for form in forms:
        free(monkeypatch, needed(form, sizes))
        first = next(one for one in forms if needed(one, sizes) <= needed(form, sizes))
        found = choose("m", "auto", config, gpu=False)
        assert (found.bits, found.dtype) == (first.bits, first.dtype)
    free(monkeypatch, 0)  # nobody knows
    assert choose("m", "auto", config, gpu=False) == forms[0]


def test_what_does_not_fit_is_said_before_it_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 1000)
    model = Local(str(folder))
    with pytest.raises(MemoryTooSmall, match="GB are free") as caught:
        list(model.stream(PROMPT))
    assert "PAGEWISE_LOCAL_BITS=4" in str(caught.value) and model._model is None


def test_sixteen_bits_are_never_fewer(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 1000)
    with pytest.raises(MemoryTooSmall):
        choose("m", "16", config, gpu=False)


def test_what_4_bits_cannot_hold_stays_whole(tmp_path: Path) -> None:
    model = Local(str(tiny(tmp_path / "odd", width=32)), bits="4")  # a layer in 4 bits takes 64 numbers at least
    *_, last = model.stream(PROMPT)
    assert isinstance(last, Finish)
    kinds = {name: type(layer).__name__ for name, layer in model._weights().named_modules()}
    assert kinds["model.layers.0.self_attn.q_proj"] == kinds["lm_head"] == "Linear"
    assert kinds["model.layers.0.mlp.down_proj"] == "Linear4bit"


def test_no_compiled_code_is_fetched() -> None:
    import sys

    assert Form(8, torch.float32).config() is not None
    assert sys.modules["kernels"] is None


@pytest.mark.parametrize("bits", ["8", "4"])
def test_without_the_extra_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, bits: Any) -> None:
    monkeypatch.setattr(quantization, "_can_round", lambda: False)
    with pytest.raises(ModelError) as caught:
        assert not open_model(f"local:{folder}", bits=bits).context  # before anything is searched
    assert isinstance(caught.value, ExtraMissing) and "'.[local]'" in str(caught.value)


def test_without_the_extra_auto_does_what_it_can(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "_can_round", lambda: False)
    assert choose("m", "auto", config, gpu=False).bits == 16
    free(monkeypatch, 1000)
    with pytest.raises(MemoryTooSmall):
        choose("m", "auto", config, gpu=False)


def test_a_model_that_comes_rounded_stays_as_it_is(config: Any) -> None:
    config.quantization_config = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    assert choose("m", "8", config, gpu=False).config() is None


def test_this_machine_says_what_is_free() -> None:
    assert hardware.free_memory(False) > 10_000_000
