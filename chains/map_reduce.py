"""Map and reduce: one call a source takes notes, in parallel; one call, or a few rounds, makes the answer of them.

Everything is read. A round joins notes in groups of at least two, so it at least halves them; the notes' length is
capped so that two always fit, so there are never more calls than were announced, whatever the model writes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chains import budget, calls
from chains.errors import ContextTooSmall, ModelError
from chains.events import Step, Token
from chains.models.base import Model
from chains.notes import marked, marks, own
from chains.prompts import Prompt, Source
from chains.refusal import NOT_FOUND, is_nothing, is_refusal
from chains.tasks import Task

NOTE_TOKENS = 300  # of one note; a page of a book holds about twice as many
LEAST_TOKENS = 24  # of a note that is still worth having


def map_reduce(task: Task, sources: Sequence[Source], model: Model) -> Iterator[Step | Token]:
    """Reads every source. Raises ContextTooSmall before a call, a ModelError when all maps or the last call fail."""
    plan = _plan(task, model)
    maps = [_map(task, source, plan.note, model) for source in sources]
    cut = sum(prompt.sources[0] != source for prompt, source in zip(maps, sources, strict=True))
    if cut:
        yield Step("cut", len(sources) - cut, len(sources))
    notes: dict[int, str] = {}
    errors: list[ModelError] = []
    read = 0
    with calls.closed(calls.read_all(model, maps)) as replies:
        for index, reply in replies:
            if isinstance(reply, ModelError):
                errors.append(reply)
                yield Step("lost", text=str(reply))
                continue
            read += 1
            yield Step("read", read, len(sources), sources=(sources[index],))
            if not is_nothing(reply.text):
                notes[index] = marked(reply.text, sources[index].n)
    if errors and not read:
        raise errors[0]
    if not notes:
        yield Token(NOT_FOUND[task.language])
        return
    yield from _reduce(plan, [notes[index] for index in sorted(notes)], sources, model)


def at_most(task: Task, sources: Sequence[Source], model: Model) -> int:
    """One call a source, what joining their notes may take, and the answer."""
    group, n = _plan(task, model).group, len(sources)
    bound = n + 1
    while n > group:
        whole, rest = divmod(n, group)
        bound += whole + (rest > 1)
        n = whole + (rest > 0)
    return bound


@dataclass(frozen=True)
class _Plan:
    last: Prompt  # the reduce call that writes the answer, without its notes
    note: int  # tokens of a note
    group: int  # notes that always fit one call, at least 2
    tags: int  # tokens that a note takes beyond its text

    def final(self, notes: Sequence[str]) -> Prompt:
        return replace(self.last, notes=tuple(notes))

    def join(self, notes: Sequence[str]) -> Prompt:
        return replace(self.last, notes=tuple(notes), max_tokens=min(self.note, self.last.max_tokens))


def _plan(task: Task, model: Model) -> _Plan:
    reply = budget.reply_tokens(task.max_tokens, model)
    last = Prompt("reduce", task.kind, task.question, task.language, reply)
    free = budget.room(last, model)
    tags = free - budget.room(replace(last, notes=("",)), model) + budget.SEAM
    note = min(NOTE_TOKENS, reply, free // 2 - tags)
    if note < LEAST_TOKENS:
        needed = model.context - free + 2 * (LEAST_TOKENS + tags)
        raise ContextTooSmall(model=model.name, context=model.context, needed=max(needed, 4 * LEAST_TOKENS))
    return _Plan(last, note, max(2, free // (note + tags)), tags)


def _map(task: Task, source: Source, note: int, model: Model) -> Prompt:
    """The call that reads this source; it is shortened where it does not fit even alone."""

    def build(chosen: Sequence[Source]) -> Prompt:
        return Prompt("map", task.kind, task.question, task.language, note, sources=tuple(chosen))

    return build(budget.fit(build, [source], model))


def _reduce(plan: _Plan, notes: list[str], sources: Sequence[Source], model: Model) -> Iterator[Step | Token]:
    while len(notes) > plan.group and not budget.fits(plan.final(notes), model):
        groups = list(_groups(plan, notes, model))
        joined = [group[0] for group in groups]
        together = [i for i, group in enumerate(groups) if len(group) > 1]
        with calls.closed(calls.read_all(model, [plan.join(groups[i]) for i in together])) as replies:
            for done, (index, reply) in enumerate(replies, 1):
                group = groups[together[index]]
                given = set().union(*(marks(note, {source.n for source in sources}) for note in group))
                text = own(reply.text, given) if not isinstance(reply, ModelError) else ""
                if is_refusal(text) or (given and not marks(text, given)):
                    # What was paid for is kept: as much of the notes themselves as one note may hold.
                    yield Step("lost", text=str(reply) if isinstance(reply, ModelError) else reply.text[:200])
                    text = _squeeze(plan, ["\n".join(group)], model, plan.note)[0]
                joined[together[index]] = text
                yield Step("joined", done, len(together))
        notes = [note for note in joined if note]
    if not budget.fits(plan.final(notes), model):
        notes = _squeeze(plan, notes, model)
    wrote, error = False, None
    try:
        for token in calls.tokens(model, plan.final(notes)):
            wrote = wrote or bool(token.text.strip())
            yield token
    except ModelError as broken:
        error = broken
    if not wrote:  # what was paid for is given as it is
        yield Step("lost", text=str(error or ""))
        yield Token("\n\n".join(notes))
    if error:
        raise error


def _groups(plan: _Plan, notes: Sequence[str], model: Model) -> Iterator[list[str]]:
    """Neighbouring notes, as many as fit one call and never fewer than planned; the last group may be smaller."""
    at = 0
    while at < len(notes):
        group = list(notes[at : at + _size(plan, notes[at:], model)])
        at += len(group)
        yield group if len(group) == 1 or budget.fits(plan.join(group), model) else _squeeze(plan, group, model)


def _size(plan: _Plan, notes: Sequence[str], model: Model) -> int:
    return max(min(plan.group, len(notes)), budget.fitting(plan.join(notes), model))


def _squeeze(plan: _Plan, notes: Sequence[str], model: Model, share: int = 0) -> list[str]:
    """The notes, each shortened to its share (tokens; 0: an equal one of the window), so that all fit one call."""
    share = share or budget.room(plan.last, model) // len(notes) - plan.tags
    while share > 0:
        short = [budget.shorten(note, share, model) for note in notes]
        if budget.fits(plan.final(short), model):
            return short
        share = share * 3 // 4
    needed = model.count(plan.final(notes)) + plan.last.max_tokens
    raise ContextTooSmall(model=model.name, context=model.context, needed=needed)

