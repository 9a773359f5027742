"""Check a folder of a model before anything in it is loaded: only safetensors may be read as weights.

transformers and sentence-transformers choose the files themselves, and a file of the folder can direct them to a
pickle, which torch would load: an index of safetensors may name a `.bin`, `config.json` may name the weights, a module
of sentence-transformers falls back to `pytorch_model.bin`, an adapter beside a model is loaded without being asked for.
Every folder, local or from the hub, passes `check_model_folder` before it is loaded.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.errors import ModelFolderError

PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
MAX_JSON_BYTES = 64_000_000  # the index of a model of 671 billion weights has 9 million
MAX_FILES = 10_000
_INDEX = ".safetensors.index.json"
_PICKLE_INDEX = ".bin.index.json"
_ADAPTER_CONFIG = "adapter_config.json"
# Keys of a configuration that lead to other weights than those of the folder. Nothing that Pagewise loads needs them.
_FOREIGN_WEIGHTS = frozenset({"gguf_file", "adapter_kwargs", "_adapter_model_path"})


def check_model_folder(folder: Path) -> None:
    """Raise ModelFolderError unless all weights that a loader could choose in `folder` are safetensors inside it.

    Pickles that no loader chooses are left alone, because many models come in both forms.
    """
    has_modules = (folder / "modules.json").exists()  # sentence-transformers; its modules lie in sub-folders
    holds_weights = False
    for place, files in _list_folders(folder, has_modules):
        names = {file.name for file in files}
        holds_weights = holds_weights or any(file.suffix == ".safetensors" for file in files)
        for file in files:
            _check_file(folder, file)
        # A module of sentence-transformers knows no index: without model.safetensors it takes the pickle.
        chosen = {"model.safetensors"} if has_modules else {"model.safetensors", "model.safetensors.index.json"}
        pickle = next((name for name in sorted(names) if _is_pickle(name)), None)
        if pickle and not names & chosen:
            raise _refuse(folder, place / pickle, "is a pickle, which could run code; only safetensors are loaded")
    if not holds_weights:
        raise ModelFolderError(folder=folder, detail="it holds no *.safetensors, and no other weights are loaded")


def read_json(path: Path) -> Any:
    """The value in a JSON file of at most MAX_JSON_BYTES. Raises OSError, ValueError."""
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError(f"{path.name} has more than {MAX_JSON_BYTES // 1_000_000} MB")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None


def _list_folders(folder: Path, with_subfolders: bool) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder that a loader may open, and the files in it."""
    count = 0
    for place, subfolders, names in os.walk(folder):
        files = [Path(place, name) for name in names]
        count += len(files)
        if count > MAX_FILES:
            raise ModelFolderError(folder=folder, detail=f"it holds more than {MAX_FILES} files; no model does")
        yield Path(place), files
        if not with_subfolders:
            return
        for name in subfolders:
            if Path(place, name).is_symlink():  # os.walk does not enter it, a loader would
                raise _refuse(folder, Path(place, name), "is a link to another folder")


def _check_file(folder: Path, file: Path) -> None:
    if not file.is_file():  # a loader would wait for ever on a pipe
        raise _refuse(folder, file, "is not a regular file")
    if file.name == _ADAPTER_CONFIG:
        problem = "belongs to a LoRA adapter, which would be loaded unchecked; move the adapter's files (PAGEWISE_LORA)"
        raise _refuse(folder, file, problem)
    is_index = file.name.endswith(_INDEX)
    if not is_index and not (file.suffix == ".json" and ("config" in file.name or file.name == "modules.json")):
        return
    try:
        value = read_json(file)
    except (OSError, ValueError) as error:
        raise _refuse(folder, file, f"cannot be read ({str(error)[:100]})") from None
    if is_index:
        _check_index(folder, file, value)
    else:
        _check_config(folder, file, value)


def _check_index(folder: Path, file: Path, index: Any) -> None:
    shards = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise _refuse(folder, file, "lists no weights")
    for name in dict.fromkeys(map(str, shards.values())):
        if not _is_plain(name) or not name.endswith(".safetensors"):
            raise _refuse(folder, file, f"names {name[:100]!r}; only *.safetensors beside it are loaded")
        if not (file.parent / name).is_file():
            raise _refuse(folder, file, f"names {name[:100]!r}, which is not there")


def _check_config(folder: Path, file: Path, value: Any) -> None:
    """Refuse settings, however deep, that name other weights."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
            if foreign := _FOREIGN_WEIGHTS & item.keys():
                raise _refuse(folder, file, f"names other weights ({min(foreign)})")
            name = item.get("transformers_weights")
            if name is not None and not (_is_plain(str(name)) and str(name).endswith((".safetensors", _INDEX))):
                raise _refuse(folder, file, f"names {str(name)[:100]!r}; only *.safetensors beside it are loaded")


def _is_pickle(name: str) -> bool:
    return Path(name).suffix.lower() in PICKLE_SUFFIXES or name.lower().endswith(_PICKLE_INDEX)


def _is_plain(name: str) -> bool:
    """Whether it names a file in the same folder."""
    return not {"/", "\\", "\0"} & set(name) and name not in ("", ".", "..")


def _refuse(folder: Path, path: Path, problem: str) -> ModelFolderError:
    return ModelFolderError(folder=folder, detail=f"{path.relative_to(folder)} {problem}")
