"""What models wrote on the way to an answer: which marks in it count.

Notes of sources, joined in groups until they are one text: what map_reduce and recursive share.

Notes are capped so that a group of at least two always fits one call, so each round at least halves them, and there are
never more calls and tokens than were announced, whatever the model writes.
"""

import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chains.errors import CapReached, ContextTooSmall, ModelError
from chains.events import Step, Token
from chains.execution import context_budget, llm_calls
from chains.grounding import citations
from chains.grounding.refusal import is_nothing, is_refusal
from chains.model import Model
from chains.plan import Stage
from chains.prompt import Prompt, Source, Task, Written
from ingest.text.sentences import sentences

_END = re.compile(r"[.!?。！？；…][\"'”’)\]」』）]*$")
_MARKS = re.compile(r"(?:\s*\[\d+(?::[^\]]*)?\][.。]?)+")
_ANY = range(1, 10_000)  # a note's marks were read before: all of them lead to given sources


def own(text: str, given: Collection[int]) -> str:
    """The text with only the marks to sources that its writer was given, each with the words that it quotes."""
    reader = citations.read(text, given)
    parts, marks, at = [], list[str](), 0
    for claim in reader.claims:
        parts.append(reader.text[at : claim.at])
        marks.append(citations.mark(claim.n, claim.words))
        parts.append(marks[-1])
        at = claim.at + len(f"[{claim.n}]")
    kept = "".join([*parts, reader.text[at:]])
    new = [mark for mark in set(marks) for _ in range(marks.count(mark) - text.count(mark))]
    return _changed(kept, text, new, reader.dropped + reader.unseen)


def marked(text: str, n: int) -> str:
    """What was written from source n alone: marks to it only, and one at the end where there is none."""
    text = own(text, {n})
    mark = f" [{n}]"
    return text if marks(text, {n}) else _changed(text + mark, text, [mark], 0)


def _changed(text: str, before: str, new: Collection[str], gone: int) -> str:
    """The text with what is known of its length: of what it was before, with these marks put in, and so many left out.

    Where something is put in or left out, a tokenizer may cut what stands around it otherwise.
    """
    if not isinstance(before, Written):
        return text
    return Written(
        text, before.tokens + sum(len(mark.encode()) + context_budget.SEAM for mark in new) + gone * context_budget.SEAM
    )


def marks(text: str, given: Collection[int]) -> set[int]:
    """The numbers of the given sources that the text leads to."""
    return {claim.n for claim in citations.read(text, given).claims}


def uncut(text: str) -> str:
    """A reply that was cut, up to its last whole sentence and the marks behind that; all where there is none."""
    whole = citations.plain(text).rstrip()
    if _END.search(whole):
        return text
    for start, _ in reversed(list(sentences(text))[1:]):
        if text.count("[", 0, start) <= text.count("]", 0, start):  # else it is within a mark's quote
            behind = _MARKS.match(text, start)
            kept = text[: behind.end() if behind else start].rstrip()
            return Written(kept, text.tokens + context_budget.SEAM) if isinstance(text, Written) else kept
    return text


def shortened(note: str, most: int, model: Model) -> str:
    """The beginning of the note that `most` tokens hold, behind it one mark of the note where all would be cut off.

    "" if nothing fits.
    """
    short = context_budget.shorten(note, most, model)
    numbers = [claim.n for claim in citations.read(note, _ANY).claims]
    if not short or not numbers or marks(short, _ANY):
        return short
    mark = f" [{numbers[0]}]"
    short = context_budget.shorten(note, most - model.size(mark), model)
    return short + mark if short else ""


LEAST_TOKENS = 24  # of a note that is still worth having
MARK = 2 * context_budget.SEAM + 6  # of a note, that are left for the mark that a reply may lack, and for one left out


@dataclass(frozen=True)
class Round:
    """A call that joins notes of `note` tokens into one of `joined`; `group` of them always fit, at least 2."""

    last: Prompt  # the call that writes the answer, without its notes
    base: int  # tokens of it
    tags: int  # tokens that a note takes in it beyond its text
    note: int
    group: int
    joined: int

    @property
    def each(self) -> int:
        """Tokens that a note may take in a prompt."""
        return self.note + self.tags

    def final(self, notes: Sequence[str]) -> Prompt:
        return replace(self.last, notes=tuple(notes))

    def join(self, notes: Sequence[str]) -> Prompt:
        return replace(self.last, notes=tuple(notes), max_tokens=min(self.joined, self.last.max_tokens))

    def joins(self, calls: int, notes: int) -> Stage:
        """So many calls that join so many notes."""
        output = calls * min(self.joined, self.last.max_tokens)
        return Stage(calls, calls * self.base + notes * self.each, output)

    def answer(self, notes: int) -> Stage:
        return Stage(1, self.base + notes * self.each, self.last.max_tokens)


@dataclass(frozen=True)
class Read:
    """What came of reading: notes by the source's place. `error`: what ended it before all were read."""

    notes: dict[int, str]
    error: ModelError | None = None


def last_prompt(task: Task, model: Model) -> Prompt:
    return Prompt(
        "reduce", task.kind, task.question, task.language, context_budget.reply_tokens(task.max_tokens, model)
    )


def tags(last: Prompt, model: Model) -> int:
    """Tokens that a note takes in this prompt beyond its text, at most."""
    return (
        context_budget.room(last, model) - context_budget.room(replace(last, notes=("",)), model) + context_budget.SEAM
    )


