"""sentence-transformers: loads any model, runs on CUDA where there is a card, and says what its vectors are.

Importing it, and torch below it, takes seconds; so both are imported at the first use.
"""

import platform
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ingest.errors import ModelFolderError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_CPU_BATCH = 8  # small batches stay in the cache: 32 is half as fast
_GPU_BATCH = 64
_ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA, the same under WSL, AMD


class Reference:
    """One model, ready. Safe for threads."""

    def __init__(self, folder: Path) -> None:
        """Raises whatever sentence-transformers raises."""
        self._model = load(folder)
        self.longest: int | None = self._model.get_max_seq_length()
        self.dimensions = int(self._model.get_embedding_dimension() or 0)
        self._running = threading.Lock()

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dimensions), in the order of `texts`."""
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # equal lengths together: less padding
        step = _CPU_BATCH if self._model.device.type == "cpu" else _GPU_BATCH
        for at in range(0, len(order), step):
            batch = order[at : at + step]
            rows[batch] = self._run(self._model.encode_document, [texts[i] for i in batch])
        return rows

    def query(self, text: str) -> NDArray[np.float32]:
        """(dimensions,)."""
        row: NDArray[np.float32] = self._run(self._model.encode_query, [text])[0]
        return row

    def _run(self, encode: Callable[..., Any], texts: list[str]) -> NDArray[np.float32]:
        with self._running:  # one small batch at a time: a question does not wait for a whole document
            rows: NDArray[np.float32] = encode(
                texts, batch_size=len(texts), show_progress_bar=False, normalize_embeddings=True
            )
        return rows


def load(folder: Path, device: str | None = None) -> "SentenceTransformer":
    """The model in `folder`, which was checked: from safetensors, without code of its own, without the network.

    Raises ModelFolderError, and whatever sentence-transformers raises.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it would draw over the progress of an ingest
    model = SentenceTransformer(
        str(folder),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
    )
    refuse_chat_template(model, folder)
    return model


def refuse_chat_template(model: Any, folder: Path) -> None:
    """Raise ModelFolderError if sentence-transformers would put every text into the model's chat template.

    Such a template is a small program from a stranger, run in this process without a limit of time or memory.
    """
    for module in model.modules():
        if "message" in (getattr(module, "modality_config", None) or {}):
            detail = "it puts texts into a chat template, which an embedder or a re-ranker is not let do"
            raise ModelFolderError(folder=folder, detail=detail)


def may_be_faster() -> bool:
    """Whether torch may find something faster here than the CPU. Asked of the system, without importing torch."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(Path(device).exists() for device in _ACCELERATORS)
