"""The fast path of embedding on a CPU: a model's graph, compiled by OpenVINO for this processor. No torch is loaded.

sentence-transformers is the reference. It makes the graph once for each model (convert.py), in a process of its own,
and the graph stays in the user's cache. Each time it is opened it has to give the vectors that sentence-transformers
gave for the probes; a model that does not, or that cannot be converted, stays with torch.
"""

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from ingest.embedding.int8 import GROUP

GRAPH, EIGHT_BIT, TOKENIZER, ABOUT, PROBES = "model.xml", "model8.xml", "tokenizer.json", "about.json", "probes.npy"
# Of many lengths, so that masks and truncation are probed; with what tokenizers treat in ways of their own.
TEXTS = (
    "Revenue",
    "  How much money did the company make in 2018?  ",
    "The Firm's net sales ROSE by 9.5% to $1,577.0 million — “the best year”\nsince 2009. café naïve ﬁnal",
    "公司2020年的营业收入是一亿元。",
    "",
    "Property, plant and equipment 8,738 8,866 " * 100,
)
# The fewer rows go through at once, the more of them stays in the processor's cache: 32 are half as fast as 4 to 8.
BATCH = 4
_STEP = 16  # tokens; few different lengths, because for each one kernels are built, and kept
_LEAST_COSINE = 0.998  # to sentence-transformers; bfloat16 gives .9999, eight bits .9994 and .9987 for an empty text
_CONVERTING_SECONDS = 900.0
_KEPT = 4  # models in the cache
_REFUSED = "refused"
_COLUMNS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}  # of an encoding
_FORMAT = 2  # of what convert.py writes
_MAKERS = ("openvino", "sentence-transformers", "tokenizers", "torch", "transformers")
_log = logging.getLogger(__name__)


class Compiled:
    """One model, ready. Safe for threads."""

    def __init__(self, folder: Path, precision: str = "f32") -> None:
        """Opens what convert.py wrote; `precision`: one of precisions(). Raises what OpenVINO and tokenizers raise."""
        from tokenizers import Tokenizer

        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        self.dimensions = int(about["dimensions"])
        self.longest: int | None = about["longest"]
        self._prompts = {"query": str(about["query"]), "document": str(about["document"])}
        pads = {"input_ids": int(about["pad"]), "attention_mask": 0, "token_type_ids": int(about["pad_type"])}
        self._pads = {name: pads[name] for name in about["inputs"]}
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if self.longest:
            self._tokenizer.enable_truncation(self.longest)
        self._model = for_this_processor(folder / (EIGHT_BIT if precision == "i8" else GRAPH), precision)

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._rows(texts, "document")

    def query(self, text: str) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self._rows([text], "query")[0]
        return row

    def agrees(self, probes: NDArray[np.float32]) -> bool:
        """Whether it gives the vectors of sentence-transformers: (2, len(TEXTS), dimensions), documents and queries."""
        if probes.shape != (2, len(TEXTS), self.dimensions):
            return False
        rows = np.stack([self._rows(TEXTS, "document"), self._rows(TEXTS, "query")])
        lengths = np.linalg.norm(rows, axis=-1) * np.linalg.norm(probes, axis=-1)
        cosines = (rows * probes).sum(axis=-1) / lengths
        return bool((cosines >= _LEAST_COSINE).all())  # not so where one is no number

    def _rows(self, texts: Sequence[str], kind: str) -> NDArray[np.float32]:
        """(len(texts), dimensions), not normalised unless the model does it."""
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        prompt = self._prompts[kind]
        encodings = self._tokenizer.encode_batch([prompt + text for text in texts])
        for batch, outputs in in_batches(self._model, encodings, self._pads, self.longest):
            rows[batch] = outputs[0]
        return rows


def for_this_processor(model: Any, precision: str) -> Any:
    """A graph, or the file of one, compiled; `precision`: one of precisions(). One stream a core."""
    cores = str(usable_cores())
    return silent_openvino().Core().compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(GROUP if precision == "i8" else 0),
            "ENABLE_CPU_PINNING": "NO",  # other processes read meanwhile
        },
    )


