"""How fast each model was on this machine: a small file of what was measured in earlier calls."""

import copy
import json
import logging
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from chains.plan import Stage
from ingest.text_file import TextFileError, read_json_file

FILE = "speeds.json"
_FORGET = 1800.0  # seconds of work after which what was measured before counts half: a server gets faster or slower
_WRITE = 5.0  # seconds between two writings of the file
_MODELS = 200  # in the file; more are no longer in use
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Speed:
    """Seconds a token, read (to the reply's first piece) and written (from there to its end)."""

    read: float
    written: float
    load: float = 0.0  # seconds until the model is loaded, where this process has not asked it anything yet

    def seconds(self, stages: Sequence[Stage], parallel: int) -> float:
        """How long these stages take, `parallel` calls at once."""
        whole = self.load if any(stage.calls for stage in stages) else 0.0
        for stage in stages:
            if stage.calls:
                rounds = -(-stage.calls // max(1, parallel))
                spent = stage.input_tokens * self.read + stage.output_tokens * self.written
                whole += rounds * spent / stage.calls
        return whole


class Speeds:
    """The speeds of all models, kept in `file`. Safe for threads; a lost measurement harms nothing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._sums: dict[str, list[float]] = {}  # tokens read, seconds; tokens written, seconds; seconds of loading
        self._asked: set[str] = set()  # by this process
        self._place = ""
        self._written = monotonic()
        with suppress(TextFileError, AttributeError):
            for model, sums in read_json_file(file).items():
                if isinstance(sums, list) and len(sums) in (4, 5) and all(isinstance(n, int | float) for n in sums):
                    self._sums[str(model)] = [max(0.0, float(n)) for n in [*sums, 0.0][:5]]

    def at(self, place: str) -> "Speeds":
        """The speeds of models there: a server, or what makes a model of this process another one."""
        there = copy.copy(self)
        there._place = f" {place}" if place else ""
        return there

    def of(self, model: str) -> Speed | None:
        """None before its first call."""
        with self._lock:
            name = model + self._place
            sums, asked = self._sums.get(name), name in self._asked
        if sums is None or not sums[0] or not sums[2]:
            return None
        return Speed(sums[1] / sums[0], sums[3] / sums[2], 0.0 if asked else sums[4])

    def add(self, model: str, tokens_in: int, waited: float, tokens_out: int, wrote: float) -> None:
        """One call's measure."""
        if tokens_in < 1 or tokens_out < 1:
            return
        with self._lock:
            name = model + self._place
            *sums, load = self._sums.pop(name, [0.0] * 5)
            if sums[1] + sums[3] > _FORGET:
                sums = [n / 2 for n in sums]
            new = (tokens_in, waited, tokens_out, wrote)
            self._sums[name] = [*(a + b for a, b in zip(sums, new, strict=True)), load]  # last used, last in the file
            self._asked.add(name)
            due = monotonic() - self._written > _WRITE
        if due:
            self.flush()

    def loaded(self, model: str, seconds: float) -> None:
        """One call has waited so long for the model to be loaded."""
        with self._lock:
            if seconds > 0 and model + self._place in self._sums:
                self._sums[model + self._place][4] = seconds

    def flush(self) -> None:
        """Writes the file; where that cannot be, the measurements last as long as the process."""
        with self._lock:
            self._written = monotonic()
            last = list(self._sums.items())[-_MODELS:]
            text = json.dumps({model: [round(n, 3) for n in sums] for model, sums in last})
            scratch = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            try:
                self._file.parent.mkdir(0o700, parents=True, exist_ok=True)
                scratch.write_text(text, encoding="utf-8")
                os.replace(scratch, self._file)
            except OSError as error:
                _log.info("what was measured of the models could not be kept (%s)", error)
