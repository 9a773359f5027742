"""A follow-up becomes a question that stands alone: when it needs the conversation and the rewrite is one."""

import re
from collections.abc import Sequence

from chains import budget, calls
from chains.errors import ModelError
from chains.models.base import Model
from chains.prompts import Prompt, Turn
from ingest.sentences import sentences
from ingest.tokens import language, tokens

TURNS = 3  # that far back a question may point
ANSWER_CHARS = 600  # of each earlier answer; what is asked about stands at its beginning
REPLY_TOKENS = 120
LONGEST = 400  # characters of a question; a rewrite may not be longer, nor five times as long as what was asked

# Words that point back. Not "that" and "there" alone: "Is there …?" and "the book that …" point nowhere.
_POINTS_BACK = re.compile(
    r"\b(?:it|its|itself|he|him|his|she|her|hers|they|them|their|theirs|these|those|former|latter|same|previous|above|"
    r"the (?:first|second|third|other|last|next) (?:one|two|three)|this|"
    r"(?:of|about|in|on|is|was|does|did|do|why|than|like|to) that)\b"
    r"|^(?:and|but|so|or|also|then|what else|what about|how about|why|how so|how come|really|else|more|continue|go on|"
    r"explain)\b"
    r"|[它他她这那其该此]|上述|前者|后者|^(?:那么?|还有|为什么|然后|继续|具体|详细|再)|呢[？?]?$",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^\W*(?:(?:rewritten|standalone|stand-alone)?\s*question|改写后的问题|问题)\s*[:：]\s*", re.IGNORECASE
)


def condense(question: str, history: Sequence[Turn], model: Model) -> str:
    """The question as it stands alone; else as it was asked. One call at most."""
    prompt = _prompt(question, history, model) if needs_history(question, history) else None
    if prompt is None:
        return question
    try:
        return checked(calls.read(model, prompt).text, question, history)
    except ModelError:
        return question


def needs_history(question: str, history: Sequence[Turn]) -> bool:
    """Whether it points back, or says too little by itself to be searched for."""
    return bool(history) and (_POINTS_BACK.search(question.strip()) is not None or len(tokens(question)) < 3)


def checked(rewrite: str, question: str, history: Sequence[Turn]) -> str:
    """The rewrite where it is one sensible sentence in the same language about the same subject; else the question."""
    text = re.sub(
        r"^\W*(?:(?:rewritten|standalone|stand-alone)?\s*question|改写后的问题|问题)\s*[:：]\s*",
        "",
        rewrite.strip(),
        flags=re.I,
    )
    text = text.strip('"“”「」*` \n')
    if (
        not text
        or "\n" in text
        or len(text) > min(LONGEST, max(160, 5 * len(question)))
        or len(list(sentences(text))) != 1
    ):
        return question
    if language(text) != language(question):
        return question
    known = set(tokens(" ".join([question, *(part for turn in history for part in (turn.question, turn.answer))])))
    new = set(tokens(text))
    # Every subject it names must have been spoken of; a few words of grammar may be its own.
    if not new & known or len(new & known) < 0.5 * len(new):
        return question
    return text


def _prompt(question: str, history: Sequence[Turn], model: Model) -> Prompt | None:
    """With as many of the last turns as fit; None where not even one does."""
    turns = tuple(Turn(turn.question, turn.answer[:ANSWER_CHARS]) for turn in history[-TURNS:])
    reply = budget.reply_tokens(REPLY_TOKENS, model)
    while turns:
        prompt = Prompt("condense", "question", question, language(question), reply, history=turns)
        if budget.fits(prompt, model):
            return prompt
        turns = turns[1:]
    return None
