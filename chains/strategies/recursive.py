"""Recursive: a long document is summed up level by level, as notes of its parts, then notes of those, then one page.

A novel of 120,000 words and a window of 4,000 tokens: 276 notes, 25 of eleven each, 4 of those, one page. Every part is
read once. A level joins neighbours in groups of a fixed size, by their place in the document: so each level is at most
half of the one before, a lost note changes no other group, and a start that is resumed asks for the same groups again.
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

FAN_IN = 11  # notes of parts that are joined to one; about seven pages of a book, which is half a chapter
UPPER_FAN_IN = 7  # of those above, which stand for more and are longer
NOTE_TOKENS = 300  # of a part, where the window is no limit; a page of a book holds about twice as many
UPPER_NOTE_TOKENS = 500  # of those above
SHORT = 100  # tokens: rather than to write shorter notes, fewer are joined at once


def recursive(task: Task, sources: Sequence[Source], model: Model) -> Iterator[Step | Token]:
    """Reads every source. Raises ContextTooSmall before a call, a ModelError when all maps or the last call fail."""
    round, upper = _rounds(task, model)
    levels = len(_sizes(len(sources), round.group, upper.group)) + 1
    yield Step("level", 1, levels, str(len(sources)))
    found = yield from combine_notes.read(combine_notes.maps(task, sources, round.note, model), sources, model)
    notes, n, level = found.notes, len(sources), 1
    if isinstance(found.error, llm_calls.OUTAGE):  # nobody is there to join them
        yield Token("\n\n".join(notes[place] for place in sorted(notes)))
        raise found.error
    while n > round.group:
        n, level = -(-n // round.group), level + 1
        yield Step("level", level, levels, str(n))
        groups: dict[int, list[str]] = {}
        for place in sorted(notes):
            groups.setdefault(place // round.group, []).append(notes[place])
        notes = yield from combine_notes.join(round, groups, sources, model)
        round = upper
    if notes:
        yield Step("level", levels, levels, "1")
        yield from combine_notes.finish(round, [notes[place] for place in sorted(notes)], model)
    elif found.error is None:
        yield Token(NOT_FOUND[task.words])
    if found.error is not None:
        raise found.error


def at_most(task: Task, sources: Sequence[Source], model: Model) -> Plan:
    """One call a part, one a group of each level, and the last."""
    prompts = combine_notes.maps(task, sources, _rounds(task, model)[0].note, model)
    return Plan((context_budget.plan_stage(prompts, model), *closing(task, len(sources), model)))


def closing(task: Task, read: int, model: Model) -> tuple[Stage, ...]:
    """What follows when so many parts were read."""
    round, upper = _rounds(task, model)
    stages, n = [], read
    for size in _sizes(read, round.group, upper.group)[1:]:
        alone = n % round.group == 1  # a last note without neighbours is passed on as it is
        stages.append(round.joins(size - alone, n - alone))
        n, round = size, upper
    return (*stages, round.answer(n))


def _sizes(n: int, group: int, upper: int) -> list[int]:
    """How many notes each level has, without the last page: 276, 26, 4."""
    sizes = [n]
    while sizes[-1] > group:
        sizes.append(-(-sizes[-1] // group))
        group = upper
    return sizes


def _rounds(task: Task, model: Model) -> tuple[Round, Round]:
    """The round that joins the notes of parts, and those above it."""
    last = combine_notes.last_prompt(task, model)
    base, free, tags = model.count(last), context_budget.room(last, model), combine_notes.tags(last, model)
    half = free // 2 - tags  # two notes always fit
    note = _note(free // FAN_IN - tags, min(NOTE_TOKENS, last.max_tokens, half))
    longer = _note(free // UPPER_FAN_IN - tags, min(UPPER_NOTE_TOKENS, last.max_tokens, half))
    if note < combine_notes.LEAST_TOKENS:
        raise combine_notes.too_small(free, tags, model)

    def round(note: int, fan_in: int) -> Round:
        return Round(last, base, tags, note, max(2, min(fan_in, free // (note + tags))), longer)

    return round(note, FAN_IN), round(longer, UPPER_FAN_IN)


def _note(fair: int, most: int) -> int:
    """Tokens of a note, so that as many fit as are to be joined, where that leaves them long enough."""
    return min(most, max(SHORT, fair))
