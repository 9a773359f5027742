"""Render a model's chat template in a process with limits. A template is a small program that comes with a model.

transformers runs it in jinja's sandbox, which keeps it from files and objects, but not from running for ever or filling
the memory: nested loops, macros that call themselves, `'a' * 10 ** 10`. In this process nothing can end that, because a
thread cannot be killed and one step of it can be a single call of C. So a process of its own renders. It is started at
the first prompt, serves all models, and is killed when a limit is broken; the next prompt starts another.
"""

import atexit
import json
import os
import resource
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from ingest.pdf.sandbox import ProcessMemory

RENDER_SECONDS = 5.0  # a template of a real model takes a millisecond
START_SECONDS = 60.0  # the interpreter and its imports take one second, on a busy machine more
MEMORY_MB = 512  # that rendering may add, as address space and as resident memory
TEXT_FACTOR, TEXT_SPARE = 4, 1_000_000  # the longest text: so many times its messages, and characters beyond that
_LOOK_SECONDS = 0.05  # how often its memory is looked at
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from chains.models.local.chat_template import _serve; _serve()"
)
# Where the dynamic linker finds what Python itself needs. No keys, no proxies, no home.
_ENVIRONMENT = frozenset({"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "SYSTEMROOT"})

Message = Mapping[str, str]


class TemplateRefusedError(Exception):
    """The template itself refuses these messages; it may take others."""


class TemplateLimitError(Exception):
    """The template broke a limit, or what it renders is no text."""


class TemplateRenderer:
    """A process that renders chat templates. Safe for threads, one text at a time."""

    def __init__(self, render_seconds: float = RENDER_SECONDS) -> None:
        self._render_seconds = render_seconds
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def render(self, template: str, messages: Sequence[Message], variables: Mapping[str, Any]) -> str:
        """The text that the model gets. Raises TemplateRefusedError, TemplateLimitError."""
        request = {"template": template, "messages": [dict(message) for message in messages], "variables": variables}
        with self._turn:
            try:
                if self._process is None:
                    self._start()
                reply = self._exchange(json.dumps(request, default=str).encode() + b"\n", self._render_seconds)
            except BaseException:  # also Ctrl-C: the next text must not get this one's reply
                self.close()
                raise
        match reply:
            case {"text": str() as text}:
                return text
            case {"refused": str() as detail}:
                raise TemplateRefusedError(detail)
            case {"problem": str() as detail}:
                raise TemplateLimitError(detail)
        raise TemplateLimitError("its reply made no sense")

    def close(self) -> None:
        """End the process. The next text starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        process.wait()

    def _start(self) -> None:
        root = str(Path(__file__).resolve().parents[3])
        search_path = json.dumps([root, *(os.path.abspath(entry) for entry in sys.path)])
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-X", "utf8", "-c", _BOOT, search_path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={key: value for key, value in os.environ.items() if key in _ENVIRONMENT},
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the app
                bufsize=0,
            )
        except OSError as error:
            raise TemplateLimitError(f"its process could not be started: {error.strerror}") from error
        self._exchange(b"", START_SECONDS)

    def _exchange(self, request: bytes, seconds: float) -> Any:
        """Send one line, if any, and return the value of the next one. Raises TemplateLimitError."""
        process = self._process
        assert process and process.stdin and process.stdout
        memory, due, line = ProcessMemory(process.pid), monotonic() + seconds, bytearray()
        unsent = memoryview(request)
        with suppress(BrokenPipeError):  # it is gone; the empty read below says so
            while unsent:
                unsent = unsent[process.stdin.write(unsent) :]
        while not line.endswith(b"\n"):
            if monotonic() > due:
                raise TemplateLimitError(f"it ran longer than {seconds:.0f} s")
            if not select.select([process.stdout], [], [], _LOOK_SECONDS)[0]:
                if memory.megabytes() > 2 * MEMORY_MB:  # where the system does not limit address space
                    raise TemplateLimitError(f"it needed more than {MEMORY_MB} MB of memory")
                continue
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                raise TemplateLimitError("it crashed")
            line += piece
        return json.loads(line)


# What follows runs in the process.


def _serve() -> None:
    """Answer each line of stdin with one line. Ends when the parent does."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    from transformers.utils.chat_template_utils import render_jinja_template

    _limit_memory()

    def send(reply: Mapping[str, Any]) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    send({"ready": True})
    for line in sys.stdin.buffer:
        _limit_processor()
        send(_render(render_jinja_template, json.loads(line)))


def _render(render: Any, request: Mapping[str, Any]) -> dict[str, str]:
    from jinja2.exceptions import TemplateError

    messages = request["messages"]
    longest = TEXT_SPARE + TEXT_FACTOR * sum(len(message["content"]) for message in messages)
    try:
        texts, _ = render(
            conversations=[messages],
            chat_template=request["template"],
            add_generation_prompt=True,
            **request["variables"],
        )
    except TemplateError as error:
        return {"refused": str(error)[:300]}
    except RecursionError:
        return {"problem": "it calls itself without end"}
    except MemoryError:
        return {"problem": f"it needed more than {MEMORY_MB} MB of memory"}
    except Exception as error:  # whatever a foreign program raises
        return {"problem": f"{type(error).__name__}: {error}"[:300]}
    if len(texts[0]) > longest:
        return {"problem": f"it wrote {len(texts[0])} characters; the limit is {longest}"}
    return {"text": texts[0]}


def _limit_memory() -> None:
    """Not more address space than there is now, and MEMORY_MB."""
    with suppress(ValueError, OSError):
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = now + MEMORY_MB * 1_000_000
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_processor() -> None:
    """A few seconds for the next text, so that one without end dies even where the parent has died."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + 2 * RENDER_SECONDS)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


_SHARED = TemplateRenderer()
atexit.register(_SHARED.close)


def render_chat_template(template: str, messages: Sequence[Message], variables: Mapping[str, Any]) -> str:
    """Render by the one process that all models share. Raises TemplateRefusedError, TemplateLimitError."""
    return _SHARED.render(template, messages, variables)
