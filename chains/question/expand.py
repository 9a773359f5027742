"""Ways to ask better: the more general question behind one (step-back), and the parts that it is made of.

Each costs one call and is checked like any rewrite; what is not fit for use is left out, and the question stays.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from chains.errors import ModelError
from chains.execution import context_budget, llm_calls
from chains.language import detect
from chains.model import Model
from chains.prompt import Prompt, Role, Turn
from chains.question import rewrite_check
from ingest.text.search_tokens import language

MOST_PARTS = 4
_REPLY_TOKENS = {"broaden": 120, "split": 320}
_ITEM = re.compile(r"^\s*(?:[-*•·–]|\(?\d{1,2}[.)、．:：]|[（(]?[一二三四][）)、.]|part \d+\s*[:.])\s*", re.IGNORECASE)


def broader(question: str, model: Model) -> str:
    """The more general question behind it, where the model finds one that may be used; else "". One call at most."""
    text = rewrite_check.cleaned(_asked("broaden", question, model))
    good = rewrite_check.is_question_like(text, question) and not rewrite_check.same(text, question)
    return text if good and _near(text, [question]) else ""


def parts(question: str, history: Sequence[Turn], model: Model) -> tuple[str, ...]:
    """The questions that it is made of, 2 to 4; none where it is to stay whole. One call at most."""
    known = [question, *(text for turn in history for text in (turn.question, turn.answer))]
    found: list[str] = []
    for line in _asked("split", question, model).splitlines():
        text = rewrite_check.cleaned(_ITEM.sub("", line))
        if any(rewrite_check.same(text, other) for other in (question, *found)):
            continue
        if rewrite_check.is_question_like(text, question) and _near(text, known):
            found.append(text)
    return tuple(found[:MOST_PARTS]) if len(found) > 1 else ()


def _near(text: str, known: Sequence[str]) -> bool:
    """Whether it shares its subject, and names no person, place or number that was not spoken of."""
    spoken = "\n".join(known)
    if rewrite_check.names(text) - rewrite_check.all_words(spoken) or rewrite_check.numbers(
        text
    ) - rewrite_check.numbers(spoken):
        return False
    shared = rewrite_check.subject(text) & rewrite_check.subject(spoken)
    return len(shared) > (language(text) == "zh")  # one Chinese character is no word yet


def _asked(role: Role, question: str, model: Model) -> str:
    """The model's reply; "" where it fails, or where the question does not fit its window."""
    prompt = Prompt(role, "question", question, detect.of(question), _REPLY_TOKENS[role])
    prompt = replace(prompt, max_tokens=context_budget.reply_tokens(prompt.max_tokens, model))
    if not context_budget.fits(prompt, model):
        return ""
    try:
        return llm_calls.read(model, prompt).text
    except ModelError:
        return ""
