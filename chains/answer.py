"""The one door: a question becomes events, and one Answer last."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

from chains.cost import Cost
from chains.errors import CapReached, NoReply, NothingCame, UnknownChain
from chains.events import Answer, Event, Step, Token, Trial
from chains.execution.context_budget import fitted
from chains.execution.estimate import announced
from chains.execution.limits import FREELY, Ledger, Spending
from chains.execution.llm_calls import closed
from chains.execution.metered_model import Meter
from chains.execution.reasoning import Guided
from chains.execution.resume import Memory
from chains.execution.resume import scope as work
from chains.grounding import citations, refusal
from chains.grounding.number_check import figures
from chains.grounding.uncited import unsourced
from chains.language import detect
from chains.language.names import heard
from chains.model import QUOTES, Model, Usage
from chains.options import PLAIN, Ways
from chains.partial_answer import behind
from chains.plan import Plan, Stage
from chains.prompt import RERANK, Language, Rerank, Source, Task, Turn, Wanted
from chains.question.gather import Looked, bound, look
from chains.retrieval.hybrid import ALL, Scope, retrieve
from chains.retrieval.rerank import Reranker
from chains.strategies import map_reduce, map_rerank, recursive, refine, stuff
from chains.strategies.whole_document import documents as documents_of
from chains.strategies.whole_document import whole
from chains.thinking import parted
from ingest.document import Passage
from ingest.errors import PagewiseError
from ingest.store.library import Library
from ingest.text.search_tokens import language as language_of


@dataclass(frozen=True)
class Chain:
    """A way from sources to an answer.

    `run` yields a Step with `sources` for everything that the model gets to read for what it writes, before any mark to
    it; marks to other sources are dropped. `plan` is an upper bound on its calls and tokens; it counts tokens but makes
    no call. `tasks`: what it can be asked for. `closing`: what it needs to make an answer of so many sources that it
    has read.
    """

    name: str
    run: Callable[[Task, Sequence[Source], Model], Iterator[Step | Token | Trial]]
    plan: Callable[[Task, Sequence[Source], Model], Plan]
    tasks: frozenset[str]
    closing: Callable[[Task, int, Model], Sequence[Stage]] = lambda task, read, model: ()
    after: bool = False  # whether it is all that its plan has after the first stage, however much was read

    def calls(self, task: Task, sources: Sequence[Source], model: Model) -> int:
        """At most so many calls."""
        return self.plan(task, sources, model).calls


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
    "map_reduce": Chain("map_reduce", map_reduce.map_reduce, map_reduce.at_most, _BOTH, map_reduce.closing),
    "refine": Chain("refine", refine.refine, refine.at_most, _BOTH),
    "map_rerank": Chain("map_rerank", map_rerank.map_rerank, map_rerank.at_most, frozenset({"question"}), after=True),
    "recursive": Chain("recursive", recursive.recursive, recursive.at_most, frozenset({"summary"}), recursive.closing),
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
    spending: Spending = FREELY,
) -> Iterator[Event]:
    """Events, and one Answer last. Closing it stops the model's work.

    `documents`, `scope`, `reranker`: as in chains/retrieval/hybrid.py. `language` None answers in the question's; a
    question that asks for a language itself ("… Answer in Chinese.") is answered in that. `rerank`: how map_rerank
    weighs its sources. Raises UnknownChain and PriceUnknown at once, a library's error before the first event; what
    goes wrong later is the Answer's `error`, beside the text that had come.
    """
    found = partial(retrieve, library=library, k=k, documents=documents, scope=scope, reranker=reranker)
    chosen, ledger = _chain(chain, "question"), Ledger(model.name, spending.caps, spending.price)

    def looking(meter: Model) -> Generator[Step, None, Looked]:
        return look(question, found, k, meter, history, language, ways)

    return _ask(question, looking, model, chosen, rerank, ways, spending, ledger)


def asked(
    question: str,
    wanted: str,
    passages: Sequence[Passage],
    language: Wanted | None,
    rerank: Rerank = RERANK,
    ways: Ways = PLAIN,
) -> Asked:
    """`wanted`: the question as it was searched for; `language` None answers in the question's."""
    sources = tuple(Source(n, passage) for n, passage in enumerate(passages, 1))
    task = Task("question", wanted, language or detect.of(question), rerank=rerank)
    return Asked(question, task, sources, ways)


def answer_from(
    given: Asked, model: Model, chain: str, spending: Spending = FREELY, ledger: Ledger | None = None
) -> Iterator[Event]:
    """One chain over passages that were found before: events, and one Answer last, as `ask`. Nothing is searched.

    `ledger`: what it shares its caps with.
    """
    one = _chain(chain, "question")
    begun = replace(_begun(given.question, one, model), sources=given.sources, searched=given.searched)
    meter = Meter(model, ledger or Ledger(model.name, spending.caps, spending.price), spending.speeds)
    return _run(one, given.task, begun, meter, monotonic(), spending, given.ways)


