"""The encoder that a reader stands on: where it lies, and its weights with the reader's in their place."""

import hashlib
import re
from pathlib import Path

from chains.reader.files import Array, Card, ReaderError, ReaderFile, merged
from ingest.weights import DEFAULT, DEFAULT_SHA256, checked, fetched, installed

_PREFIX = re.compile(r"^(?:bert|roberta|xlm_roberta)\.")


def base_folder(card: Card) -> Path:
    """The folder of the encoder that `card` names, whose weights are the ones that the reader was trained on.

    Raises ReaderError, and an EmbedderError where it is not there or holds weights that are not safetensors.
    """
    if card.base == DEFAULT:
        folder, found = installed(), DEFAULT_SHA256  # which was checked just now
    else:
        folder = checked(Path(card.base) if Path(card.base).is_dir() else fetched(card.base))
        with (folder / "model.safetensors").open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != card.base_sha256:
        raise ReaderError(name=card.base, detail="the reader was trained on other weights of that name")
    return folder


def weights_of(reader: ReaderFile, folder: Path) -> dict[str, Array]:
    """float32: the encoder in `folder` as the reader changes it, and its heads under "heads."."""
    from safetensors.numpy import load_file

    base = {_PREFIX.sub("", name): array for name, array in load_file(folder / "model.safetensors").items()}
    heads = {f"heads.{name}": array.astype("float32") for name, array in reader.heads.items()}
    return merged({name: array for name, array in base.items() if array.dtype.kind == "f"}, reader) | heads
