"""One question through every chain, side by side: searched for once, the same passages for all."""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from time import monotonic

from chains import answer, partial_answer
from chains.answer import CHAINS, Asked, answer_from
from chains.cost import Cost, Price, together
from chains.events import Answer, Event, Step
from chains.execution.limits import FREELY, Ledger, Spending
from chains.execution.llm_calls import closed, side_by_side
from chains.execution.metered_model import Meter
from chains.grounding.agreement import Agreement, agreement
from chains.model import Model, Piece, Usage
from chains.options import PLAIN, Ways
from chains.prompt import RERANK, Language, Prompt, Rerank, Turn
from chains.question.gather import CALLS, Looked, bound, look
from chains.retrieval.hybrid import ALL, Scope, retrieve
from chains.retrieval.rerank import Reranker
from ingest.store.library import Library

NAMES = tuple(name for name, chain in CHAINS.items() if "question" in chain.tasks)
_PATIENCE = 0.1  # seconds until a chain that waits for its turn says that it still does


@dataclass(frozen=True)
class Of:
    """An event of one chain, `seconds` after that chain began. The last of each chain is its Answer."""

    chain: str
    event: Event
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """All chains' answers to one question, which were given the same passages."""

    question: str
    searched: str  # the stand-alone question, where it differs from the question
    answers: tuple[Answer, ...]  # one a chain, in the order of NAMES
    calls: int  # of all, with those that made the question stand alone, stepped back from it and split it
    usage: Usage  # the same
    seconds: float  # from the question to the last answer
    cost: Cost | None = None  # of all; None: the model's price is not known

    @property
    def stopped(self) -> bool:
        return any(answer.stopped for answer in self.answers)

    @cached_property
    def agreement(self) -> Agreement:
        return agreement(self.answers)


Compared = Step | Of | Comparison


def compare(
    question: str,
    library: Library,
    model: Model,
    *,
    k: int = 8,
    documents: Sequence[str] | None = None,
    scope: Scope = ALL,
    reranker: Reranker | None = None,
    history: Sequence[Turn] = (),
    language: Language | None = None,
    rerank: Rerank = RERANK,
    ways: Ways = PLAIN,
    spending: Spending = FREELY,
) -> Iterator[Compared]:
    """What concerns all chains as Steps, then each chain's events, and one Comparison last.

    The arguments are those of `ask`. Chains run at once where the model takes several calls at once (all together no
    more than it takes), else one after the other. What goes wrong in a chain is its Answer's `error` and costs the
    others nothing; a library's error is raised before any chain begins. Caps are for all chains together: each gets its
    share of what is left, and what one leaves goes to those after it. Closing it stops the model's work.
    """
    found = partial(retrieve, library=library, k=k, documents=documents, scope=scope, reranker=reranker)
    ledger = Ledger(model.name, spending.caps, spending.price)

    def looking(meter: Model) -> Generator[Step, None, Looked]:
        return look(question, found, k, meter, history, language, ways)

    return _compare(question, looking, model, rerank, ways, spending, ledger)


def cut_short(events: Sequence[Compared], question: str, model: str, seconds: float) -> Comparison:
    """The stopped comparison, from the events that had come: answers that were whole are kept as they are."""
    searched, before, sources = "", 0, Step("searched")
    of: dict[str, list[Of]] = {name: [] for name in NAMES}
    for event in events:
        if isinstance(event, Of):
            of[event.chain].append(event)
        elif isinstance(event, Step):
            before += event.name in CALLS
            searched = event.text if event.name == "condensed" else searched
            sources = event if event.name == "searched" else sources
    answers = []
    for name, told in of.items():
        last = told[-1].event if told else None
        if isinstance(last, Answer):
            answers.append(last)
            continue
        came = [sources, *(one.event for one in told)]
        cut = partial_answer.cut_short(came, question, name, model, told[-1].seconds if told else 0.0)
        answers.append(replace(cut, searched=searched))
    return _whole(question, searched, answers, before, Usage(), seconds, None)


def _compare(
    question: str,
    looking: Callable[[Model], Generator[Step, None, Looked]],
    model: Model,
    rerank: Rerank,
    ways: Ways,
    spending: Spending,
    ledger: Ledger,
) -> Iterator[Compared]:
    started, meter = monotonic(), Meter(model, ledger, spending.speeds)
    meter.bound = bound(ways)
    found = yield from looking(meter)
    given = answer.asked(question, found.question, found.passages, found.language, rerank, ways)
    yield Step("searched", len(given.sources), len(given.sources), sources=given.sources)
    answers: dict[str, Answer] = {}
    with closed(_chains(given, model, spending, ledger)) as events:
        for of in events:
            if isinstance(of.event, Answer):
                answers[of.chain] = of.event
            yield of
    in_order = [answers[name] for name in NAMES]
    price = spending.price
    seconds = monotonic() - started
    yield _whole(question, given.searched, in_order, meter.taken, meter.usage, seconds, price)


def _whole(
    question: str,
    searched: str,
    answers: Sequence[Answer],
    calls: int,
    usage: Usage,
    seconds: float,
    price: Price | None,
) -> Comparison:
    """`calls`, `usage`: of the call that made the question stand alone, `price` what that is paid by."""
    first = price.cost(usage) if price else None
    costs = [answer.cost for answer in answers] + ([first] if calls else [])
    calls += sum(answer.calls for answer in answers)
    usage = sum((answer.usage for answer in answers), usage)
    return Comparison(question, searched, tuple(answers), calls, usage, seconds, together(costs))


def _chains(given: Asked, model: Model, spending: Spending, ledger: Ledger) -> Iterator[Of]:
    """The events of all chains as they come. Closing it stops the chains."""
    shared = _Shared(model)

    shares = dict(zip(NAMES, ledger.parted(len(NAMES), model.parallel), strict=True))

    def chain(name: str, stop: threading.Event, put: Callable[[Of], None]) -> None:
        began, share = monotonic(), shares[name]
        share.start()
        try:
            with closed(answer_from(given, shared, name, spending, share)) as events:
                for event in events:
                    if stop.is_set():
                        return
                    if not (isinstance(event, Step) and event.name == "searched"):  # said once, for all
                        put(Of(name, event, monotonic() - began))
        finally:
            share.done()

    yield from side_by_side(NAMES, model.parallel, chain)


class _Shared:
    """A Model that several chains call: all together they make no more calls at once than it takes."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._free = threading.BoundedSemaphore(max(1, model.parallel))

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context(self) -> int:
        return self._model.context

    @property
    def parallel(self) -> int:
        return self._model.parallel

    def count(self, prompt: Prompt) -> int:
        return self._model.count(prompt)

    def size(self, *texts: str) -> int:
        return self._model.size(*texts)

    def at_most(self, text: str) -> int:
        return self._model.at_most(text)

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        while not self._free.acquire(timeout=_PATIENCE):
            yield ""  # a moment at which closing takes effect
        try:
            with closed(self._model.stream(prompt)) as stream:
                yield from stream
        finally:
            self._free.release()
