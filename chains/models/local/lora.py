"""A LoRA adapter in a folder → the model with it: from safetensors alone, and only where it fits the model.

An adapter's configuration can name modules to import and ways of computing that are not LoRA's, so nothing of it is
taken over but what is listed here.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from chains.errors import AdapterUnfit, ExtraMissing
from ingest.embedding.model_folder import read_json

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_TAKEN = (
    *("r", "lora_alpha", "target_modules", "exclude_modules", "fan_in_fan_out", "bias", "use_rslora", "use_dora"),
    *("modules_to_save", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "lora_bias"),
)
_NO_MATTER = (  # where it comes from, and how its training began
    *("peft_type", "peft_version", "task_type", "base_model_name_or_path", "revision", "inference_mode"),
    *("auto_mapping", "lora_dropout", "init_lora_weights", "eva_config", "corda_config", "loftq_config"),
    *("lora_ga_config", "runtime_config", "ensure_weight_tying", "megatron_core", "qalora_group_size"),
)


def read(folder: Path) -> Mapping[str, Any]:
    """The adapter's configuration, known to be one of LoRA with safetensors beside it. Raises AdapterUnfit."""
    try:
        said = read_json(folder / CONFIG)
    except (OSError, ValueError):
        raise AdapterUnfit(folder=folder, detail=f"it holds no {CONFIG} that can be read") from None
    if not isinstance(said, dict) or said.get("peft_type") != "LORA":
        raise AdapterUnfit(folder=folder, detail="it is no LoRA adapter")
    if not (folder / WEIGHTS).is_file():
        raise AdapterUnfit(folder=folder, detail=f"it holds no {WEIGHTS}, and no other weights are loaded")
    return said


def attach(model: Any, folder: Path, merge: bool) -> Any:
    """The model with the adapter: in its weights (`merge`, no slower than without) or beside them.

    Raises AdapterUnfit, ExtraMissing.
    """
    said = read(folder)
    try:
        import peft
    except ImportError:
        raise ExtraMissing(setting="PAGEWISE_LORA", package="peft", extra="local") from None
    defaults = {
        field.name: field.default_factory() if field.default_factory is not MISSING else field.default
        for field in fields(peft.LoraConfig)
    }
    odd = sorted(
        name
        for name, value in said.items()
        if name not in (*_TAKEN, *_NO_MATTER) and value and value != defaults.get(name)
    )
    if odd:
        raise AdapterUnfit(folder=folder, detail=f"it needs what is not supported: {', '.join(odd)}")
    _check(model, folder)
    config = peft.LoraConfig(**{name: said[name] for name in _TAKEN if name in said}, inference_mode=True)
    try:
        adapted = peft.PeftModel.from_pretrained(model, str(folder), config=config)
    except Exception as error:  # whatever is wrong with it, it is the adapter
        raise AdapterUnfit(folder=folder, detail=f"{type(error).__name__}: {str(error)[:150]}") from error
    # peft puts its layers into the model itself, which generates as before.
    return adapted.merge_and_unload() if merge else model


def _check(model: Any, folder: Path) -> None:
    """Every weight of the adapter has its layer in the model, of the same sizes; peft would leave it out in silence."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(folder / WEIGHTS), framework="pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118  it is no dict
    except (SafetensorError, OSError) as error:
        raise AdapterUnfit(folder=folder, detail=f"{WEIGHTS} is damaged: {error}") from None
    layers, found = dict(model.named_modules()), 0
    for name, shape in shapes.items():
        layer, lora, rest = name.removeprefix(_PREFIX).partition(".lora_")
        if not lora:
            continue
        base, kind = layers.get(layer), rest.split(".")[0]
        if base is None:
            raise AdapterUnfit(folder=folder, detail=f"the model has no layer {layer}")
        into, out = _sizes(base)
        wrong = (kind == "A" and shape[-1] != into) or (kind == "B" and shape[0] != out)
        if into and wrong:
            raise AdapterUnfit(folder=folder, detail=f"its layer {layer} has other sizes than the model's")
        found += 1
    if not found:
        raise AdapterUnfit(folder=folder, detail=f"{WEIGHTS} holds nothing of LoRA")


def _sizes(layer: Any) -> tuple[int, int]:
    """Numbers in and out; 0 for a layer that does not say."""
    if hasattr(layer, "in_features"):
        return int(layer.in_features), int(layer.out_features)
    if hasattr(layer, "nx"):  # GPT-2's Conv1D
        return int(layer.nx), int(layer.nf)
    return 0, 0
