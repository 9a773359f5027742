"""One prompt asked of a model behind a server on loopback: what came, and what went wrong."""

import pytest

from chains.errors import (
    ModelError,
)
from chains.model import Finish, Model, Thought
from chains.models import open_model
from chains.prompt import Prompt
from tests.support.servers import Scripted

KEY = "sk-planted-1234567890abcdef"
PROMPT = Prompt("answer", "question", "When was the bridge opened?", "en", 60)


def opened(server: Scripted, key: str = KEY, context: int = 0, seconds: float = 5) -> Model:
    return open_model("openai:m", api_base=server.url, api_key=key, context=context, seconds=seconds)


def read(model: Model, prompt: Prompt = PROMPT) -> tuple[str, Finish]:
    *pieces, last = model.stream(prompt)
    assert isinstance(last, Finish)
    assert not any(isinstance(piece, Finish) for piece in pieces)
    return "".join(piece for piece in pieces if isinstance(piece, str)), last


def thought(model: Model, prompt: Prompt = PROMPT) -> str:
    """What the model thinks of its own accord on the way to its reply."""
    return "".join(piece.text for piece in model.stream(prompt) if isinstance(piece, Thought))


def broken(model: Model, prompt: Prompt = PROMPT) -> tuple[str, ModelError]:
    """What came, and the error that ended it."""
    text = ""
    with pytest.raises(ModelError) as caught:
        for piece in model.stream(prompt):
            assert not isinstance(piece, Finish)
            text += piece if isinstance(piece, str) else ""
    assert KEY not in str(caught.value) and KEY not in repr(caught.value.params)
    return text, caught.value
