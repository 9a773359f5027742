"""The answer that a person stopped, from what had come of it."""

from collections.abc import Collection, Sequence

from chains.cost import Cost, together
from chains.events import Answer, Event, Step, Token, Trial
from chains.grounding import citations
from chains.grounding.number_check import figures
from chains.grounding.uncited import unsourced
from chains.model import Usage
from chains.prompt import Source
from chains.question.gather import CALLS
from chains.thinking import parted

NOTING = ("map_reduce", "recursive")  # those that make a call for each source they have read
_BYTES_A_TOKEN = 4  # of UTF-8, about: English has 4.5, Chinese 4
_INSTRUCTIONS = 300  # tokens, about
_BESIDE = ("reasoned", "resumed", "examples")  # told in the middle of a reply
# The step before a call that writes; after any other, text is what there was already.
_BEFORE = {"stuff": ("reading",), "refine": ("reading",), "map_rerank": ("best",)}


def cut_short(events: Sequence[Event], question: str, chain: str, model: str, seconds: float) -> Answer:
    """The stopped answer, from the events that had come before a caller closed the iterator.

    Its calls and tokens are those whose outcome had been told, and of the call that was cut off, where it had begun to
    write, about as many as what it read and wrote has by its bytes.
    """
    sources: tuple[Source, ...] = ()
    given: set[int] = set()
    searched, calls, writing, kept, last = "", 0, False, 0, Step("searched")
    begun = chain != "map_rerank"  # the call that writes; where map_rerank scores first, there is a best source
    for event in events:
        if isinstance(event, Step):
            last = event
            kept = event.done if event.name == "resumed" else kept
            given.update(source.n for source in event.sources if event.name != "searched")
            if event.name == "searched":
                sources = event.sources
            elif event.name == "condensed":
                searched = event.text
            begun = begun or event.name == "best"
            calls += event.name in CALLS
            calls += event.name in ("read", "joined", "scored")
        writing = writing or isinstance(event, Token)
    _, text = parted("".join(event.text for event in events if isinstance(event, Token)))
    drafts = [event.text for event in events if isinstance(event, Step) and event.name == "drafted"]
    broken = _broken_off(events, chain)
    usage = last.usage + broken
    reader = citations.read(text if text.strip() or not drafts else drafts[-1], given)
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
        calls=max(0, calls + ((writing and begun) or bool(broken.output_tokens)) - kept),
        seconds=seconds,
        usage=usage,
        stopped=True,
        searched=searched,
        figures=figures(reader.text, question, found, sources),
        unsourced=unsourced(reader.text, sources, whole=False),
        reasoning=behind(reasoned, {claim.n for claim in reader.claims}),
        cost=_cost(events, last, broken),
        kept=kept,
    )


def behind(reasoned: Sequence[Step], cited: Collection[int]) -> tuple[str, ...]:
    """Of what was reasoned in several calls, that of those whose sources the answer cites; all where it cites none."""
    mine = [step for step in reasoned if not step.sources or any(source.n in cited for source in step.sources)]
    return tuple(step.text for step in mine or reasoned)


def _broken_off(events: Sequence[Event], chain: str) -> Usage:
    """What the call took, about, that was writing when it was stopped: what it was given to read, and what had come."""
    told = [n for n, event in enumerate(events) if isinstance(event, Step) and event.name not in _BESIDE]
    step = events[told[-1]] if told else None
    written = sum(len(e.text.encode()) for e in events[told[-1] + 1 :] if isinstance(e, Token | Trial)) if told else 0
    if not written or not isinstance(step, Step) or step.name not in _BEFORE.get(chain, ("read", "joined", "level")):
        return Usage()
    read = sum(len(source.text.encode()) for source in step.sources) if chain not in NOTING else 0
    return Usage(_INSTRUCTIONS + -(-read // _BYTES_A_TOKEN), -(-written // _BYTES_A_TOKEN))


def _cost(events: Sequence[Event], last: Step, broken: Usage) -> Cost | None:
    """The money until the last step, and what the call that was broken off took of what was announced."""
    plan = next((event.plan for event in events if isinstance(event, Step) and event.plan is not None), None)
    if plan is None or plan.cost is None or not broken.output_tokens:
        return last.cost
    whole = plan.usage.input_tokens + plan.usage.output_tokens
    share = (broken.input_tokens + broken.output_tokens) / whole if whole else 0.0
    return together([last.cost, Cost(plan.cost.amount * share, plan.cost.currency)])
