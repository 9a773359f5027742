"""A question as a model has written it anew: whether it may be used in the place of the one that was asked."""

import re
from collections.abc import Iterable

from chains.question import ASKING, ASKING_HAN
from ingest.sentences import sentences
from ingest.tokens import language, tokens

LONGEST = 400  # characters; a rewrite may not be longer, nor five times as long as what was asked
_UNKNOWN = 1 / 3  # of its words, at most, may be neither in the question nor in the conversation

_LABEL = re.compile(
    r"^\W*(?:(?:the )?(?:rewritten|stand-?alone|(?:more )?general|broader|step-?back)?\s*(?:question|query)"
    r"|(?:改写后的|独立的?|更?一般的|更宽泛的|更概括的)?问题)(?:\s+is)?[*_]*\s*[:：][*_]*\s*",
    re.IGNORECASE,
)
_AROUND = "\"“”'‘’「」『』*_` \n"
_HAN = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\d_\u3400-\u9fff][\w'’&-]*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ASKS = re.compile(
    r"^(?:(?:and|but|so|or),? )?(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|do|does|did|has|have"
    r"|had|can|could|will|would|"
    r"should|may|might|in (?:what|which))\b|[吗呢么谁哪几]|什么|多少|如何|怎|为何|是否|何时|何",
    re.IGNORECASE,
)
# Verbs and nouns that a rewrite may bring to say the same; tokens, so without their endings.
_GRAMMAR = ASKING | frozenset(tokens("regarding concerning about mention mentioned describe called document documents"))


def cleaned(reply: str) -> str:
    """The reply without a label before it and quotation marks around it."""
    return _LABEL.sub("", reply.strip().strip(_AROUND)).strip(_AROUND)


def is_question_like(text: str, asked: str) -> bool:
    """One sentence, in the language of `asked` and no longer than it may be; a question where that is one."""
    return (
        bool(text)
        and "\n" not in text
        and len(text) <= min(LONGEST, max(160, 5 * len(asked)))
        and len(list(sentences(text))) == 1
        and language(text) == language(asked)
        and (not asks(asked) or asks(text))
    )


def asks(text: str) -> bool:
    """Whether it is a question, by its sign or by its words."""
    return text.rstrip(_AROUND).endswith(("?", "？")) or _ASKS.search(text.strip()) is not None


def same(one: str, other: str) -> bool:
    """Whether two questions differ in nothing but signs and capitals."""
    return tokens(one) == tokens(other)


def of_the_subject(text: str, known: Iterable[str]) -> bool:
    """Whether it speaks of what was spoken of: of no other name or number, and with few words that are new.

    `known`: the question and what was said before it.
    """
    spoken = "\n".join(known)
    words, mine = subject(spoken), subject(text)
    if names(text) - all_words(spoken) or numbers(text) - numbers(spoken):
        return False
    return bool(mine & words) and len(mine - words) <= _UNKNOWN * len(mine)


def keeps(text: str, asked: str) -> bool:
    """Whether it still asks what `asked` does: with all its names and numbers, and half of its words."""
    mine, wanted = subject(text), subject(asked)
    if names(asked) - all_words(text) or numbers(asked) - numbers(text):
        return False
    return len(wanted) < 2 or 2 * len(mine & wanted) >= len(wanted)


def subject(text: str) -> frozenset[str]:
    """What a text is about: stems and numbers; of Chinese the characters, whose pairs change with every word "
    "between."""
    han = {c for c in _HAN.findall(text) if not ASKING_HAN.match(c)}
    return frozenset(han | {w for w in tokens(_HAN.sub(" ", text)) if w not in _GRAMMAR})


def names(text: str) -> frozenset[str]:
    """The words with a capital, in lower case, without the first of a sentence and without "I"."""
    found = set()
    for start, end in sentences(text):
        words = [word.removesuffix("'s").removesuffix("’s") for word in _WORD.findall(text[start:end])]
        found |= {word.lower() for word in words[1:] if word[0].isupper() and word != "I"}
        found |= {word.lower() for word in words[:1] if _inner_capital(word)}
    return frozenset(found)


def numbers(text: str) -> frozenset[str]:
    return frozenset(number.replace(",", "") for number in _NUMBER.findall(text))


def _inner_capital(word: str) -> bool:
    return any(c.isupper() for c in word[1:])


def all_words(text: str) -> frozenset[str]:
    return frozenset(word.lower().removesuffix("'s").removesuffix("’s") for word in _WORD.findall(text))
