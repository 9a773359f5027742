"""What a chain takes at most, told before it starts: its plan without what is there already, in time and money too.

What is there is found by going through the chain with the replies that were kept, and with no others: a call that has
none fails there, and only what does not need it goes on. So no more is said to be there than a start will find.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from chains.errors import ModelFailed
from chains.events import Step, Token, Trial
from chains.execution.limits import Spending
from chains.execution.llm_calls import closed
from chains.execution.reasoning import Guided
from chains.execution.resume import Memory
from chains.model import Finish, Model, Usage
from chains.options import Ways
from chains.plan import Plan, Stage
from chains.prompt import Prompt, Source, Task
from ingest.errors import PagewiseError
from ingest.store.reply_cache import Kept

Run = Callable[[Task, Sequence[Source], Model], Iterator[Step | Token | Trial]]


class Rehearsed:
    """A Model that replies what was kept, and else fails; it counts as `model` does."""

    def __init__(self, model: Model, memory: Memory) -> None:
        self.name, self.context, self.parallel = model.name, model.context, 1
        self.count, self.size, self.at_most = model.count, model.size, model.at_most
        self.found: list[tuple[Prompt, Kept]] = []
        self.missed = False
        self._memory = memory

    def stream(self, prompt: Prompt) -> Iterator[str | Finish]:
        kept = self._memory.get(prompt)
        if kept is None:
            self.missed = True
            raise ModelFailed(model=self.name, detail="it was not asked before")
        self.found.append((prompt, kept))
        yield kept.text
        yield Finish("length" if kept.cut else "stop", Usage(), kept.tokens)


def announced(
    plan: Plan,
    run: Run,
    task: Task,
    sources: Sequence[Source],
    model: Model,
    ways: Ways,
    memory: Memory | None,
    spending: Spending,
) -> Plan:
    """What is left of the plan, with the seconds and the money that it takes at most, where these are known."""
    if memory is not None and memory.any:
        plan = _left(plan, run, task, sources, Rehearsed(model, memory), ways)
    speed = spending.speeds.of(model.name) if spending.speeds else None
    price = spending.price
    return replace(
        plan,
        seconds=speed.seconds(plan.stages, model.parallel) if speed else None,
        cost=price.cost(plan.usage) if price else None,
    )


def _left(plan: Plan, run: Run, task: Task, sources: Sequence[Source], model: Rehearsed, ways: Ways) -> Plan:
    try:
        with closed(run(task, sources, Guided(model, task.question, ways))) as events:
            for _ in events:
                pass
    except PagewiseError:
        model.missed = True
    kept = len(model.found)
    if not model.missed:
        return Plan((), kept=kept)
    stages = list(plan.stages)
    for prompt, reply in model.found:
        begin = 0 if prompt.sources else 1  # what reads no sources comes after what does
        place = next((n for n, stage in enumerate(stages) if n >= begin and stage.calls), None)
        if place is not None:
            stages[place] = _without(stages[place], reply.read, prompt.max_tokens)
    return replace(plan, stages=tuple(stages), kept=kept)


def _without(stage: Stage, read: int, reply: int) -> Stage:
    """Without one of its calls, which has read so much: the others read no more than what is left."""
    return Stage(stage.calls - 1, max(0, stage.input_tokens - read), max(0, stage.output_tokens - reply))