def too_small(free: int, tags: int, model: Model) -> ContextTooSmall:
    needed = max(model.context - free + 2 * (LEAST_TOKENS + tags), 4 * LEAST_TOKENS)
    return ContextTooSmall(model=model.name, context=model.context, needed=needed)


def maps(task: Task, sources: Sequence[Source], note: int, model: Model) -> list[Prompt]:
    """The calls that read one source each; a source is shortened where it does not fit even alone.

    `note`: tokens of what comes of a reply.
    """
    reply = max(note - MARK, note // 2)

    def build(chosen: Sequence[Source]) -> Prompt:
        return Prompt("map", task.kind, task.question, task.language, reply, sources=tuple(chosen))

    return [build(context_budget.fit(build, [source], model)) for source in sources]


def read(prompts: Sequence[Prompt], sources: Sequence[Source], model: Model) -> Generator[Step, None, Read]:
    """Takes notes of all sources; returns a Read. Raises a ModelError where not one reply came."""
    cut = sum(prompt.sources[0] != source for prompt, source in zip(prompts, sources, strict=True))
    if cut:
        yield Step("cut", len(sources) - cut, len(sources))
    notes: dict[int, str] = {}
    errors: list[ModelError] = []
    ended: list[ModelError] = []
    done = 0
    with llm_calls.closed(llm_calls.read_all(model, prompts)) as replies:
        for index, reply in llm_calls.to_the_end(replies, ended):
            if isinstance(reply, ModelError):
                errors.append(reply)
                yield Step("lost", text=str(reply))
                continue
            done += 1
            yield Step("read", done, len(sources), sources=(sources[index],))
            if not is_nothing(reply.text):
                notes[index] = marked(uncut(reply.text) if reply.cut else reply.text, sources[index].n)
    if (errors or ended) and not done:
        raise (ended or errors)[0]
    return Read(notes, ended[0] if ended else None)


def join(
    round: Round, groups: Mapping[int, Sequence[str]], sources: Sequence[Source], model: Model
) -> Generator[Step, None, dict[int, str]]:
    """One note for each group, by its place; returns them. A group of one is passed on as it is.

    What was paid for is kept: where a reply is none, as much of the notes themselves as one note may hold, and all of
    them where the server is gone.
    """
    ended: list[ModelError] = []
    numbers = {source.n for source in sources}
    fitted = {place: _fitted(round, group, model) for place, group in groups.items()}
    together = [place for place, group in fitted.items() if len(group) > 1]
    joined = {place: group[0] for place, group in fitted.items() if len(group) == 1}
    # What ends it, a cap or a server that is gone, the last call meets again and says.
    with llm_calls.closed(llm_calls.read_all(model, [round.join(fitted[place]) for place in together])) as replies:
        for done, (index, reply) in enumerate(llm_calls.to_the_end(replies, ended), 1):
            place = together[index]
            given = set().union(*(marks(note, numbers) for note in fitted[place]))
            text = "" if isinstance(reply, ModelError) else own(uncut(reply.text) if reply.cut else reply.text, given)
            if is_refusal(text) or (given and not marks(text, given)):
                yield Step("lost", text=str(reply) if isinstance(reply, ModelError) else reply.text[:200])
            else:
                joined[place] = text
            yield Step("joined", done, len(together))
    for place in together:
        if place not in joined and ended and isinstance(ended[0], llm_calls.OUTAGE):
            joined[place] = "\n\n".join(groups[place])
        elif place not in joined:
            kept = fitted[place][: max(1, round.joined // LEAST_TOKENS)]  # each with its own mark
            joined[place] = "\n".join(squeeze(round, kept, model, round.joined // len(kept)))
    return {place: joined[place] for place in sorted(joined) if joined[place]}


def finish(round: Round, notes: Sequence[str], model: Model) -> Iterator[Step | Token]:
    """The answer from the last notes; where the model gives none, the notes. Raises ModelError, after the notes."""
    chosen = list(notes)
    if not context_budget.fits(round.final(chosen), model):
        chosen = squeeze(round, chosen, model)
    elif not context_budget.within(round.final(chosen), round.base + len(chosen) * round.each, model):
        chosen = squeeze(round, chosen, model, round.note)
    wrote, error = False, None
    try:
        for token in llm_calls.tokens(model, round.final(chosen)):
            wrote = wrote or bool(token.text.strip())
            yield token
    except ModelError as broken:
        error = broken
    if error or not wrote:  # what was paid for is given as it is, behind what came of the answer
        if not isinstance(error, CapReached):  # which is no reply, and told in the end
            yield Step("lost", text=str(error or ""))
        yield Token(("\n\n" if wrote else "") + "\n\n".join(notes))
    if error:
        raise error


def _fitted(round: Round, group: Sequence[str], model: Model) -> list[str]:
    """The notes, shortened where they are longer than was announced."""
    if len(group) < 2:
        return list(group)
    most = min(round.base + len(group) * round.each, model.context - round.join(()).max_tokens)
    if context_budget.within(round.join(group), most, model):
        return list(group)
    return squeeze(round, group, model, round.note)


def squeeze(round: Round, notes: Sequence[str], model: Model, share: int = 0) -> list[str]:
    """The notes, each shortened to its share (tokens; 0: an equal one of the window), so that all fit one call."""
    share = share or (model.context - round.last.max_tokens - round.base) // len(notes) - round.tags
    while share > 0:
        short = [shortened(note, share, model) for note in notes]
        if context_budget.fits(round.final(short), model):
            return short
        share = share * 3 // 4
    needed = model.count(round.final(notes)) + round.last.max_tokens
    raise ContextTooSmall(model=model.name, context=model.context, needed=needed)
