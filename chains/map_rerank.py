"""Map and rerank: one call a source answers from it alone and says how well it could; the best one's answer it is."""

from collections.abc import Iterator, Sequence

from chains import budget, calls, scores
from chains.errors import ModelError
from chains.events import Step, Token
from chains.models.base import Model
from chains.notes import marked
from chains.plan import Plan, Stage
from chains.prompts import Prompt, Source
from chains.refusal import NOT_FOUND, is_refusal
from chains.tasks import Task

LOW = 20.0  # of 100: an answer that its own writer thinks less of is none


def map_rerank(task: Task, sources: Sequence[Source], model: Model) -> Iterator[Step | Token]:
    """Answers from the one best source. Raises ContextTooSmall before the first call; a ModelError when all fail."""
    prompts = [_prompt(task, source, model) for source in sources]
    cut = sum(prompt.sources[0] != source for prompt, source in zip(prompts, sources, strict=True))
    if cut:
        yield Step("cut", len(sources) - cut, len(sources))
    votes: dict[int, scores.Vote] = {}
    errors: list[ModelError] = []
    ended: list[ModelError] = []
    with calls.closed(calls.read_all(model, prompts)) as replies:
        for done, (index, reply) in enumerate(calls.to_the_end(replies, ended), 1):
            source = (sources[index],)
            if isinstance(reply, ModelError):
                errors.append(reply)
                yield Step("lost", done, len(sources), str(reply), source)
                continue
            vote = votes[index] = scores.read(reply.text)
            score = vote.score()
            if score is None:
                yield Step("lost", done, len(sources), reply.text[:200], source)
            else:
                yield Step("scored", done, len(sources), f"{score:.0f}", source)
    if (errors or ended) and not votes:
        raise (ended or errors)[0]
    best = _best(votes)
    if best is not None:
        yield Token(marked(votes[best].answer, sources[best].n))
    elif not ended:
        yield Token(NOT_FOUND[task.language])
    if ended:
        raise ended[0]


def at_most(task: Task, sources: Sequence[Source], model: Model) -> Plan:
    return Plan((Stage.of((_prompt(task, source, model) for source in sources), model),))


def _prompt(task: Task, source: Source, model: Model) -> Prompt:
    reply = budget.reply_tokens(task.max_tokens, model)

    def build(chosen: Sequence[Source]) -> Prompt:
        return Prompt("rerank", task.kind, task.question, task.language, reply, sources=tuple(chosen))

    return build(budget.fit(build, [source], model))


def _best(votes: dict[int, scores.Vote]) -> int | None:
    """The best answer's index; of equals the one whose source retrieval ranked first; None where none answers."""
    indices = sorted(votes)
    scored = dict(zip(indices, scores.scores([votes[i] for i in indices]), strict=True))
    answers = [i for i in indices if not is_refusal(votes[i].answer)]
    if answers and all(score is None for score in scored.values()):
        return answers[0]  # a model that cannot score: retrieval's order is all there is
    able = [(score, -i) for i in answers if (score := scored[i]) is not None and score >= LOW]
    return -max(able)[1] if able else None
