"""Map and reduce: one call a source takes notes, in parallel; one call, or a few rounds, makes the answer of them.

Everything is read. A round joins as many notes as fit one call.
"""

from collections.abc import Iterator, Sequence

from chains.events import Step, Token
from chains.execution import context_budget, llm_calls
from chains.grounding.refusal import NOT_FOUND
from chains.model import Model
from chains.plan import Plan, Stage
from chains.prompt import Source, Task
from chains.strategies import combine_notes
from chains.strategies.combine_notes import Round

NOTE_TOKENS = 300  # of one note; a page of a book holds about twice as many


def map_reduce(task: Task, sources: Sequence[Source], model: Model) -> Iterator[Step | Token]:
    """Reads every source. Raises ContextTooSmall before a call, a ModelError when all maps or the last call fail."""
    round = _round(task, model)
    found = yield from combine_notes.read(combine_notes.maps(task, sources, round.note, model), sources, model)
    notes = [found.notes[index] for index in sorted(found.notes)]
    if isinstance(found.error, llm_calls.OUTAGE):  # nobody is there to join them
        yield Token("\n\n".join(notes))
    elif notes:
        while len(notes) > round.group and not context_budget.fits(round.final(notes), model):
            groups = dict(enumerate(_groups(round, notes, model)))
            joined = yield from combine_notes.join(round, groups, sources, model)
            notes = list(joined.values())
        yield from combine_notes.finish(round, notes, model)
    elif found.error is None:
        yield Token(NOT_FOUND[task.words])
    if found.error is not None:
        raise found.error


def at_most(task: Task, sources: Sequence[Source], model: Model) -> Plan:
    """One call a source, what joining their notes may take, and the answer."""
    prompts = combine_notes.maps(task, sources, _round(task, model).note, model)
    return Plan((context_budget.plan_stage(prompts, model), *closing(task, len(sources), model)))


def closing(task: Task, read: int, model: Model) -> tuple[Stage, ...]:
    """What follows when so many sources were read."""
    round, n = _round(task, model), read
    stages = []
    while n > round.group:
        whole, rest = divmod(n, round.group)
        stages.append(round.joins(whole + (rest > 1), n))
        n = whole + (rest > 0)
    # Notes that turn out short fit one call sooner: then the last one reads more of them, and none was joined before.
    free = model.context - round.base - round.last.max_tokens
    return (*stages, round.answer(max(n, min(read, -(-free // round.each)))))


def _round(task: Task, model: Model) -> Round:
    last = combine_notes.last_prompt(task, model)
    free, tags = context_budget.room(last, model), combine_notes.tags(last, model)
    note = min(NOTE_TOKENS, last.max_tokens, free // 2 - tags)
    if note < combine_notes.LEAST_TOKENS:
        raise combine_notes.too_small(free, tags, model)
    return Round(last, model.count(last), tags, note, max(2, free // (note + tags)), note)


def _groups(round: Round, notes: Sequence[str], model: Model) -> Iterator[Sequence[str]]:
    """Neighbouring notes, as many as fit one call and never fewer than planned; the last group may be smaller."""
    at = 0
    while at < len(notes):
        group = notes[at : at + _size(round, notes[at:], model)]
        yield group
        at += len(group)


def _size(round: Round, notes: Sequence[str], model: Model) -> int:
    return max(min(round.group, len(notes)), context_budget.fitting(round.join(notes), model))
