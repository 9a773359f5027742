"""Other providers of chat models, and specs that name none."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from chains.errors import (
    PackageMissing,
    UnknownModel,
)
from chains.model import Finish, Usage
from chains.models import open_model
from chains.models.remote.chat import Chat
from tests.support.asking import KEY, read, thought


def test_a_provider_without_its_package_says_what_to_install() -> None:
    with pytest.raises(PackageMissing, match=r"pip install .*langchain-anthropic"):
        open_model("anthropic:claude", api_key="x")


@pytest.mark.parametrize("spec", ["nonsense:model", "", "openai:", "gpt-5"])
def test_a_spec_that_names_nothing(spec: str) -> None:
    with pytest.raises(UnknownModel):
        open_model(spec)


def test_openai_s_key_is_not_shown_to_another_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(Chat, "__init__", lambda self, spec, base, key, *rest: given.append(key))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    open_model("anthropic:claude", api_key=KEY)
    open_model("anthropic:claude", api_key="its own")
    assert given == ["", "its own"]


def test_another_provider_s_class_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chat model of another package, which names its reasons and its usage in its own way."""
    import types

    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk
    from langchain_core.outputs import ChatGenerationChunk
    from pydantic import Field

    class ChatGroq(BaseChatModel):  # type: ignore[misc,unused-ignore]
        model: str
        api_key: str
        max_tokens: int
        temperature: float
        profile: Any = Field(default_factory=lambda: {"max_input_tokens": 5000})

        @property
        def _llm_type(self) -> str:
            return "groq"

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            for text in ("<think>hm</think>", f"{self.max_tokens} "):
                yield ChatGenerationChunk(message=AIMessageChunk(content=text))
            blocks = [{"type": "thinking", "thinking": " Hm."}, {"type": "text", "text": "words"}]
            last = AIMessageChunk(
                content=blocks,
                response_metadata={"stop_reason": "max_tokens"},
                usage_metadata={"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
            )
            yield ChatGenerationChunk(message=last)

    module = types.ModuleType("langchain_groq")
    module.ChatGroq = ChatGroq  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "langchain_groq", module)
    model = open_model("groq:llama", api_key=KEY)
    assert model.context == 5000 and model.name == "groq:llama"
    assert read(model) == ("60 words", Finish("length", Usage(5, 2), 2)) and thought(model) == "hm Hm."


@pytest.mark.parametrize(
    ("spec", "there"), [("openai:m", True), ("extractive", False), ("local:/nowhere", False), ("nonsense", False)]
)
def test_what_the_first_question_would_wait_for_is_imported_before(spec: str, there: bool) -> None:
    code = f"import sys; from chains.models import prepare; prepare({spec!r}); print('langchain_openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(there)
