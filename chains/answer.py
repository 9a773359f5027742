"""The one door: a question becomes events, and one Answer last."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

from chains import citations, map_reduce, map_rerank, refine, refusal, stuff
from chains.calls import closed
from chains.errors import ContextTooSmall, ModelFailed, UnknownChain
from chains.events import Answer, Event, Step, Token, Trial
from chains.figures import figures
from chains.guided import Guided
from chains.look import CALLS, Looked, bound, look
from chains.meter import Meter
from chains.models.base import Model, Usage
from chains.parts import parts
from chains.prompts import Language, Source, Turn
from chains.rerank import Reranker
from chains.retrieve import ALL, Scope, retrieve
from chains.tasks import RERANK, Rerank, Task
from chains.unsourced import unsourced
from chains.ways import PLAIN, Ways
from ingest.document import Passage
from ingest.errors import PagewiseError, UnknownDocument
from ingest.library import Library
from ingest.tokens import language as language_of


@dataclass(frozen=True)
class Chain:
    """A way from sources to an answer.

    `run` yields a Step with `sources` for everything that the model gets to read for what it writes, before any mark to
    it; marks to other sources are dropped. `calls` is an upper bound on its model calls; it counts tokens but makes no
    call. `tasks`: what it can be asked for.
    """

    name: str
    run: Callable[[Task, Sequence[Source], Model], Iterator[Step | Token | Trial]]
    calls: Callable[[Task, Sequence[Source], Model], int]
    tasks: frozenset[str]


@dataclass(frozen=True)
class Asked:
    """A question with the passages that were found for it: all that a chain needs, and the same for every chain."""

    question: str  # as it was asked
    task: Task  # with the question that was searched for
    sources: tuple[Source, ...]
    ways: Ways = PLAIN

    @property
    def searched(self) -> str:
        """The stand-alone question, where it differs from the question."""
        return self.task.question if self.task.question != self.question else ""


_BOTH = frozenset({"question", "summary"})
CHAINS: Mapping[str, Chain] = {
    "stuff": Chain("stuff", stuff.stuff, stuff.at_most, _BOTH),
    "map_reduce": Chain("map_reduce", map_reduce.map_reduce, map_reduce.at_most, _BOTH),
    "refine": Chain("refine", refine.refine, refine.at_most, _BOTH),
    "map_rerank": Chain("map_rerank", map_rerank.map_rerank, map_rerank.at_most, frozenset({"question"})),
}


def ask(
    question: str,
    library: Library,
    model: Model,
    *,
    chain: str = "stuff",
    k: int = 8,
    documents: Sequence[str] | None = None,
    scope: Scope = ALL,
    reranker: Reranker | None = None,
    history: Sequence[Turn] = (),
    language: Language | None = None,
    rerank: Rerank = RERANK,
    ways: Ways = PLAIN,
) -> Iterator[Event]:
    """Events, and one Answer last. Closing it stops the model's work.

    `documents`, `scope`, `reranker`: as in chains/retrieve.py. `language` None answers in the question's; a question
    that asks for a language itself ("… Answer in Chinese.") is answered in that. `rerank`: how map_rerank weighs its
    sources. Raises UnknownChain at once, a library's error before the first event; what goes wrong later is the
    Answer's `error`, beside the text that had come.
    """
    found = partial(retrieve, library=library, k=k, documents=documents, scope=scope, reranker=reranker)
    chosen = _chain(chain, "question")

    def looking(meter: Model) -> Generator[Step, None, Looked]:
        return look(question, found, k, meter, history, language, ways)

    return _ask(question, looking, model, chosen, rerank, ways)


def asked(
    question: str,
    wanted: str,
    passages: Sequence[Passage],
    language: Language | None,
    rerank: Rerank = RERANK,
    ways: Ways = PLAIN,
) -> Asked:
    """`wanted`: the question as it was searched for; `language` None answers in the question's."""
    sources = tuple(Source(n, passage) for n, passage in enumerate(passages, 1))
    task = Task("question", wanted, language or language_of(question), rerank=rerank)
    return Asked(question, task, sources, ways)


def answer_from(given: Asked, model: Model, chain: str) -> Iterator[Event]:
    """One chain over passages that were found before: events, and one Answer last, as `ask`. Nothing is searched."""
    one = _chain(chain, "question")
    begun = replace(_begun(given.question, one, model), sources=given.sources, searched=given.searched)
    return _run(one, given.task, begun, Meter(model), monotonic(), given.ways)


def summarize(
    document: str, library: Library, model: Model, *, chain: str = "map_reduce", language: Language | None = None
) -> Iterator[Event]:
    """Events, and one Answer last, as `ask`. `document` is an id; `language` None writes in the document's."""
    return _summarize(document, library, model, _chain(chain, "summary"), language)


