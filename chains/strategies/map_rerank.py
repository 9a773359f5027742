"""Map and rerank: the one best source answers. Each source is weighed by a call of its own, in one of two ways.

answer: the call answers from its source alone and says how well it could; the best one's answer it is. N calls.
score:  the call only says how well its source answers; then the best source alone is asked for the answer, which is
        streamed. N short calls and one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from chains.errors import ModelError
from chains.events import Step, Token
from chains.execution import context_budget, llm_calls
from chains.grounding.refusal import NOT_FOUND, is_nothing, is_refusal
from chains.model import Model
from chains.plan import Plan, Stage
from chains.prompt import Prompt, Source, Task
from chains.prompting import scores
from chains.strategies.combine_notes import marked

LOW = 20.0  # of 100: an answer that its own writer thinks less of is none
SCORE_TOKENS = 120  # of a reply that is one line; a model that cannot but explain itself has room to
SLACK = 16  # tokens that the seams between a source and the words around it may take


def map_rerank(task: Task, sources: Sequence[Source], model: Model) -> Iterator[Step | Token]:
    """Answers from the one best source. Raises ContextTooSmall before the first call; a ModelError when all fail."""
    prompts = _prompts(task, sources, model)
    cut = sum(prompt.sources[0] != source for prompt, source in zip(prompts, sources, strict=True))
    if cut:
        yield Step("cut", len(sources) - cut, len(sources))
    votes: dict[int, scores.Vote] = {}
    errors: list[ModelError] = []
    ended: list[ModelError] = []
    with llm_calls.closed(llm_calls.read_all(model, prompts)) as replies:
        for done, (index, reply) in enumerate(llm_calls.to_the_end(replies, ended), 1):
            source = (sources[index],) if task.rerank == "answer" else ()  # whoever scores writes no mark
            if isinstance(reply, ModelError):
                errors.append(reply)
                yield Step("lost", done, len(sources), str(reply), source)
                continue
            vote = votes[index] = _vote(task, reply.text)
            score = vote.score
            if score is None:
                yield Step("lost", done, len(sources), reply.text[:200], source)
            else:
                yield Step("scored", done, len(sources), f"{score:.0f}", source, n=sources[index].n)
    if (errors or ended) and not votes:
        raise (ended or errors)[0]
    best = _best(task, votes)
    if best is None:
        if not ended:
            yield Token(NOT_FOUND[task.words])
    elif task.rerank == "answer":
        yield Token(marked(votes[best].answer, sources[best].n))
    else:
        yield Step("best", 1, len(sources), str(sources[best].n), prompts[best].sources)
        yield from llm_calls.tokens(model, replace(_answer(task, model), sources=prompts[best].sources))
    if ended:
        raise ended[0]


def at_most(task: Task, sources: Sequence[Source], model: Model) -> Plan:
    prompts = _prompts(task, sources, model)
    weighing = context_budget.plan_stage(prompts, model)
    if task.rerank == "answer":
        return Plan((weighing,))
    answer = _answer(task, model)
    longest = context_budget.longest([replace(answer, sources=prompt.sources) for prompt in prompts], model)
    most = model.context - answer.max_tokens  # it is made to fit
    return Plan((weighing, Stage(1, min(longest, most), answer.max_tokens)))


def _prompts(task: Task, sources: Sequence[Source], model: Model) -> list[Prompt]:
    """One call a source, which is shortened where it does not fit; a source that is scored fits its answer too."""
    answer = _answer(task, model)
    if task.rerank == "answer":
        empty, reserve = replace(answer, role="rerank", schema="answer_and_score"), 0
    else:
        short = context_budget.reply_tokens(SCORE_TOKENS, model)
        empty = replace(answer, role="score", max_tokens=short, schema="score")
        longer = model.count(answer) + answer.max_tokens - model.count(empty) - empty.max_tokens
        reserve = max(0, longer + SLACK)

    def build(chosen: Sequence[Source]) -> Prompt:
        return replace(empty, sources=tuple(chosen))

    return [build(context_budget.fit(build, [source], model, reserve)) for source in sources]


def _answer(task: Task, model: Model) -> Prompt:
    reply = context_budget.reply_tokens(task.max_tokens, model)
    return Prompt("answer", task.kind, task.question, task.language, reply)


def _vote(task: Task, reply: str) -> scores.Vote:
    """In the one way a refusal is an answer that cannot win, in the other it is a score of 0."""
    if task.rerank == "answer":
        return scores.read(reply)
    vote = scores.read_score(reply)
    return scores.Vote("", 0.0, 100.0) if vote.number is None and reply.strip() and is_nothing(reply) else vote


def _best(task: Task, votes: Mapping[int, scores.Vote]) -> int | None:
    """The best source's index; of equals the one that retrieval ranked first; None where none answers."""
    indices = sorted(votes)
    unit = scores.TEN if scores.by_ten(votes.values()) else 1.0
    scored = {i: None if (score := votes[i].score) is None else unit * score for i in indices}
    able = [i for i in indices if task.rerank == "score" or not is_refusal(votes[i].answer)]
    if able and all(score is None for score in scored.values()):
        return able[0]  # a model that cannot score: retrieval's order is all there is
    good = [(score, -i) for i in able if (score := scored[i]) is not None and score >= LOW]
    return -max(good)[1] if good else None
