"""An OpenAI-compatible server on loopback that answers each call after the same time, and remembers when.

    python benchmarks/fake_llm_server.py '{"latency": 0.2, "room": 8, "window": 32768, "words": 30}'

Prints {"url": …} and serves until its input ends, as it does with whoever started it. A call takes `latency` seconds
from the moment that it is let in: half of them until the first of its words, the others until the last. `room` calls
are let in at once, the others wait.
GET /log gives what has come since the last POST /reset: {"calls": [[begin, first, end], …], "counted"}; seconds of the
monotonic clock, which on Linux all processes share, and the tokens of all texts that it was asked to count. POST /reset
takes new values of what was given at the start. Tokens are words and signs.
"""

import asyncio
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_TOKEN = re.compile(r"\w+|[^\w\s]")
_SOURCE = re.compile(r'<source n="(\d+)"|\[(\d+)')
# A beginning and an end that every chain takes for an answer, LangChain's reader of scores too.
_BEGUN, _ENDED = "The lake of the report is blue, and in winter it is cold and still [{n}].", "\nScore: 80"


def tokens(text: str) -> int:
    return len(_TOKEN.findall(text))


def reply(words: int, asked: str) -> list[str]:
    """The pieces of a reply of about so many tokens, which cites the first source of what was asked."""
    found = _SOURCE.search(asked)
    begun = _BEGUN.format(n=(found[1] or found[2]) if found else 1)
    text = begun + " It is deep and clear." * max(0, (words - tokens(begun + _ENDED)) // 6) + _ENDED
    return re.findall(r"\s*(?:\w+|[^\w\s])", text)


class Loopback:
    """The ASGI application."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self._room = asyncio.Semaphore(self._settings["room"])
        self._calls: list[list[float]] = []
        self._counted = 0

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        begin = time.monotonic()
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        asked: dict[str, Any] = json.loads(body) if body else {}
        path = scope["path"]
        if path.endswith("/chat/completions"):
            await self._chat(begin, asked, send)
            return
        found: Any = None
        if path == "/v1/models":
            found = {"data": [{"id": "bench", "max_model_len": self._settings["window"]}]}
        elif path == "/tokenize":
            text = asked.get("prompt") or "\n".join(message["content"] for message in asked["messages"])
            count = tokens(text)
            self._counted += count
            found = {"count": count}
        elif path == "/log":
            found = {"calls": self._calls, "counted": self._counted}
        elif path == "/reset":
            self._settings |= asked
            self._calls, self._counted, found = [], 0, {}
        await _send(send, 404 if found is None else 200, json.dumps(found or {}).encode())

    async def _chat(self, begin: float, asked: Mapping[str, Any], send: Send) -> None:
        # The last message: the first may tell how a mark is written.
        pieces = reply(self._settings["words"], str(asked["messages"][-1]["content"]))
        most = asked.get("max_tokens") or asked.get("max_completion_tokens") or len(pieces)
        why, pieces = ("length" if len(pieces) > most else "stop"), pieces[:most]
        async with self._room:
            start, latency = time.monotonic(), self._settings["latency"]
            await _until(start + latency / 2)
            first = time.monotonic()
            if asked.get("stream"):
                await send(_head(200, b"text/event-stream"))
                for n, piece in enumerate(pieces):
                    await _until(start + latency * (1 + n / len(pieces)) / 2)
                    await _event(send, _chunk({"content": piece}))
            await _until(start + latency)
            usage = {"prompt_tokens": 1, "completion_tokens": len(pieces), "total_tokens": 1 + len(pieces)}
            end = time.monotonic()
            if asked.get("stream"):
                await _event(send, _chunk({}, why))
                await _event(send, {**_chunk({}), "choices": [], "usage": usage})
                await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
            else:
                said = {"index": 0, "message": {"role": "assistant", "content": "".join(pieces)}, "finish_reason": why}
                whole = {**_chunk({}), "object": "chat.completion", "choices": [said], "usage": usage}
                await _send(send, 200, json.dumps(whole).encode())
            self._calls.append([begin, first, end])


def _chunk(delta: Mapping[str, str], why: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": why}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "bench", "choices": [choice]}


def _head(status: int, kind: bytes) -> Message:
    return {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]}


async def _event(send: Send, data: Mapping[str, Any]) -> None:
    await send({"type": "http.response.body", "body": b"data: %s\n\n" % json.dumps(data).encode(), "more_body": True})


async def _send(send: Send, status: int, body: bytes) -> None:
    await send(_head(status, b"application/json"))
    await send({"type": "http.response.body", "body": body})


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


def main(settings: str) -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(512)
    print(json.dumps({"url": f"http://127.0.0.1:{listening.getsockname()[1]}"}), flush=True)

    def leave() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=leave, daemon=True).start()

    async def serve() -> None:
        app: Any = Loopback(json.loads(settings))
        config = uvicorn.Config(app, lifespan="off", log_level="error", access_log=False)
        await uvicorn.Server(config).serve(sockets=[listening])

    asyncio.run(serve())


if __name__ == "__main__":
    main(*sys.argv[1:])
