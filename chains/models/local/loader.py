"""A model's folder, or its id on the hub → configuration, tokenizer, weights: safetensors only, no code of its own."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chains.errors import ModelError, ModelFailed, UnknownModel, UnsafeModelError
from chains.models.error_mapping import one_line
from chains.models.local import lora as local_lora
from chains.models.local.hardware import out_of_memory
from chains.models.local.quantization import Bits, choose, possible
from ingest.embedding.model_files import fetched
from ingest.embedding.model_folder import check_model_folder
from ingest.errors import EmbedderError, ModelFolderError

_HUB_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)?")


class Loader:
    """Loads what `place` names, from the hub's cache before the hub. Keeps nothing."""

    def __init__(self, name: str, place: str, bits: Bits = "auto", lora: str = "") -> None:
        """`name` is for sentences. Raises AdapterUnfit, UnsafeModelError, and UnknownModel where `place` is no hub id,
        and no folder with a model in it.
        """
        folder = Path(place).expanduser()
        self._name, self._bits, self._place = name, bits, place
        self._local = folder if folder.is_dir() else None
        if not self._local and not _HUB_ID.fullmatch(place):
            raise UnknownModel(
                model=name, where=place, hint="Give a folder with config.json and *.safetensors, or a hub id."
            )
        if self._local and not (folder / "config.json").is_file():
            raise UnknownModel(model=name, where=folder, hint="A model's folder holds config.json and *.safetensors.")
        if self._local and not any(folder.glob("*.safetensors")):
            raise UnknownModel(
                model=name, where=folder, hint="It holds no *.safetensors, and no other weights are loaded."
            )
        if self._local:
            self._check(folder)
        self._lora = Path(lora).expanduser() if lora else None
        if self._lora:
            local_lora.read(self._lora)

    def __repr__(self) -> str:
        return f"Loader({self._place!r})"

    def words(self) -> tuple[Any, Any]:
        """The configuration and the tokenizer. Raises ModelError."""
        import transformers

        folder = self._folder(with_weights=False)

        def load() -> tuple[Any, Any]:
            how = {"trust_remote_code": False, "local_files_only": True}
            config = transformers.AutoConfig.from_pretrained(folder, **how)
            possible(self._bits, config)
            return config, transformers.AutoTokenizer.from_pretrained(folder, **how)

        found: tuple[Any, Any] = self._load(load)
        return found

    def weights(self, config: Any) -> Any:
        """The model, ready to generate, on the GPU where there is one. Raises ModelError."""
        import torch
        import transformers

        gpu = torch.cuda.is_available()
        form = choose(self._name, self._bits, config, gpu)
        folder = self._folder(with_weights=True)
        self._check(folder)

        def load() -> Any:
            how: dict[str, Any] = {
                "trust_remote_code": False,
                "local_files_only": True,
                "use_safetensors": True,
                "dtype": form.dtype,
            }
            if (rounding := form.config()) is not None:
                how["quantization_config"] = rounding
            try:  # said here, for a configuration can name an implementation to download
                return transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa", **how)
            except ValueError as error:
                if "scaled_dot_product_attention" not in str(error):
                    raise
                return transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", **how)

        logging: Any = transformers.utils.logging
        logging.disable_progress_bar()
        model = self._load(load)
        rounded = getattr(model, "hf_quantizer", None) is not None  # those are put in their place by what rounds them
        if not rounded:
            model = model.to("cuda" if gpu else "cpu")
        if self._lora:
            model = local_lora.attach(model, self._lora, merge=not rounded)
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

    def _folder(self, with_weights: bool) -> Path:
        """Where the model lies on this machine, downloaded first if need be. Raises UnknownModel."""
        if self._local:
            return self._local
        try:
            return fetched(self._place, with_weights)
        except EmbedderError as error:
            raise UnknownModel(
                model=self._name,
                where="the hub's cache or the hub",
                hint=f"Check the name and the network, or give a folder. ({one_line(str(error.params['detail']))})",
            ) from error

    def _check(self, folder: Path) -> None:
        """Raises UnsafeModelError."""
        try:
            check_model_folder(folder)
        except ModelFolderError as error:
            raise UnsafeModelError(model=self._name, detail=error.params["detail"]) from error

    def _load(self, load: Callable[[], Any]) -> Any:
        """`load()`; foreign errors become ours."""
        try:
            return load()
        except Exception as error:
            raise self.failed(error) from error
