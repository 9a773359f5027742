"""A worker: a process for work on one stranger's file, limited in memory, time and output, and killed when done.

What it says comes as lines of JSON, never as pickles. It is started afresh for every document (not forked), with no
secrets in its environment, and dies with whoever started it. POSIX: Linux and macOS.
"""

import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

from ingest import errors
from ingest.errors import ReaderCrashed, ReadError, TooMuchMemory, TooSlow

START_SECONDS = 60.0  # for the interpreter and its imports, on a busy machine
LOOK_SECONDS = 0.05  # how often the worker's memory is looked at; asking `ps` costs more
LOOK_SECONDS_PS = 0.5
MESSAGE_BYTES = 8_000_000  # one line: a page's text, or an outline of thousands of entries
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from ingest.pdf.sandbox import _serve; _serve()"
# Where the dynamic linker finds what Python itself needs. No keys, no proxies, no home.
_ENVIRONMENT = frozenset({"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "SYSTEMROOT"})


@dataclass(frozen=True)
class Limits:
    """What reading one document may cost. `page_seconds` counts from one page's arrival to the next one's."""

    file_mb: int = 200
    pages: int = 5000
    page_seconds: float = 30
    file_seconds: float = 300
    worker_mb: int = 2048  # resident memory of the worker
    text_mb: int = 50  # million characters
    page_chars: int = 200_000
    ocr: bool = True  # whether pictures of text are recognised, where text recognition is installed
    ocr_seconds: float = 120  # for one picture


class Casualty(Exception):
    """The worker is gone before it was done. `error`: what to raise if nothing can be saved; `reason`: in few words."""

    def __init__(self, error: ReadError, reason: str) -> None:
        super().__init__(reason)
        self.error, self.reason = error, reason


def in_worker(
    function: str,
    arguments: Mapping[str, Any],
    limits: Limits,
    *,
    until: float = float("inf"),
    message_bytes: int = MESSAGE_BYTES,
) -> Generator[dict[str, Any]]:
    """What `function` ("module:name"), called with these keyword arguments in a worker, yields: dicts of JSON.

    The worker gets `limits.page_seconds` from one to the next and until `until` (monotonic clock) for all. Closing
    the iterator kills it. Raises the ReadError that the function raised, or Casualty.
    """
    root = str(Path(__file__).resolve().parents[2])
    # Isolated from the environment and the current folder; modules come from where ours did.
    command = [sys.executable, "-I", "-B", "-X", "utf8", "-c", _BOOT]
    try:
        process = subprocess.Popen(
            [*command, json.dumps([root, *(os.path.abspath(entry) for entry in sys.path)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={key: value for key, value in os.environ.items() if key in _ENVIRONMENT},
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        raise ReaderCrashed(detail=f"it could not be started: {error.strerror}") from error
    try:
        yield from _replies(process, function, arguments, limits, until, message_bytes)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        process.wait()


def _replies(
    process: "subprocess.Popen[bytes]",
    function: str,
    arguments: Mapping[str, Any],
    limits: Limits,
    until: float,
    message_bytes: int,
) -> Iterator[dict[str, Any]]:
    assert process.stdin
    caps = {"memory_mb": limits.worker_mb, "seconds": int(limits.file_seconds) + 5}
    request = json.dumps({"function": function, "arguments": dict(arguments), "caps": caps}).encode() + b"\n"
    with suppress(BrokenPipeError):  # it died at once; of what, is told below
        process.stdin.write(request)
    lines = _Lines(process, limits, until, message_bytes)
    while (text := lines.next()) is not None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        match message:
            case {"ready": True}:
                pass
            case {"item": dict() as item}:
                yield item
            case {"end": True}:
                return
            case {"memory": True}:
                raise _too_much_memory(limits)
            case {"error": str() as key, "params": dict() as params}:
                raise _error(key, params)
            case {"crash": str() as detail}:
                raise _crashed(detail[:200])
            case _:
                raise _crashed("its reply made no sense")
    raise _fate(process, limits)


class _Lines:
    """The worker's output, line by line, with an eye on the clock and on its memory."""

    def __init__(self, process: "subprocess.Popen[bytes]", limits: Limits, until: float, message_bytes: int) -> None:
        assert process.stdout
        self.pipe, self.waiting, self.memory = process.stdout.fileno(), bytearray(), ProcessMemory(process.pid)
        self.limits, self.until, self.message_bytes = limits, until, message_bytes
        self.patience = START_SECONDS  # for the first line, which says that it is ready

    def next(self) -> bytes | None:
        """The next line; None when the worker closed its output. Raises Casualty."""
        due, searched = min(monotonic() + self.patience, self.until), 0
        self.patience = self.limits.page_seconds
        while (end := self.waiting.find(b"\n", searched)) < 0:
            if (searched := len(self.waiting)) > self.message_bytes:
                raise _crashed("it wrote without end")
            if self.memory.megabytes() > self.limits.worker_mb:
                raise _too_much_memory(self.limits)
            if (now := monotonic()) >= due:
                whole = now >= self.until
                raise _too_slow(self.limits.file_seconds if whole else self.limits.page_seconds, whole)
            if select.select([self.pipe], [], [], min(LOOK_SECONDS, due - now))[0]:
                piece = os.read(self.pipe, 1 << 16)
                if not piece:
                    return None
                self.waiting += piece
        line = bytes(self.waiting[:end])
        del self.waiting[: end + 1]
        return line


class ProcessMemory:
    """How much memory of the machine a process holds now."""

    def __init__(self, pid: int) -> None:
        self.pid, self.statm = pid, Path(f"/proc/{pid}/statm")
        self.every = LOOK_SECONDS if self.statm.exists() else LOOK_SECONDS_PS
        self.looked, self.last = float("-inf"), 0.0

    def megabytes(self) -> float:
        """Resident, as of at most a moment ago; 0 for a process that is gone."""
        if monotonic() - self.looked >= self.every:
            self.looked = monotonic()
            try:
                self.last = self._now() / 1_000_000
            except (OSError, ValueError, IndexError, subprocess.SubprocessError):
                self.last = 0.0
        return self.last

    def _now(self) -> int:
        if self.every == LOOK_SECONDS:
            return int(self.statm.read_text().split()[1]) * resource.getpagesize()
        ps = subprocess.run(["ps", "-o", "rss=", "-p", str(self.pid)], capture_output=True, timeout=5, check=False)
        return int(ps.stdout) * 1024


def _fate(process: "subprocess.Popen[bytes]", limits: Limits) -> Casualty:
    """What a worker died of that closed its output without a last word."""
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return _crashed("it closed its output")
    if code == -signal.SIGXCPU:
        return _too_slow(limits.file_seconds, True)
    if code == -signal.SIGKILL:  # not by us: the system was out of memory
        return _too_much_memory(limits)
    if code < 0:
        with suppress(ValueError):
            return _crashed(signal.Signals(-code).name)
    return _crashed(f"exit code {code}")


def _too_much_memory(limits: Limits) -> Casualty:
    return Casualty(TooMuchMemory(megabytes=limits.worker_mb), "reading it needed too much memory")


def _too_slow(seconds: float, whole: bool) -> Casualty:
    """`whole`: the file, not one page of it."""
    setting = "PAGEWISE_FILE_SECONDS" if whole else "PAGEWISE_PAGE_SECONDS"
    return Casualty(TooSlow(seconds=seconds, setting=setting), "reading it took too long")


def _crashed(detail: str) -> Casualty:
    return Casualty(ReaderCrashed(detail=detail), "the PDF readers crashed on it")


def _error(key: str, params: Mapping[str, Any]) -> ReadError | Casualty:
    kind = getattr(errors, key, None)
    if not (isinstance(kind, type) and issubclass(kind, ReadError)):
        return _crashed("its reply made no sense")
    try:
        return kind(**{str(name): value for name, value in params.items() if isinstance(value, (str, int, float))})
    except (KeyError, ValueError, TypeError):
        return _crashed("its reply made no sense")


# What follows runs in the worker.


def _serve() -> None:
    """Does the job that stands on stdin's first line. stdin stays open as long as the parent lives."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    os.dup2(2, 1)  # what a library prints is no reply
    with os.fdopen(os.dup(0), "rb", buffering=0) as requests:
        job = json.loads(_first_line(requests.fileno()))
    threading.Thread(target=_die_with_parent, daemon=True).start()

    def reply(message: Mapping[str, Any]) -> None:
        replies.write(json.dumps(message, ensure_ascii=False) + "\n")
        replies.flush()

    try:
        module, _, name = job["function"].partition(":")
        function = getattr(importlib.import_module(module), name)
        _cap(**job["caps"])
        reply({"ready": True})
        for item in function(**job["arguments"]):
            reply({"item": item})
        reply({"end": True})
    except ReadError as error:
        reply({"error": error.key, "params": error.params})
    except MemoryError:
        reply({"memory": True})
    except BrokenPipeError:
        pass
    except BaseException as error:
        reply({"crash": f"{type(error).__name__}: {error}"[:200]})
    replies.flush()
    os._exit(0)  # nothing to tidy, and a reader's destructors may crash


def _first_line(pipe: int) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(pipe, 1 << 16)
        if not piece:
            os._exit(1)
        line += piece
    return bytes(line)


def _die_with_parent() -> NoReturn:
    while os.read(0, 1):
        pass
    os._exit(1)


def _cap(memory_mb: int, seconds: int) -> None:
    """The system's own limits, behind those that the parent keeps. Not every system has each of them."""
    # Address space is more than what is resident: this only stops a single huge allocation before it is touched.
    for kind, most in (
        (resource.RLIMIT_AS, int(memory_mb * 1.5 + 1024) * 1_000_000),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),  # writes no file
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))