def in_batches(
    model: Any, encodings: Sequence[Any], pads: Mapping[str, int], longest: int | None
) -> Iterator[tuple[list[int], list[NDArray[np.float32]]]]:
    """What a compiled model gives for encodings of its tokenizer: for each batch, which of them, and its outputs.

    `pads`: for each input, in the model's order, what fills it up. `longest`: tokens, at most. An output is good until
    the next one is asked for.

    Every call has requests of its own, each of one small batch; the processor takes them in the order in which
    they come, from whatever call, so that a question waits for a batch and not for a document.
    """
    order = sorted(range(len(encodings)), key=lambda i: len(encodings[i]))  # equal lengths together: less padding
    free = [model.create_infer_request() for _ in range(min(usable_cores(), -(-len(order) // BATCH)))]
    busy: deque[tuple[Any, list[int]]] = deque()

    def taken() -> Iterator[tuple[list[int], list[NDArray[np.float32]]]]:
        # Waited for, not called back: a thread of OpenVINO that calls Python while the process ends aborts it.
        request, batch = busy.popleft()
        request.wait()
        yield batch, [tensor.data for tensor in request.output_tensors]
        free.append(request)

    for at in range(0, len(order), BATCH):
        if not free:
            yield from taken()
        batch = order[at : at + BATCH]
        request = free.pop()
        request.start_async(_tensors([encodings[i] for i in batch], pads, longest))
        busy.append((request, batch))
    while busy:
        yield from taken()


def _tensors(encodings: Sequence[Any], pads: Mapping[str, int], longest: int | None) -> list[NDArray[np.int64]]:
    """One array (len(encodings), length) for each input of the graph, padded on the right."""
    length = -(-max(1, *map(len, encodings), 1) // _STEP) * _STEP
    if longest:
        length = min(length, longest)
    arrays = []
    for name, pad in pads.items():
        array = np.full((len(encodings), length), pad, np.int64)
        for row, encoding in zip(array, encodings, strict=True):
            row[: len(encoding)] = getattr(encoding, _COLUMNS[name])
        arrays.append(array)
    return arrays


def compiled(folder: Path, cache: Path | None = None) -> Compiled | None:
    """The model in `folder`, compiled for this processor; None where only torch gives its vectors.

    The first time it is converted, which takes as long as importing torch and some seconds. `cache`: where the graph
    is kept; None is a folder in the user's cache. Without a place to write to, there is none.
    """
    cache = cache or Path(platformdirs.user_cache_dir("pagewise", appauthor=False)) / "models"
    kept = cache / _key(folder)
    try:
        if not kept.exists():
            cache.mkdir(0o700, parents=True, exist_ok=True)
            _convert(folder, kept)
            _tidy(cache)
        if (kept / _REFUSED).exists():
            return None
        os.utime(kept)
        probes = np.load(kept / PROBES, allow_pickle=False)
        for precision in precisions():
            found = Compiled(kept, precision)
            if found.agrees(probes):
                return found
        _log.warning("the compiled %s gives other vectors than sentence-transformers; torch is used", folder.name)
    except Exception as error:  # whatever a foreign graph, a full disk or a damaged cache brings: torch still works
        _log.warning("%s could not be compiled (%s); torch is used", folder.name, error)
        shutil.rmtree(kept, ignore_errors=True)
    return None


def silent_openvino() -> Any:
    """OpenVINO, imported so that it reports nothing to its makers: without this module it takes an empty stand-in.

    Otherwise it tells a server by the mere import, where torch is loaded, and by each conversion, without asking.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


def precisions() -> list[str]:
    """In what this processor can compute, the fastest first; what it would only imitate is not among them.

    OpenVINO says INT8 also where there are no instructions for it (VNNI); there the eight bits are as fast as float32.
    """
    able = silent_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    faster = next((name for name, capability in (("bf16", "BF16"), ("i8", "INT8")) if capability in able), None)
    return [faster, "f32"] if faster else ["f32"]


def usable_cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _key(folder: Path) -> str:
    """A name for exactly these files and the versions that convert and run them."""
    digest = hashlib.sha256(repr((_FORMAT, [(name, version(name)) for name in _MAKERS])).encode())
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            part = hashlib.file_digest(content, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder)}\0{part}\0".encode())
    return digest.hexdigest()[:32]


def _convert(folder: Path, kept: Path) -> None:
    """Makes `kept`, whole at once. A model that cannot be converted is not tried again."""
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="new-") as made:
        target = Path(made, "model")
        command = [sys.executable, "-m", "ingest.embedding.convert", str(folder.resolve()), str(target)]
        root = Path(__file__).resolve().parents[2]
        ended = subprocess.run(command, cwd=root, capture_output=True, timeout=_CONVERTING_SECONDS, check=False)
        if ended.returncode != 0:
            if ended.returncode < 0:  # killed: it may succeed another time
                raise RuntimeError(f"its conversion was ended by signal {-ended.returncode}")
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            (target / _REFUSED).write_bytes(ended.stderr[-2000:])
        with suppress(OSError):  # another process was faster
            target.rename(kept)
    if not kept.exists():
        raise OSError(f"{kept} could not be written")


def _tidy(cache: Path) -> None:
    """Keeps the models that were used last."""
    folders = sorted((path for path in cache.iterdir() if path.is_dir()), key=lambda path: -path.stat().st_mtime)
    for folder in folders[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
