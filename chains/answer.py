"""The one door: a question becomes events, and one Answer last."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

from chains import citations, map_reduce, map_rerank, refine, refusal, stuff
from chains.calls import closed
from chains.condense import condense
from chains.errors import ContextTooSmall, ModelFailed, UnknownChain
from chains.events import Answer, Event, Step, Token, Trial
from chains.figures import figures
from chains.meter import Meter
from chains.models.base import Model, Usage
from chains.parts import parts
from chains.prompts import Language, Source, Turn
from chains.rerank import Reranker
from chains.retrieve import ALL, Scope, retrieve
from chains.tasks import RERANK, Rerank, Task
from chains.unsourced import unsourced
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
) -> Iterator[Event]:
    """Events, and one Answer last. Closing it stops the model's work.

    `documents`, `scope`, `reranker`: as in chains/retrieve.py. `language` None answers in the question's. `rerank`: how
    map_rerank weighs its sources. Raises UnknownChain at once, a library's error before the first event; what goes
    wrong later is the Answer's `error`, beside the text that had come.
    """
    found = partial(retrieve, library=library, k=k, documents=documents, scope=scope, reranker=reranker)
    return _ask(question, found, model, _chain(chain, "question"), history, language, rerank)


def asked(
    question: str, wanted: str, passages: Sequence[Passage], language: Language | None, rerank: Rerank = RERANK
) -> Asked:
    """`wanted`: the question as it was searched for; `language` None answers in the question's."""
    sources = tuple(Source(n, passage) for n, passage in enumerate(passages, 1))
    return Asked(question, Task("question", wanted, language or language_of(question), rerank=rerank), sources)


def answer_from(given: Asked, model: Model, chain: str) -> Iterator[Event]:
    """One chain over passages that were found before: events, and one Answer last, as `ask`. Nothing is searched."""
    one = _chain(chain, "question")
    begun = replace(_begun(given.question, one, model), sources=given.sources, searched=given.searched)
    return _run(one, given.task, begun, Meter(model), monotonic())


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
                searched, calls = event.text, calls + 1
            begun = begun or event.name == "best"
            calls += event.name in ("joined", "drafted", "scored") or (event.name == "read" and chain == "map_reduce")
        writing = writing or isinstance(event, Token)
    text = "".join(event.text for event in events if isinstance(event, Token))
    reader = citations.read(text, given)
    found = citations.cite(reader, sources)
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
    )


def _chain(name: str, task: str) -> Chain:
    chain = CHAINS.get(name)
    if chain is None or task not in chain.tasks:
        raise UnknownChain(name=name, names=", ".join(c.name for c in CHAINS.values() if task in c.tasks))
    return chain


def _ask(
    question: str,
    find: Callable[[str], Sequence[Passage]],
    model: Model,
    chain: Chain,
    history: Sequence[Turn],
    language: Language | None,
    rerank: Rerank,
) -> Iterator[Event]:
    started, meter = monotonic(), Meter(model)
    meter.bound = 1
    wanted = condense(question, history, meter)
    answer = replace(_begun(question, chain, model), searched=wanted if wanted != question else "")
    if answer.searched:
        yield Step("condensed", text=wanted)
    try:
        passages = find(wanted)
    except PagewiseError as error:
        if not answer.searched:
            raise
        yield replace(answer, calls=meter.calls, seconds=monotonic() - started, usage=meter.usage, error=error)
        return
    given = asked(question, wanted, passages, language, rerank)
    yield from _run(chain, given.task, replace(answer, sources=given.sources), meter, started)


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


def _run(chain: Chain, task: Task, answer: Answer, meter: Meter, started: float) -> Iterator[Event]:
    """The chain over numbered sources, its marks read, its citations checked; last the Answer that `answer` begins."""
    sources = answer.sources
    yield Step("searched", len(sources), len(sources), sources=sources)
    given: set[int] = set()
    reader, trial = citations.MarkReader(given), citations.MarkReader(given)
    error: PagewiseError | None = None
    if sources:
        try:
            meter.bound = meter.calls + chain.calls(task, sources, meter)
            yield Step("planned", total=meter.bound)
            with closed(chain.run(task, sources, meter)) as events:
                for event in events:
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
    answer = replace(answer, dropped=reader.dropped)
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
