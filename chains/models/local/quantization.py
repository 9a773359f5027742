"""In how many bits a model's weights are held: 16 (or 32, where the processor is faster so), 8 or 4."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chains.errors import ExtraMissing, MemoryTooSmall
from chains.models.local.hardware import bfloat16_is_faster, free_memory

Bits = Literal["auto", "16", "8", "4"]
_BYTES = {8: 1.0, 4: 0.5 + 4 / 64}  # a weight; 4 bits have a scale of four bytes for 64 of them
_MARGIN = 1.1  # what loading needs beyond the weights
_BLOCK, _ROWS = 64, 32  # a layer in 4 bits has whole blocks of so many numbers in, and so many rows of them (on a CPU)


@dataclass(frozen=True)
class Form:
    """How the weights are held. `bits` 16 stands for all that is not rounded: `dtype` says which."""

    bits: int
    dtype: Any  # of torch; of what is computed, and of the weights that are not rounded
    whole: tuple[str, ...] = ()  # layers that cannot be rounded; () for none but the usual

    def config(self) -> Any:
        """For `from_pretrained`; None where nothing is rounded."""
        if self.bits == 16:
            return None
        import transformers

        config: Any = transformers.BitsAndBytesConfig
        # On some processors bitsandbytes would fetch compiled code from the hub, where the package `kernels` is there.
        sys.modules.setdefault("kernels", None)  # type: ignore[arg-type]
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # that it could not, and of each cast, a line a layer
        whole = list(self.whole) or None
        if self.bits == 8:
            return config(load_in_8bit=True, llm_int8_skip_modules=whole)
        return config(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=self.dtype,
            llm_int8_skip_modules=whole,
        )


@dataclass(frozen=True)
class Sizes:
    """Weights in the layers that can be rounded, and elsewhere; `odd`: the names of what 4 bits must leave whole."""

    linear: int
    other: int
    odd: tuple[str, ...] = ()


def possible(bits: Bits, config: Any) -> None:
    """Raises ExtraMissing where these bits cannot be had. A model that comes rounded stays as it is."""
    rounded = getattr(config, "quantization_config", None) is not None
    if bits in ("8", "4") and not rounded and not _can_round():
        raise ExtraMissing(setting=f"PAGEWISE_LOCAL_BITS={bits}", package="bitsandbytes", extra="local")


def choose(name: str, bits: Bits, config: Any, gpu: bool) -> Form:
    """The first form that fits into the memory that is free: `auto` tries 16 bits, 8 and 4, a number only that.

    A model that comes rounded stays as it is. Raises ExtraMissing, MemoryTooSmall.
    """
    import torch

    fast = torch.bfloat16 if gpu or bfloat16_is_faster(config.get_text_config().hidden_size) else torch.float32
    if getattr(config, "quantization_config", None) is not None:
        return Form(16, fast)
    sizes, free = sizes_of(config), free_memory(gpu)
    rounded = [Form(8, fast), Form(4, fast, sizes.odd if sizes else ())]
    whole = [Form(16, dtype) for dtype in dict.fromkeys((fast, torch.bfloat16))]
    possible(bits, config)
    if bits in ("8", "4"):
        forms: Sequence[Form] = [form for form in rounded if str(form.bits) == bits]
    else:
        forms = [*whole, *(rounded if bits == "auto" and _can_round() else [])]
    if sizes is None or not free:
        return forms[0]
    for form in forms:
        if needed(form, sizes) <= free:
            return form
    least = min(needed(form, sizes) for form in forms)
    raise MemoryTooSmall(model=name, needed=least / 1e9, free=free / 1e9, bits=bits)


def needed(form: Form, sizes: Sizes) -> float:
    """Bytes for a model of these sizes."""
    size = int(form.dtype.itemsize)
    return _MARGIN * (sizes.linear * _BYTES.get(form.bits, size) + sizes.other * size)


def sizes_of(config: Any) -> Sizes | None:
    """By a model that takes no memory; None where it cannot be told."""
    import torch
    import transformers

    try:
        with torch.device("meta"):
            auto: Any = transformers.AutoModelForCausalLM
            model = auto.from_config(config, trust_remote_code=False)
    except Exception:  # it is only about knowing better; loading says what is wrong
        return None
    last = model.get_output_embeddings()
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}
    odd = [n for n, layer in layers.items() if layer.in_features % _BLOCK or layer.out_features % _ROWS]
    head = [n for n, layer in layers.items() if layer is last]  # stays whole anyway, unless others are named
    linear = sum(layer.weight.numel() for n, layer in layers.items() if n not in head and n not in odd)
    total = sum(weights.numel() for weights in model.parameters())
    return Sizes(linear, total - linear, tuple(dict.fromkeys([*odd, *head])) if set(odd) - set(head) else ())


def _can_round() -> bool:
    import transformers

    utils: Any = transformers.utils
    return bool(utils.is_accelerate_available() and utils.is_bitsandbytes_available())
