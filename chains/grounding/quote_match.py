"""Where words stand in a source: as they are, nearly, or nowhere; and whether so few words prove anything.

Words are weighed: a function word ("the", "的") says little of what a sentence is about, so it counts a fifth of any
other word where they are compared and nothing where it is asked whether they prove something. A Chinese character
counts half a word.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from chains.language.lexicon import ASKING, ASKING_HAN
from chains.language.numbers import Number, agree, normal, numbers
from ingest.text.normalize import find
from ingest.text.search_tokens import han_share, tokens, units
from ingest.text.sentences import sentences

_FLOOR = 3.0  # words that say something: what a quote must have to prove a sentence that says more than it
_NEAR = 0.75  # of the words' weight must stand together to count as near; measured, see DECISIONS.md
_LITTLE = 0.2  # what a function word counts
_HAN = 0.5  # what a Chinese character counts
_FIGURE = 2.0  # what a number counts where it is asked whether words prove something: few others have it
_GAP = 400  # characters that an ellipsis may stand for: a few sentences
_ELLIPSIS = re.compile(r"\s*(?:\.{3,}|…+|\[…\]|\[\.{3}\])\s*")
_FUNCTION = ASKING | frozenset(
    tokens(
        """after again against all also although always am among another because before both but cannot certainly during
        each either else enough even ever every few further got himself herself here however indeed itself just least
        less like may might more most must myself neither never no none nor not nothing now off often ok okay
        once one only onto other others ought out over own perhaps quite rather same shall since something still such
        sure themselves though through thus together too true under until up upon us very well were while whole within
        without yes yet yourself i'm i'll i've it's that's there's don't didn't isn't wasn't won't can't he'd she'd"""
    )
)
_FUNCTION_HAN = re.compile(f"{ASKING_HAN.pattern}|[他她它我你们也不没很还更最只已再又则但此各每所]")


def content(words: str) -> float:
    """How many words of `words` say something, each once; a number of two digits or more counts two."""
    return sum(_FIGURE if _is_figure(held) else weight for held, weight in _weighed(words) if weight > _LITTLE)


def _is_figure(held: frozenset[str]) -> bool:
    return all(len(token) > 1 and token[0].isdigit() for token in held)


def proves(words: str, said: str) -> bool:
    """Whether it proves something of the sentence `said` that `words` stand somewhere.

    They must say something: three words, one and a figure, or six Chinese characters; fewer, where they are all that
    the sentence says: "1884", "Samuel Webber".
    """
    own = content(words)
    return own >= _FLOOR or (own >= 1 and _telling(said) != frozenset() and _telling(said) <= _telling(words))


def _telling(words: str) -> frozenset[frozenset[str]]:
    return frozenset(held for held, weight in _weighed(words) if weight > _LITTLE)


@lru_cache(maxsize=1024)
def _weighed(words: str) -> tuple[tuple[frozenset[str], float], ...]:
    """Each different word or Chinese character, as the search tokens that it is in, with its weight."""
    weighed = []
    for word, held in dict.fromkeys(units(words)):
        han = han_share(word) > 0
        small = _FUNCTION_HAN.match(word) is not None if han else word in _FUNCTION
        weighed.append((held, (_HAN if han else 1.0) * (_LITTLE if small else 1.0)))
    return tuple(weighed)


def exact(words: str, text: str) -> tuple[int, int] | None:
    """Where `words` stand in `text` as they are: [start, end); the parts around an ellipsis in their order."""
    parts = [part for part in _ELLIPSIS.split(words.strip()) if part.strip()]
    if not parts or not any(c.isalnum() for c in words) or (len(parts) > 1 and min(map(content, parts)) < 1):
        return None
    at = 0
    while first := _find(parts[0], text[at:]):
        start, end = at + first[0], at + first[1]
        for part in parts[1:]:
            found = _find(part, text[end:])
            if found is None:
                return None
            if found[0] > _GAP:
                break
            end += found[1]
        else:
            return start, end
        at = start + 1
    return None


def _find(part: str, text: str) -> tuple[int, int] | None:
    return find(part, text) or find(part.rstrip(".。!！?？;；,，"), text)


def near(words: str, text: str) -> tuple[int, int] | None:
    """The sentence of `text` that holds the most of `words`, if it is enough and every figure of them; where none does,
    two neighbours: [start, end)."""
    wanted = _weighed(words)
    if content(words) < 2:
        return None
    enough = _NEAR * sum(weight for _, weight in wanted) - 1e-9
    single = _stretches(text)
    for stretches in (single, [(a[0], b[1], a[2] | b[2]) for a, b in pairwise(single)]):
        weighed = [(sum(weight for held, weight in wanted if held & there), a, b) for a, b, there in stretches]
        for _, start, end in sorted((one for one in weighed if one[0] >= enough), key=lambda one: -one[0]):
            if _has_figures(words, text[start:end]):
                return start, end
    return None


@lru_cache(maxsize=256)
def _stretches(text: str) -> Sequence[tuple[int, int, frozenset[str]]]:
    """The sentences of a text with their search tokens."""
    return tuple((start, end, frozenset(tokens(text[start:end]))) for start, end in sentences(text))


def _has_figures(words: str, text: str) -> bool:
    """Whether every number of `words` stands in `text`, digits that belong to a name ("Q4") as well."""
    said, held = _figures(words), _figures(text)
    of_names = {token for token in tokens(words) if token[0].isdigit()} - {t for one in said for t in tokens(one.text)}
    return of_names <= set(tokens(text)) and all(any(agree(one, other) for other in held) for one in said)


@lru_cache(maxsize=1024)
def _figures(text: str) -> Sequence[Number]:
    return tuple(numbers(normal(text)))
