"""A question as a model has written it anew: whether it may be used in the place of the one that was asked."""

import re
from collections.abc import Iterable

from chains.language import detect
from chains.language.lexicon import ASKING, ASKING_HAN
from ingest.text.search_tokens import language, tokens
from ingest.text.sentences import sentences

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
# What a question asks for by its word, and the words by which a rewrite may ask for the same.
_KINDS = (
    ("when", re.compile(r"\bwhen\b|何时|什么时候|哪一?[年月天日]", re.IGNORECASE)),
    ("why", re.compile(r"\bwhy\b|\bhow come\b|为什么|为何|怎么会", re.IGNORECASE)),
    ("where", re.compile(r"\bwhere\b|哪里|哪儿|何处", re.IGNORECASE)),
    ("who", re.compile(r"\bwho(?:m|se)?\b|谁", re.IGNORECASE)),
    ("how", re.compile(r"\bhow\b|多少|多(?!么)|几|怎|如何", re.IGNORECASE)),
    ("what", re.compile(r"\bwh(?:at|ich)\b|什么|哪|几|是多少", re.IGNORECASE)),
)
_OPENING = re.compile(
    r"^(?:(?:and|but|so|or|then|also),? )*(?:(?:in|at|by|for|to|from|with|on|of|since|until) )?"
    r"(?:when|why|where|who(?:m|se)?|how(?! about)|what(?! about)|which)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:not|never|no longer|without)\b|n['’]t\b|(?<!有)没有?(?!有)|未(?!来)|[并从都还也就]不"
    r"|不[是会能再要愿肯]",
    re.IGNORECASE,
)
_SIDES = tuple(
    (re.compile(one, re.IGNORECASE), re.compile(other, re.IGNORECASE))
    for a, b in (
        (r"\bhigher\b|高于|更高", r"\blower\b|低于|更低"),
        (r"\b(?:more|most)\b|多于|更多|最多", r"\b(?:less|fewer|least|fewest)\b|少于|更少|最少"),
        (r"\b(?:larg|bigg|great)(?:er|est)\b|更大|最大", r"\bsmall(?:er|est)\b|更小|最小"),
        (r"\bbefore\b|之前|以前", r"\bafter\b|之后|以后"),
        (r"\b(?:first|earliest)\b|最早|第一", r"\b(?:last|latest)\b|最晚|最后"),
        (r"\bbe(?:tter|st)\b|最好|更好", r"\bwors[et]\w*|最差|更差"),
        (
            r"\bincreas|\bris(?:e|en|ing)\b|\brose\b|\bgr[eo]w|增长|增加|上升",
            r"\bdecreas|\bdeclin|\bf[ae]ll\w*|下降|减少|下滑",
        ),
        (r"\b(?:profit|gain)s?\b|盈利|利润", r"\bloss(?:es)?\b|亏损"),
    )
    for one, other in ((a, b), (b, a))
)
_EITHER = re.compile(r"(\w)[不没]\1|有没有|是否")
_RUN = re.compile(r"[\u3400-\u9fff]+")
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
        and detect.alike(text, asked)
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
    if names(text) - all_words(spoken) or numbers(text) - numbers(spoken) or _new_term(text, spoken):
        return False
    return bool(mine & words) and len(mine - words) <= _UNKNOWN * len(mine)


def _new_term(text: str, spoken: str) -> bool:
    """Whether Chinese characters that nobody has said stand together: a word of its own, no other form of one."""
    new = "".join(c if c not in spoken and not ASKING_HAN.match(c) else " " for c in text)
    return any(len(run) > 1 for run in _RUN.findall(new))


def keeps(text: str, asked: str) -> bool:
    """Whether it still asks what `asked` does: with its names, numbers, question word, and half of its other words."""
    mine, wanted = subject(text), subject(asked)
    if names(asked) - all_words(text) or numbers(asked) - numbers(text) or not _asks_alike(text, asked):
        return False
    if any(one.search(asked) and other.search(text) and not one.search(text) for one, other in _SIDES):
        return False  # lower for higher
    return len(wanted) < 2 or 2 * len(mine & wanted) >= len(wanted)


def _asks_alike(text: str, asked: str) -> bool:
    """Not why for when, and not yes or no for either; "what" may stand for each of them."""
    if language(asked) == "en" and not _OPENING.match(asked.strip()):
        return True
    kinds = [kind for kind, word in _KINDS if word.search(asked)]
    if not kinds:
        return True
    mine = {kind for kind, word in _KINDS if word.search(text)}
    return bool(mine) if kinds[0] in ("what", "how") else bool(mine & {kinds[0], "what"})


def denies(text: str) -> bool:
    """Whether it says that something is not so."""
    return _DENIES.search(_EITHER.sub("", text)) is not None


def is_elliptical(text: str) -> bool:
    """Whether nothing but names and numbers stands in it: "And in 2019?" asks what was asked before."""
    return not {word for word in subject(text) - names(text) if not word[0].isdigit()}


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