def summarize(
    document: str,
    library: Library,
    model: Model,
    *,
    chain: str = "map_reduce",
    language: Language | None = None,
    spending: Spending = FREELY,
) -> Iterator[Event]:
    """Events, and one Answer last, as `ask`. `document` is an id; `language` None writes in the document's."""
    chosen, ledger = _chain(chain, "summary"), Ledger(model.name, spending.caps, spending.price)
    return _summarize(document, library, model, chosen, language, spending, ledger)


def plans(
    document: str,
    library: Library,
    model: Model,
    *,
    chains: Collection[str] = (),
    language: Language | None = None,
    spending: Spending = FREELY,
) -> dict[str, Plan | PagewiseError]:
    """What summing up a document takes at most, by each of these chains (none: all that can). No call is made."""
    meter = Meter(model)
    book = whole(document, library, meter, language)
    found: dict[str, Plan | PagewiseError] = {}
    for name in chains or [name for name, chain in CHAINS.items() if "summary" in chain.tasks]:
        try:
            chain = _chain(name, "summary")
            plan = fitted(partial(chain.plan, book.task, book.sources), meter)
            memory = _memory(chain, book.task, book.sources, plan, meter, spending, new=False)
            found[name] = announced(plan, chain.run, book.task, book.sources, meter, PLAIN, memory, spending)
        except PagewiseError as error:
            found[name] = error
    return found


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
    spending: Spending,
    ledger: Ledger,
) -> Iterator[Event]:
    started, meter = monotonic(), Meter(model, ledger, spending.speeds)
    meter.bound = bound(ways)
    answer = _begun(question, chain, model)
    try:
        found = yield from looking(meter)
    except PagewiseError as error:
        if not meter.calls:
            raise
        yield replace(answer, calls=meter.taken, seconds=monotonic() - started, usage=meter.usage, error=error)
        return
    given = asked(question, found.question, found.passages, found.language, rerank, ways)
    begun = replace(answer, sources=given.sources, searched=given.searched)
    yield from _run(chain, given.task, begun, meter, started, spending, ways)


def _summarize(
    document: str,
    library: Library,
    model: Model,
    chain: Chain,
    language: Language | None,
    spending: Spending,
    ledger: Ledger,
) -> Iterator[Event]:
    started, meter = monotonic(), Meter(model, ledger, spending.speeds)
    book = whole(document, library, meter, language)
    begun = replace(_begun(book.record.title, chain, model), sources=book.sources)
    yield from _run(chain, book.task, begun, meter, started, spending)


def _begun(question: str, chain: Chain, model: Model) -> Answer:
    return Answer(question, "", (), (), False, chain.name, model.name, 0, 0.0, Usage())