def cut_short(events: Sequence[Event], question: str, chain: str, model: str, seconds: float) -> Answer:
    """The stopped answer, from the events that had come before a caller closed the iterator.

    Its calls are those whose outcome had been told; tokens used are not known then.
    """
    sources: tuple[Source, ...] = ()
    given: set[int] = set()
    searched, calls, writing = "", 0, False
    begun = chain != "map_rerank"  # the call that writes; where map_rerank scores first, there is a best source
    for event in events:
        if isinstance(event, Step):
            given.update(source.n for source in event.sources if event.name != "searched")
            if event.name == "searched":
                sources = event.sources
            elif event.name == "condensed":
                searched = event.text
            begun = begun or event.name == "best"
            calls += event.name in CALLS
            calls += event.name in ("joined", "drafted", "scored") or (event.name == "read" and chain == "map_reduce")
        writing = writing or isinstance(event, Token)
    text = "".join(event.text for event in events if isinstance(event, Token))
    reader = citations.read(text, given)
    found = citations.cite(reader, sources)
    reasoned = [event for event in events if isinstance(event, Step) and event.name == "reasoned" and event.text]
    return Answer(
        question=question,
        text=reader.text,
        citations=found,
        sources=sources,
        refused=False,
        chain=chain,
        model=model,
        calls=calls + (writing and begun),
        seconds=seconds,
        usage=Usage(),
        stopped=True,
        searched=searched,
        figures=figures(reader.text, question, found, sources),
        unsourced=unsourced(reader.text, sources, whole=False),
        reasoning=_behind(reasoned, {claim.n for claim in reader.claims}),
    )


def _chain(name: str, task: str) -> Chain:
    chain = CHAINS.get(name)
    if chain is None or task not in chain.tasks:
        raise UnknownChain(name=name, names=", ".join(c.name for c in CHAINS.values() if task in c.tasks))
    return chain


def _ask(
    question: str,
    looking: Callable[[Model], Generator[Step, None, Looked]],
    model: Model,
    chain: Chain,
    rerank: Rerank,
    ways: Ways,
) -> Iterator[Event]:
    started, meter = monotonic(), Meter(model)
    meter.bound = bound(ways)
    answer = _begun(question, chain, model)
    try:
        found = yield from looking(meter)
    except PagewiseError as error:
        if not meter.calls:
            raise
        yield replace(answer, calls=meter.calls, seconds=monotonic() - started, usage=meter.usage, error=error)
        return
    given = asked(question, found.question, found.passages, found.language, rerank, ways)
    begun = replace(answer, sources=given.sources, searched=given.searched)
    yield from _run(chain, given.task, begun, meter, started, ways)


def _summarize(
    document: str, library: Library, model: Model, chain: Chain, language: Language | None
) -> Iterator[Event]:
    started, meter = monotonic(), Meter(model)
    record = library.holds(document)
    if record is None:
        raise UnknownDocument(name=document)
    passages = library.all_passages(document)
    task = Task("summary", record.title, language or language_of(" ".join(passage.text for passage in passages[:20])))
    try:
        pages = [library.page(document, number) for number in range(1, record.pages + 1)]
        sources = parts(passages, pages, task, meter)
    except ContextTooSmall:  # for the chain as well, which says so in its Answer
        sources = tuple(Source(n, passage) for n, passage in enumerate(passages, 1))
    yield from _run(chain, task, replace(_begun(record.title, chain, model), sources=sources), meter, started)


def _begun(question: str, chain: Chain, model: Model) -> Answer:
    return Answer(question, "", (), (), False, chain.name, model.name, 0, 0.0, Usage())


def _run(
    chain: Chain, task: Task, answer: Answer, meter: Meter, started: float, ways: Ways = PLAIN
) -> Iterator[Event]:
    """The chain over numbered sources, its marks read, its citations checked; last the Answer that `answer` begins."""
    sources = answer.sources
    yield Step("searched", len(sources), len(sources), sources=sources)
    given: set[int] = set()
    reader, trial = citations.MarkReader(given), citations.MarkReader(given)
    error: PagewiseError | None = None
    reasoned: list[Step] = []
    if sources:
        try:
            guided = Guided(meter, task.question, ways)
            meter.bound = meter.calls + chain.calls(task, sources, guided) + guided.spare
            yield Step("planned", total=meter.bound)
            with closed(chain.run(task, sources, guided)) as events:
                for event in events:
                    for step in guided.told():
                        reasoned += [step] if step.name == "reasoned" and step.text else []
                        yield step
                    if isinstance(event, Token):
                        yield Token(reader.feed(event.text))
                        continue
                    if isinstance(event, Trial):
                        yield Trial(trial.feed(event.text))
                        continue
                    given.update(source.n for source in event.sources)
                    shown = citations.read(event.text, given).text if event.name == "drafted" else event.text
                    yield replace(event, text=shown)
        except PagewiseError as broken:
            error = broken
    if rest := reader.close():
        yield Token(rest)
    thoughts = _behind(reasoned, {claim.n for claim in reader.claims})
    answer = replace(answer, dropped=reader.dropped, reasoning=thoughts)
    if sources and error is None and not reader.text:
        error = ModelFailed(model=meter.name, detail="its reply was empty")
    if error is None and (not sources or refusal.is_refusal(reader.text)):
        answer = replace(answer, text=refusal.NOT_FOUND[task.language], refused=True)
    else:
        found = citations.cite(reader, sources)
        held = figures(reader.text, answer.question, found, sources)
        alone = unsourced(reader.text, sources, whole=error is None)
        answer = replace(answer, text=reader.text, citations=found, figures=held, unsourced=alone, error=error)
        if found:
            yield Step("verified", answer.verified, len(found), str(answer.near or ""))
    yield replace(answer, calls=meter.calls, seconds=monotonic() - started, usage=meter.usage)


def _behind(reasoned: Sequence[Step], cited: Collection[int]) -> tuple[str, ...]:
    """Of what was reasoned in several calls, that of those whose sources the answer cites; all where it cites none."""
    mine = [step for step in reasoned if not step.sources or any(source.n in cited for source in step.sources)]
    return tuple(step.text for step in mine or reasoned)
