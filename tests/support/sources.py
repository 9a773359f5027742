"""Sources and tasks for tests of the chains, and a chain run as the program runs it: within its bound."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from chains.answer import CHAINS
from chains.errors import StreamCut
from chains.events import Step, Token, Trial
from chains.execution.metered_model import Meter
from chains.prompt import Language, Prompt, Source, Task
from ingest.chunk import split
from ingest.document import Chunk, Document, Page, Passage, Span
from ingest.store.library import Library
from tests.support.fakes import HashingEmbedder, ScriptedModel

QUESTION = Task("question", "What colour is the lake?", "en")
SUMMARY = Task("summary", "The lakes", "en")
CUT = StreamCut(detail="reset")
LAKES = Document(
    sha256(b"lakes.pdf").hexdigest(),
    "lakes.pdf",
    "The lakes",
    tuple(
        Page(
            n, str(n), "\n".join(f"Lake {word} number {n} is {colour} and deep." for word in ("Alpha", "Beta", "Gamma"))
        )
        for n, colour in enumerate(("blue", "green", "grey", "black"), 1)
    ),
)
NOVEL = Document(
    sha256(b"novel.pdf").hexdigest(),
    "novel.pdf",
    "傲慢与偏见",
    tuple(Page(n, str(n), "".join(f"第{n}章第{i}句写的是达西先生的信。" for i in range(30))) for n in range(1, 4)),
)


def source(n: int, text: str, page: int = 1, name: str = "lakes.pdf", heading: str = "") -> Source:
    """Source n, all on one page."""
    chunk = Chunk(f"chunk{n}", "d" * 64, n - 1, 0, len(text), text, heading, (Span(page, str(page), 0, len(text)),))
    return Source(n, Passage(chunk, name, "The lakes", 1 / n))


def sources(*texts: str) -> list[Source]:
    return [source(n, text, page=n) for n, text in enumerate(texts, 1)]


def by_role(**replies: str | Callable[[Prompt], str]) -> Callable[[Prompt], str]:
    """A reply for each role; a role that is not named must not be asked."""

    def reply(prompt: Prompt) -> str:
        found = replies[prompt.role]
        return found if isinstance(found, str) else found(prompt)

    return reply


def run(chain: str, task: Task, given: Sequence[Source], model: ScriptedModel) -> list[Step | Token | Trial]:
    """The chain's events. Its calls and tokens stay within what it announced."""
    meter = Meter(model)
    plan = CHAINS[chain].plan(task, given, meter)
    meter.bound = plan.calls
    assert model.calls == 0  # announcing costs no call
    try:
        return list(CHAINS[chain].run(task, given, meter))
    finally:
        assert model.calls <= meter.bound
        if model.obeys:  # what a model writes beyond its longest reply nobody can announce
            assert meter.usage.input_tokens <= plan.usage.input_tokens
            assert meter.usage.output_tokens <= plan.usage.output_tokens


def text(events: Sequence[object]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def steps(events: Sequence[object], name: str) -> list[Step]:
    return [event for event in events if isinstance(event, Step) and event.name == name]


def words(n: int, language: Language = "en") -> str:
    """n tokens of the scripted model, in sentences of ten."""
    if language == "zh":
        return "".join("湖水是蓝色的而且深" + "。" for _ in range(n // 10))
    return " ".join(" ".join(["Water"] + ["water"] * 7 + [f"w{i}."]) for i in range(n // 10))


def note(prompt: Prompt) -> str:
    n = prompt.sources[0].n
    return f'The lake of source {n} is blue [{n}: "water"].'


def told(prompt: Prompt) -> str:
    """What a model does that uses everything it is given."""
    match prompt.role:
        case "map":
            return note(prompt)
        case "rerank":
            return f"{note(prompt)}\nScore: {100 - prompt.sources[0].n}/100"
        case "score":
            return f"Score: {100 - prompt.sources[0].n}/100"
        case "reduce":
            return "\n".join(prompt.notes)
        case "refine":
            return prompt.draft + "\n" + "\n".join(f"Source {s.n} says blue [{s.n}]." for s in prompt.sources)
        case _:
            return "\n".join(f"Source {s.n} says blue [{s.n}]." for s in prompt.sources)


def seen(model: ScriptedModel, role: str = "") -> list[int]:
    return [s.n for prompt in model.prompts if role in ("", prompt.role) for s in prompt.sources]


@contextmanager
def filled(folder: Path) -> Iterator[Library]:
    """A library with the lakes and the novel."""
    embedder = HashingEmbedder(window=40)
    with Library(folder / "data", embedder) as library:
        for document in (LAKES, NOVEL):
            file = folder / document.name
            file.write_bytes(document.name.encode())  # its id is the hash of this
            chunks = split(document, embedder.count, embedder.window)
            library.add(document, chunks, embedder.documents([chunk.text for chunk in chunks]), file)
        yield library
