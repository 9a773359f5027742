"""A model's folder, or its id on the hub → configuration, tokenizer, weights: safetensors only, no code of its own."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chains.errors import ModelError, ModelFailed, UnknownModel
from chains.models import adapter
from chains.models.hardware import out_of_memory
from chains.models.precision import Bits, choose, possible
from chains.models.trouble import one_line

_HUB_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)?")


class Loader:
    """Loads what `place` names, from the hub's cache before the hub. Keeps nothing."""

    def __init__(self, name: str, place: str, bits: Bits = "auto", lora: str = "") -> None:
        """`name` is for sentences. Raises AdapterUnfit, and UnknownModel where `place` is no hub id, and no folder with
        a model in it.
        """
        folder = Path(place).expanduser()
        self._place, self._offline = (str(folder), True) if folder.is_dir() else (place, False)
        if not self._offline and not _HUB_ID.fullmatch(place):
            raise UnknownModel(
                model=name, where=place, hint="Give a folder with config.json and *.safetensors, or a hub id."
            )
        if self._offline and not (folder / "config.json").is_file():
            raise UnknownModel(model=name, where=folder, hint="A model's folder holds config.json and *.safetensors.")
        if self._offline and not any(folder.glob("*.safetensors")):
            raise UnknownModel(
                model=name, where=folder, hint="It holds no *.safetensors, and no other weights are loaded."
            )
        self._name, self._bits = name, bits
        self._lora = Path(lora).expanduser() if lora else None
        if self._lora:
            adapter.read(self._lora)

    def __repr__(self) -> str:
        return f"Loader({self._place!r})"

    def words(self) -> tuple[Any, Any]:
        """The configuration and the tokenizer. Raises ModelError."""
        import transformers

        def load(offline: bool) -> tuple[Any, Any]:
            how = {"trust_remote_code": False, "local_files_only": offline}
            config = transformers.AutoConfig.from_pretrained(self._place, **how)
            possible(self._bits, config)
            return config, transformers.AutoTokenizer.from_pretrained(self._place, **how)

        found: tuple[Any, Any] = self._load(load)
        return found

    def weights(self, config: Any) -> Any:
        """The model, ready to generate, on the GPU where there is one. Raises ModelError."""
        import torch
        import transformers

        gpu = torch.cuda.is_available()
        form = choose(self._name, self._bits, config, gpu)

        def load(offline: bool) -> Any:
            how: dict[str, Any] = {
                "trust_remote_code": False,
                "local_files_only": offline,
                "use_safetensors": True,
                "dtype": form.dtype,
            }
            if (rounding := form.config()) is not None:
                how["quantization_config"] = rounding
            try:  # said here, for a configuration can name an implementation to download
                return transformers.AutoModelForCausalLM.from_pretrained(self._place, attn_implementation="sdpa", **how)
            except ValueError as error:
                if "scaled_dot_product_attention" not in str(error):
                    raise
                return transformers.AutoModelForCausalLM.from_pretrained(
                    self._place, attn_implementation="eager", **how
                )

        logging: Any = transformers.utils.logging
        logging.disable_progress_bar()
        model = self._load(load)
        rounded = getattr(model, "hf_quantizer", None) is not None  # those are put in their place by what rounds them
        if not rounded:
            model = model.to("cuda" if gpu else "cpu")
        if self._lora:
            model = adapter.attach(model, self._lora, merge=not rounded)
        return model.eval()

    def failed(self, error: Exception) -> Exception:
        """Ours for theirs."""
        if isinstance(error, ModelError):
            return error
        if out_of_memory(error):
            detail = "the memory is not enough: take a smaller model, or lower PAGEWISE_CONTEXT"
        else:
            detail = one_line(f"{type(error).__name__}: {error}")
        return ModelFailed(model=self._name, detail=detail)

    def _load(self, load: Callable[[bool], Any]) -> Any:
        """`load(offline)`, from the cache before the network; foreign errors become ours."""
        try:
            if not self._offline:
                try:
                    return load(True)
                except OSError:
                    pass
            return load(self._offline)
        except Exception as error:
            raise self._not_loaded(error) from error

    def _not_loaded(self, error: Exception) -> Exception:
        if not self._offline and isinstance(error, OSError):
            return UnknownModel(
                model=self._name,
                where="the hub's cache or the hub",
                hint=f"Check the name and the network, or give a folder. ({one_line(str(error))})",
            )
        return self.failed(error)
