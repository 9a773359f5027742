"""What an OpenAI-compatible server streams, made well-formed: of each chunk only what is used, each of its right kind.

Servers differ, and some are wrong in a corner: a finish without a delta, usage that is a word, a second choice that
nobody asked for, an error in the place of a chunk, one whole reply in the place of a stream. What can be understood is;
the rest says nothing, and a reply that never ends or never says that it ended is told by whoever reads it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Chunk = dict[str, Any]

THOUGHT = "reasoning_content"  # DeepSeek, vLLM and llama.cpp call it so; Ollama and OpenRouter "reasoning"
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_EVENT = b"data:"


class Completions:
    """The OpenAI package's completions, whose streams are read as plain JSON.

    LangChain takes chunks so too. To make objects of the package's types takes as long as all else about a chunk.
    """

    def __init__(self, completions: Any) -> None:
        self._completions = completions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._completions, name)

    def create(self, **payload: Any) -> Any:
        made = self._completions.create(**payload)
        return _Stream(made) if payload.get("stream") else made


class _Stream:
    """A reply's chunks, well-formed; `stream` is the package's own, of plain values."""

    def __init__(self, stream: Any) -> None:
        stream._cast_to = object  # where a later version has no such thing, chunks are objects, as they were
        self.stream = stream

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *raised: object) -> None:
        self.stream.close()

    def __iter__(self) -> Iterator[Chunk]:
        kind = self.stream.response.headers.get("content-type", "").lower()
        if "json" in kind or "html" in kind:  # no stream was made of it
            yield from self._whole()
            return
        for chunk in self.stream:
            if hasattr(chunk, "model_dump"):
                chunk = chunk.model_dump()
            if isinstance(chunk, dict):
                self._fail(chunk)
                yield cleaned(chunk)

    def _whole(self) -> Iterator[Chunk]:
        """A reply that came in one piece, or a stream under a wrong name."""
        body = self.stream.response.read()
        lines = [line[len(_EVENT) :] for line in body.splitlines() if line.startswith(_EVENT)]
        found = [part for part in map(_json, lines or [body]) if isinstance(part, dict)]
        if not found:
            self._fail({"error": "the server sent something that is no reply"})
        for part in found:
            self._fail(part)
            yield cleaned(part)

    def _fail(self, chunk: Chunk) -> None:
        """Raises the error that came in the place of a chunk."""
        from openai import APIError

        error = chunk.get("error") or (chunk if chunk.get("object") == "error" else None)
        if error:
            said = error if isinstance(error, str) else error.get("message") if isinstance(error, dict) else None
            raise APIError(str(said or "an error"), request=self.stream.response.request, body=error)


def cleaned(chunk: Mapping[str, Any]) -> Chunk:
    """The chunk with its first choice alone, and its bill."""
    choices = chunk.get("choices")
    found = [one for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []
    first = next((one for one in found if one.get("index") in (0, None)), None)
    usage = chunk.get("usage")
    return {
        "choices": [_choice(first)] if first is not None else [],
        "usage": _bill(usage) if isinstance(usage, dict) else None,
        **{name: chunk[name] for name in ("id", "model") if isinstance(chunk.get(name), str)},
    }


def _choice(choice: Mapping[str, Any]) -> Chunk:
    """What it says and thinks, and why it ended. Nothing was asked for that calls tools; a refusal is what it says.

    A reply in one piece has a message in the place of the delta, an old server a text.
    """
    why = choice.get("finish_reason")
    delta = next((one for one in (choice.get("delta"), choice.get("message")) if isinstance(one, dict)), {})
    thought = next((one for one in (delta.get(THOUGHT), delta.get("reasoning")) if isinstance(one, str)), "")
    said = {"role": "assistant", "content": _text(delta.get("content")) or _text(delta.get("refusal"))}
    said["content"] = said["content"] or _text(choice.get("text"))
    return {
        "index": 0,
        "delta": said | ({THOUGHT: thought} if thought else {}),
        "finish_reason": why if isinstance(why, str) else None,
    }


def _text(content: Any) -> str:
    """Some servers send a list of blocks."""
    if isinstance(content, list):
        return "".join(_text(block.get("text")) for block in content if isinstance(block, dict))
    return content if isinstance(content, str) else ""


def _bill(usage: Mapping[str, Any]) -> Chunk:
    return {name: usage[name] if _is_count(usage.get(name)) else 0 for name in _COUNTS}


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