def _run(
    chain: Chain, task: Task, answer: Answer, meter: Meter, started: float, spending: Spending, ways: Ways = PLAIN
) -> Iterator[Event]:
    """The chain over numbered sources, its marks read, its citations checked; last the Answer that `answer` begins."""
    sources = answer.sources
    yield Step("searched", len(sources), len(sources), sources=sources)
    if meter.name == QUOTES and task.kind == "question":  # a language model tells by itself whose a figure is
        sources = tuple(heard(task.question, sources))
    given: set[int] = set()
    reader, trial = citations.MarkReader(given), citations.MarkReader(given)
    error: PagewiseError | None = None
    reasoned: list[Step] = []
    came: list[str] = []
    lost, told = "", 0
    if sources:
        try:
            guided, bare = fitted(partial(_planned, chain, task, sources, ways), meter)
            meter.bound = meter.calls + bare.calls
            meter.closing = partial(_closing, chain, task, bare, guided)
            meter.memory = _memory(chain, task, sources, bare, meter, spending)
            plan = announced(bare, chain.run, task, sources, meter, ways, meter.memory, spending)
            yield Step("planned", total=meter.calls + plan.calls, plan=plan)
            with closed(chain.run(task, sources, guided)) as events:
                for event in events:
                    for step in guided.told():
                        reasoned += [step] if step.name == "reasoned" and step.text else []
                        yield _so_far(step, meter, spending)
                    if meter.kept > told and meter.calls:  # what was there came first, and now it goes on
                        told = meter.kept
                        yield _so_far(Step("resumed", told, meter.bound), meter, spending)
                    if isinstance(event, Token):
                        came.append(event.text)
                        yield Token(reader.feed(event.text))
                        continue
                    if isinstance(event, Trial):
                        yield Trial(trial.feed(event.text))
                        continue
                    if event.name in ("reading", "drafted", "kept", "lost"):
                        trial = citations.MarkReader(given)
                    given.update(source.n for source in event.sources)
                    lost = event.text if event.name == "lost" else lost
                    shown = citations.read(event.text, given).text if event.name == "drafted" else event.text
                    yield _so_far(replace(event, text=shown), meter, spending)
        except PagewiseError as broken:
            error = broken
        finally:
            if spending.speeds is not None:
                spending.speeds.flush()
        if meter.kept > told:
            yield _so_far(Step("resumed", meter.kept, meter.bound), meter, spending)
    if rest := reader.close():
        yield Token(rest)
    thought, said_then = parted("".join(came))
    if thought:
        reader = citations.read(said_then, given)
        reasoned.append(Step("reasoned", text=thought))
    thoughts = behind(reasoned, {claim.n for claim in reader.claims})
    answer = replace(answer, dropped=reader.dropped, reasoning=thoughts)
    if error is None or isinstance(error, CapReached):
        error = _capped(meter, sources, lost)
    if sources and error is None and not reader.text:
        error = NoReply(model=meter.name)
    if error is None and (not sources or _refused(reader, meter.name)):
        answer = replace(answer, text=refusal.NOT_FOUND[task.words], refused=True)
    else:
        found = citations.cite(reader, sources)
        held = figures(reader.text, answer.question, found, sources)
        alone = unsourced(reader.text, sources, whole=error is None)
        answer = replace(answer, text=reader.text, citations=found, figures=held, unsourced=alone, error=error)
        said = detect.written_in(citations.plain(reader.text))
        answer = replace(answer, cut=meter.was_cut(reader.text))
        if meter.name != QUOTES:
            answer = replace(answer, foreign=said if said != task.words else None)
        elif found and task.language == task.words != language_of("".join(c.quote for c in found)):
            yield _so_far(Step("quoted", text=task.words), meter, spending)
        if found:
            yield _so_far(Step("verified", answer.verified, len(found), str(answer.near or "")), meter, spending)
    used, cost = meter.usage, _cost(meter, spending)
    took = monotonic() - started
    yield replace(answer, calls=meter.taken, seconds=took, usage=used, cost=cost, kept=meter.kept)


def _refused(reader: citations.MarkReader, model: str) -> bool:
    """Whether the answer is that there is none. What only quotes says so in the fixed words: all else is a page's."""
    if model == QUOTES:
        return reader.text.strip() in ("", *refusal.NOT_FOUND.values())
    return refusal.is_refusal(reader.text, quoted=any(claim.words for claim in reader.claims))


def _planned(chain: Chain, task: Task, sources: Sequence[Source], ways: Ways, model: Model) -> tuple[Guided, Plan]:
    guided = Guided(model, task.question, ways)
    return guided, guided.allowed(chain.plan(task, sources, guided))


def _so_far(step: Step, meter: Meter, spending: Spending) -> Step:
    """The step with what was used until now, so that an answer that is stopped can say it."""
    return replace(step, usage=meter.usage, cost=_cost(meter, spending))


def _cost(meter: Meter, spending: Spending) -> Cost | None:
    return spending.price.cost(meter.usage) if spending.price else None


def _closing(chain: Chain, task: Task, plan: Plan, model: Model, read: int) -> Sequence[Stage]:
    return plan.stages[1:] if chain.after else chain.closing(task, read, model)


def _memory(
    chain: Chain, task: Task, sources: Sequence[Source], plan: Plan, model: Model, spending: Spending, new: bool = True
) -> Memory | None:
    """Where the replies of work of several calls are kept; a single call has nothing to be resumed.

    `new`: the work begins now, so that what is too old, or not wanted any more, is dropped.
    """
    if spending.replies is None or plan.calls < 2:
        return None
    owners = documents_of(sources)
    name = work(chain.name, task, model.name, spending.variant, owners)
    if new:
        spending.replies.tidy()
    if spending.again and not new:
        return None
    if spending.again:
        spending.replies.drop(name)
    return Memory(spending.replies, name, owners)


def _capped(meter: Meter, sources: Sequence[Source], lost: str) -> CapReached | None:
    """The error of the cap that ended it, with how much was read by calls that had ended. `lost`: why the last reply
    was none."""
    error = meter.capped
    if error is None:
        return None
    if not meter.kept and not meter.usage.output_tokens:
        detail = lost.rstrip(".") or "it leaves no room for a call"
        return NothingCame(detail=detail, setting=error.setting)
    pages = {source.n: {(source.passage.document, s.page) for s in source.passage.chunk.spans} for source in sources}
    read = set().union(*(pages[n] for n in meter.read if n in pages))
    every = set().union(*pages.values())
    return type(error)(**{**error.params, "read": len(read), "total": len(every)})
