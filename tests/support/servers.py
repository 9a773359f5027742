"""An OpenAI-compatible server on loopback that does as it is told: well, badly, or not at all. It records all."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: Any  # of JSON


@dataclass
class Reply:
    """What the server says to one request. `events` go out as server-sent events, one a line, as they are."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None  # sent as JSON; a str as it is
    events: Sequence[str] | None = None
    pause: float = 0.0  # seconds before each event
    before: float = 0.0  # seconds before anything
    after: float = 0.0  # seconds of silence after the last event, with the reply not ended
    cut: bool = False  # drop the connection in the middle of the body


def chunk(text: str = "", finish: str | None = None, **delta: Any) -> str:
    """One chunk of a streamed reply."""
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": finish}
    return json.dumps({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def usage(input_tokens: int, output_tokens: int) -> str:
    """The chunk with the bill, which comes last."""
    counts = {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }
    return json.dumps(
        {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": counts}
    )


def said(*pieces: str, finish: str | None = "stop", bill: tuple[int, int] | None = (11, 7), **how: Any) -> Reply:
    """A whole reply as a good server gives it."""
    events = [*(chunk(piece) for piece in pieces)]
    if finish:
        events.append(chunk(finish=finish))
    if bill:
        events.append(usage(*bill))
    return Reply(events=[*events, "[DONE]"], **how)


def refused(status: int, message: str, code: str = "", **headers: str) -> Reply:
    """An error as OpenAI words it."""
    error = {"message": message, "type": "error", "code": code or None}
    return Reply(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body={"error": error})


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what some tests are about."""


Script = Sequence[Reply] | Callable[[Request], Reply | None]


class Scripted:
    """Answers POST …/chat/completions with the next of `script`, the last one again and again; or by a function.

    `routes`: what to answer elsewhere, by path; else 404. `left` is set when a client hung up while it was being told
    something; `told` counts the events that went out.
    """

    def __init__(self, script: Script, routes: Mapping[str, Any] | None = None) -> None:
        self.requests: list[Request] = []
        self.left = threading.Event()
        self.told = 0
        self.times: list[float] = []  # when each chat request came, by the server's clock
        self._script, self._routes, self._lock = script, dict(routes or {}), threading.Lock()
        self._asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._handle(self, "GET")

            def do_POST(self) -> None:
                outer._handle(self, "POST")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.url = f"{self.root}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def chats(self) -> list[Request]:
        return [request for request in self.requests if request.path.endswith("/chat/completions")]

    def _next(self, request: Request) -> Reply:
        if callable(self._script):
            return self._script(request) or Reply(status=404, body={"error": {"message": "not scripted"}})
        reply = self._script[min(self._asked, len(self._script) - 1)]
        self._asked += 1
        return reply

    def _handle(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        data = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(method, handler.path, headers, json.loads(data) if data else None)
        with self._lock:
            self.requests.append(request)
            if handler.path.endswith("/chat/completions"):
                self.times.append(time.monotonic())
                reply = self._next(request)
            elif handler.path in self._routes:
                found = self._routes[handler.path]
                found = found(request) if callable(found) else found
                reply = found if isinstance(found, Reply) else Reply(body=found)
            else:
                reply = Reply(status=404, body={"error": {"message": "no such path"}})
        with contextlib.suppress(OSError):
            self._send(handler, reply)

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.before and self._wait(handler, reply.before):
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if reply.events is None:
            body = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(body.encode()) + (100 if reply.cut else 0)))
            handler.end_headers()
            handler.wfile.write(body.encode())
        else:
            handler.send_header("content-type", "text/event-stream")
            handler.send_header("transfer-encoding", "chunked")
            handler.end_headers()
            for event in reply.events:
                if reply.pause and self._wait(handler, reply.pause):
                    return
                line = (event if event.startswith(":") else f"data: {event}") + "\n\n"
                data = line.encode()
                try:
                    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                    handler.wfile.flush()
                except OSError:
                    self.left.set()
                    raise
                with self._lock:
                    self.told += 1
            if reply.after and self._wait(handler, reply.after):
                return
            if not reply.cut:
                handler.wfile.write(b"0\r\n\r\n")
        if reply.cut:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)

    def _wait(self, handler: BaseHTTPRequestHandler, seconds: float) -> bool:
        """Sleeps; true as soon as the client has hung up."""
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0:
            handler.connection.settimeout(min(rest, 0.02))
            try:
                if handler.connection.recv(1, socket.MSG_PEEK) == b"":
                    self.left.set()
                    return True
                time.sleep(min(rest, 0.02))
            except TimeoutError:
                continue
            except OSError:
                self.left.set()
                return True
            finally:
                handler.connection.settimeout(None)
        return False


class Canary:
    """A listener on loopback that hears whoever connects, whatever they say: nobody should."""

    def __init__(self) -> None:
        self.heard = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                caller, _ = self._socket.accept()
                self.heard += 1
                caller.close()

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def serving(script: Script, routes: Mapping[str, Any] | None = None) -> Iterator[Scripted]:
    """A Scripted server that ends with the block."""
    server = Scripted(script, routes)
    try:
        yield server
    finally:
        server.close()


def llama_cpp(model: str, window: int) -> dict[str, Any]:
    """What llama.cpp's server says of itself: one model, trained for more than a slot of it has; it counts."""


    def templated(request: Request) -> Reply:
        parts = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in request.body["messages"]]
        return Reply(body={"prompt": "".join(parts) + "<|im_start|>assistant\n"})

    entry = {"id": model, "owned_by": "llamacpp", "meta": {"n_ctx_train": 131072}}
    return {
        "/v1/models": {"object": "list", "data": [entry]},
        "/props": {"default_generation_settings": {"n_ctx": window}, "total_slots": 1, "model_path": f"/m/{model}"},
        "/apply-template": templated,
        "/tokenize": lambda r: Reply(body={"tokens": list(range(len(r.body["content"]) // 4))}),
    }


def ollama(models: Mapping[str, int], loaded: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What Ollama says of itself: `models` with what they were trained for, `loaded` with what they have now."""
    info = {name: Reply(body={"model_info": {"x.context_length": window}}) for name, window in models.items()}
    return {
        "/v1/models": {"object": "list", "data": [{"id": name, "owned_by": "library"} for name in models]},
        "/api/show": lambda r: info.get(r.body["model"], Reply(status=404, body={"error": "not found"})),
        "/api/ps": {"models": [{"name": n, "model": n, "context_length": w} for n, w in (loaded or {}).items()]},
    }
