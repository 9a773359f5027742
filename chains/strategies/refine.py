"""Refine: a draft from the first sources, improved with the next, and so on to the last.

The better of old and new is kept: a reply that refuses, changes nothing, is empty, fails, or loses some of the draft's
sources for none of the new ones never takes its place. A question's sources come best first, so when some batches in a
row add nothing, the rest is left unread, and that is said; a summary's are a document in order, and all are read.
"""

from collections.abc import Iterator, Sequence

from chains.errors import CapReached, ModelError
from chains.events import Step, Token, Trial
from chains.execution import context_budget, llm_calls
from chains.grounding.citations import plain
from chains.grounding.refusal import is_refusal, is_unchanged
from chains.model import Model
from chains.plan import Plan, Stage
from chains.prompt import Prompt, Role, Source, Task
from chains.prompting.render import material
from chains.strategies.combine_notes import marks, own

HEARD = 240  # characters after which a reply without a mark can no longer be a refusal; those are short
BATCH = 3  # sources a call, also where more would fit: a draft that is never improved is what stuff writes
_ADDS_NOTHING = ("unchanged", "refused")
IDLE = 2  # batches in a row that add nothing, after which a question's other sources are not read (DECISIONS.md)


def refine(task: Task, sources: Sequence[Source], model: Model) -> Iterator[Step | Token | Trial]:
    """One call a batch. Raises ContextTooSmall before the first call; a ModelError where there is no draft to keep."""
    batches = _batches(task, sources, model)
    draft, given, read, done, idle = "", set[int](), 0, 0, 0  # read: also by calls that failed
    row = 0  # calls in a row that failed
    for i, batch in enumerate(batches, 1):
        prompt = _prompt(task, batch, draft, model)
        given |= {source.n for source in prompt.sources}
        whole = sum(source in batch for source in prompt.sources)
        if whole < len(batch):
            yield Step("cut", whole, len(batch))
        read += len(batch)
        yield Step("reading", read, len(sources), sources=prompt.sources)
        if i == len(batches):
            yield from _last(prompt, draft, given, model, len(batches)) if draft else llm_calls.tokens(model, prompt)
            return
        try:
            reply = own((yield from llm_calls.watched(model, prompt, Trial)).text, given)
        except ModelError as error:
            row += 1
            gone = isinstance(error, llm_calls.OUTAGE) and row >= llm_calls.IN_A_ROW
            if isinstance(error, llm_calls.HOPELESS) or gone:
                if draft:  # what was paid for is given as it is
                    yield Token(draft)
                raise
            yield Step("lost", text=str(error))
            continue
        row = 0
        done += len(batch)
        yield Step("read", done, len(sources))
        why = _worse(reply, draft, given)
        if not why:
            draft, idle = reply, 0
            yield Step("drafted", i, len(batches), draft)
        elif draft:
            yield Step("kept", i, len(batches), why)
            idle += why in _ADDS_NOTHING
            if idle == IDLE and task.kind == "question":
                yield Step("enough", read, len(sources))
                yield Token(draft)
                return


def at_most(task: Task, sources: Sequence[Source], model: Model) -> Plan:
    """One call a batch; the batches are known beforehand. All but the first read a draft as well."""
    role = _longer(task, model)
    prompts = [_build(role, task, batch, "", model) for batch in _batches(task, sources, model)]
    n, reply = len(prompts), prompts[0].max_tokens
    most = n * (model.context - reply)  # each is made to fit
    tokens = min(most, context_budget.together(prompts, model) + (n - 1) * _beside(task, model))
    return Plan(tuple(Stage(1, tokens * (i + 1) // n - tokens * i // n, reply) for i in range(n)))


def _build(role: Role, task: Task, chosen: Sequence[Source], draft: str, model: Model) -> Prompt:
    reply = context_budget.reply_tokens(task.max_tokens, model)
    return Prompt(role, task.kind, task.question, task.language, reply, sources=tuple(chosen), draft=draft)


def _batches(task: Task, sources: Sequence[Source], model: Model) -> list[Sequence[Source]]:
    """Sources that fit one call, beside a draft of a reply's length. None is left out; one too long stands alone."""
    role = _longer(task, model)
    reserve = _beside(task, model)
    batches: list[Sequence[Source]] = []
    at = 0
    while at < len(sources):
        rest = sources[at : at + BATCH]
        batch = context_budget.fit(lambda chosen: _build(role, task, chosen, "", model), rest, model, reserve)
        batches.append(sources[at : at + len(batch)])
        at += len(batch)
    return batches


def _longer(task: Task, model: Model) -> Role:
    """The role with more words: a batch may meet either."""
    roles: tuple[Role, ...] = ("answer", "refine")
    return max(roles, key=lambda role: model.count(_build(role, task, (), "", model)))


def _prompt(task: Task, batch: Sequence[Source], draft: str, model: Model) -> Prompt:
    """The batch with the draft. A source too long for the window is shortened in it, as is an overlong draft."""
    role: Role = "refine" if draft else "answer"
    prompt = _build(role, task, batch, draft, model)
    if context_budget.fits(prompt, model):
        return prompt
    reserve = _beside(task, model) if draft else 0
    chosen = context_budget.fit(lambda chosen: _build(role, task, chosen, "", model), batch, model, reserve)
    most = reserve
    while draft and not context_budget.fits(prompt := _build(role, task, chosen, draft, model), model):
        most -= max(1, reserve // 16)
        draft = context_budget.shorten(draft, most, model)
    return prompt if draft else _build(role, task, chosen, "", model)


def _beside(task: Task, model: Model) -> int:
    """Tokens of a draft as long as a reply may be, with its tags."""
    reply = context_budget.reply_tokens(task.max_tokens, model)
    return reply + model.size(material(_build("refine", task, (), " ", model))[0]) + 2 * context_budget.SEAM


def _worse(reply: str, draft: str, given: set[int]) -> str:
    """Why the reply does not take the draft's place; "" where it does."""
    if not reply.strip():
        return "empty"
    if is_refusal(reply):
        return "refused"
    if draft and (is_unchanged(reply) or _same(reply, draft, given)):
        return "unchanged"
    if marks(reply, given) < marks(draft, given):
        return "sources lost"
    return ""


def _same(reply: str, draft: str, given: set[int]) -> bool:
    """Whether the draft was written once more, whatever its marks quote."""
    return plain(reply).split() == plain(draft).split() and marks(reply, given) == marks(draft, given)


def _last(prompt: Prompt, draft: str, given: set[int], model: Model, n: int) -> Iterator[Step | Token | Trial]:
    """The last call's reply, on trial until its beginning shows that it is a better draft; else the draft."""
    held, live = "", False
    try:
        with llm_calls.closed(llm_calls.tokens(model, prompt)) as tokens:
            for token in tokens:
                held += token.text
                if live:
                    yield token
                elif not _worse(held, draft, given) and (marks(held, given) or len(held) > HEARD):
                    live = True
                    yield Token(held)
                else:
                    yield Trial(token.text)
    except CapReached:
        yield Token(draft)
        raise
    except ModelError as error:
        yield Step("lost", text=str(error))
        if live:  # the screen has half of a new draft: what was whole is given after it
            yield Token("\n\n" + draft)
            raise
        held = ""
    if not live:
        why = _worse(held, draft, given)
        if why:
            yield Step("kept", n, n, why)
        yield Token(draft if why else held)
