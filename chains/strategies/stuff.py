"""Stuff: one call that reads as many sources as fit, the best ones for a question, evenly spread ones for a summary."""

from collections.abc import Iterator, Sequence

from chains.events import Step, Token
from chains.execution import context_budget, llm_calls
from chains.model import Model
from chains.plan import Plan
from chains.prompt import Prompt, Source, Task


def stuff(task: Task, sources: Sequence[Source], model: Model) -> Iterator[Step | Token]:
    """One call. Raises ContextTooSmall before it, ModelError in it."""
    prompt = _prompt(task, sources, model)
    chosen = prompt.sources
    whole = sum(source in sources for source in chosen)
    if whole < len(sources):
        yield Step("cut", whole, len(sources), "map_reduce")
    yield Step("reading", len(chosen), len(chosen), sources=chosen)
    yield from llm_calls.tokens(model, prompt)


def at_most(task: Task, sources: Sequence[Source], model: Model) -> Plan:
    return Plan((context_budget.plan_stage([_prompt(task, sources, model)], model),))


def _prompt(task: Task, sources: Sequence[Source], model: Model) -> Prompt:
    reply = context_budget.reply_tokens(task.max_tokens, model)

    def build(chosen: Sequence[Source]) -> Prompt:
        return Prompt("answer", task.kind, task.question, task.language, reply, sources=tuple(chosen))

    chosen = context_budget.fit(build, sources, model)
    if task.kind == "summary" and 1 < len(chosen) < len(sources):
        # The beginning alone would be no summary of the whole.
        k = context_budget.most(len(sources), lambda k: build(context_budget.spread(sources, k)), model)
        chosen = context_budget.spread(sources, k) if k else chosen
    return build(chosen)
