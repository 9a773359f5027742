"""A model that is shown examples, and that reasons before it answers. To a chain it is a Model like any other.

The calls that write an answer are the ones that are changed. What the model reasons, because it was asked to or of its
own accord, is taken out of the stream while it comes; a chain never sees it, so it is in no answer, citation, score or
figure.
"""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from chains.events import Step
from chains.execution import few_shot as shown
from chains.execution.llm_calls import closed
from chains.model import Finish, Model, Thought, Usage
from chains.options import Ways
from chains.plan import Plan, Stage
from chains.prompt import Prompt
from chains.thinking import Thoughts

ROLES = frozenset({"answer", "reduce", "refine", "rerank"})
REASONING_TOKENS = 400
LEAST_TOKENS = 100  # in which there is anything to be reasoned; what asks for it takes as many
SHARE = 8  # reasoning takes at most this fraction of the window
TAGS = (("<reasoning>", "</reasoning>"),)


class Guided:
    """A Model around a model, for one question. What it has to tell is in `told`."""

    def __init__(self, model: Model, question: str, ways: Ways) -> None:
        self._model = model
        room = min(REASONING_TOKENS, model.context // SHARE) if ways.think else 0
        self._reasoning = room if room >= LEAST_TOKENS else 0
        self._examples = shown.chosen(ways.examples, question, model)
        self._lock = threading.Lock()
        self._told: deque[Step] = deque()
        self.spare = int(self._reasoning > 0)  # calls that it may make beyond those that it is asked for
        if ways.think and not self._reasoning:
            self._told.append(Step("reasoned"))
        if ways.examples:
            self._told.append(Step("examples", len(self._examples), len(ways.examples)))

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context(self) -> int:
        """Without what reasoning takes, which no chain has to think of."""
        return self._model.context - self._reasoning

    @property
    def parallel(self) -> int:
        return self._model.parallel

    def allowed(self, plan: Plan) -> Plan:
        """The plan of a chain with what reasoning adds: to each reply, and the calls to spare."""
        if not self._reasoning:
            return plan
        more = self._reasoning
        stages = [replace(stage, output_tokens=stage.output_tokens + stage.calls * more) for stage in plan.stages]
        reply = self._model.context // 4  # no reply is longer (chains/execution/context_budget.py)
        spare = Stage(self.spare, self.spare * (self._model.context - reply), self.spare * reply)
        return replace(plan, stages=(*stages, spare))

    def told(self) -> Iterator[Step]:
        """What has not been told yet. The sources of a "reasoned" are those of its call; without text it says that
        the model's window has no room for any.
        """
        while self._told:
            yield self._told.popleft()

    def count(self, prompt: Prompt) -> int:
        return self._model.count(self._guided(prompt))

    def size(self, *texts: str) -> int:
        return self._model.size(*texts)

    def at_most(self, text: str) -> int:
        return self._model.at_most(text)

    def stream(self, prompt: Prompt) -> Iterator[str | Finish]:
        """See Model.stream.

        A reply that is nothing but reasoning is none. The first such one is asked for again, without any; what chains
        do with a bad reply is good enough for the others.
        """
        asked = self._guided(prompt)
        thoughts, own, visible = Thoughts(tags=TAGS if asked.reasoning else ()), "", False
        finish = Finish("stop", Usage())
        with closed(self._model.stream(asked)) as stream:
            for piece in stream:
                if isinstance(piece, Finish):
                    finish = piece
                    continue
                if isinstance(piece, Thought):
                    own += piece.text
                    yield ""
                    continue
                text = thoughts.feed(piece)
                if text and not visible:
                    visible = True
                    self._tell(own, thoughts.text, prompt)
                yield text
        rest = thoughts.close()
        if rest.strip() and not visible:
            visible = True
            self._tell(own, thoughts.text, prompt)
        if visible or not thoughts.seen or not self._again():
            yield rest
            yield finish
            return
        self._told.append(Step("lost", text=" ".join(thoughts.text.split())[:200]))
        again = replace(asked, reasoning=0, max_tokens=prompt.max_tokens)
        with closed(self._model.stream(again)) as stream:
            yield from ("" if isinstance(piece, Thought) else piece for piece in stream)

    def _guided(self, prompt: Prompt) -> Prompt:
        if not _writes(prompt):
            return prompt
        most = prompt.max_tokens + self._reasoning
        return replace(prompt, examples=self._examples, reasoning=self._reasoning, max_tokens=most)

    def _tell(self, own: str, asked_for: str, prompt: Prompt) -> None:
        text = "\n\n".join(part.strip() for part in (own, asked_for) if part.strip())
        if text and _writes(prompt):
            self._told.append(Step("reasoned", text=text, sources=prompt.sources))

    def _again(self) -> bool:
        with self._lock:
            spare, self.spare = self.spare, 0
            return spare > 0


def _writes(prompt: Prompt) -> bool:
    """Whether it asks for an answer, and not for what an answer is made of."""
    return prompt.role in ROLES and prompt.task == "question"
