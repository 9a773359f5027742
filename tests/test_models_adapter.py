"""LoRA adapters: from safetensors alone, only where they fit, and to the same numbers whichever way they are held."""

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from chains.errors import AdapterUnfit, ExtraMissing
from chains.model import Finish
from chains.models import open_model
from chains.models.local import lora as local_lora
from chains.models.local import quantization
from chains.models.local.model import Local
from chains.prompt import Prompt
from tests.support.tiny import tiny

PROMPT = Prompt("answer", "question", "When was the bridge opened?", "en", 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("tiny") / "model", width=64)


@pytest.fixture(autouse=True)
def _float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "bfloat16_is_faster", lambda width: False)


@pytest.fixture
def lora(folder: Path, tmp_path: Path) -> Path:
    """An adapter that says something: both of its halves are random."""
    base = transformers.AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(5)
    config = peft.LoraConfig(
        r=4, lora_alpha=16, target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    peft.get_peft_model(base, config).save_pretrained(str(tmp_path / "lora"))
    return tmp_path / "lora"


def words(model: Any) -> str:
    *pieces, last = model.stream(PROMPT)
    assert isinstance(last, Finish)
    return "".join(map(str, pieces))


def logits(model: Local) -> Any:
    ids = torch.tensor([model._tokens(PROMPT)[0]])
    with torch.inference_mode():
        return model._weights()(ids).logits.float()


def test_it_is_the_weights_plus_the_product(folder: Path, lora: Path) -> None:
    plain, adapted = Local(str(folder)), Local(str(folder), lora=str(lora))
    saved = load_file(lora / local_lora.WEIGHTS)
    name = "base_model.model.model.layers.0.self_attn.q_proj"
    change = 16 / 4 * saved[f"{name}.lora_B.weight"] @ saved[f"{name}.lora_A.weight"]
    before, after = (m._weights().model.layers[0].self_attn.q_proj.weight for m in (plain, adapted))
    assert torch.allclose(after, before + change, atol=1e-5) and float(change.abs().max()) > 0.01
    assert words(adapted) != words(plain)
    assert not any("lora" in type(layer).__module__ for layer in adapted._weights().modules())  # no slower than before


def test_beside_the_weights_it_is_the_same(folder: Path, lora: Path) -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(folder)
    beside = local_lora.attach(base, lora, merge=False).eval()
    model = Local(str(folder), lora=str(lora))
    merged = logits(model)
    with torch.inference_mode():
        assert torch.allclose(beside(torch.tensor([model._tokens(PROMPT)[0]])).logits, merged, atol=1e-3)


@pytest.mark.parametrize("bits", ["8", "4"])
def test_on_a_model_in_fewer_bits(folder: Path, lora: Path, bits: Any) -> None:
    rounded = open_model(f"local:{folder}", bits=bits, lora=str(lora))
    assert isinstance(rounded, Local) and words(rounded)
    one, other = logits(rounded).flatten(), logits(Local(str(folder), lora=str(lora))).flatten()
    assert float(torch.nn.functional.cosine_similarity(one, other, dim=0)) > 0.9


def unfit(folder: Path, lora: Path) -> str:
    with pytest.raises(AdapterUnfit, match="PAGEWISE_LORA") as caught:
        list(open_model(f"local:{folder}", lora=str(lora)).stream(PROMPT))
    return str(caught.value)


def test_of_another_model(lora: Path, tmp_path: Path) -> None:
    other = tiny(tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    wider = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**config, "hidden_size": 128, "head_dim": 32}))
    wider.save_pretrained(other)
    assert "other sizes" in unfit(other, lora)


def test_of_a_model_with_more_layers(folder: Path, lora: Path) -> None:
    saved = load_file(lora / local_lora.WEIGHTS)
    further = {name.replace("layers.1.", "layers.7."): weights for name, weights in saved.items()}
    save_file(further, lora / local_lora.WEIGHTS)
    assert "no layer model.layers.7" in unfit(folder, lora)


def test_pickled_weights_are_not_loaded(folder: Path, lora: Path) -> None:
    (lora / local_lora.WEIGHTS).unlink()
    (lora / "adapter_model.bin").write_bytes(b"\x80\x04.")
    assert "no other weights are loaded" in unfit(folder, lora)


def test_a_wrong_folder_is_told_before_anything_is_loaded(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterUnfit, match=r"adapter_config\.json"):
        open_model(f"local:{folder}", lora=str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"peft_type": "IA3"}, "no LoRA adapter"),
        ({"megatron_config": {"a": 1}, "megatron_core": "planted"}, "megatron_config"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"unheard_of": True}, "unheard_of"),
    ],
)
def test_what_is_not_plain_lora_is_refused(
    folder: Path, lora: Path, change: dict[str, object], said: str
) -> None:
    path = lora / local_lora.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert said in unfit(folder, lora)


def test_damaged_weights(folder: Path, lora: Path) -> None:
    (lora / local_lora.WEIGHTS).write_bytes((lora / local_lora.WEIGHTS).read_bytes()[:200])
    assert "damaged" in unfit(folder, lora)


def test_without_the_extra_it_is_named(folder: Path, lora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ExtraMissing, match=r"'\.\[local\]'"):
        list(open_model(f"local:{folder}", lora=str(lora)).stream(PROMPT))
