"""The names in a question, and whether anything that it is answered from has one of them.

Tables, and sentences without their page, seldom say whose they are: asked for one company's revenue, another's answers
as well. Latin letters only: a document in another script may write a name in that.
"""

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from chains.question import ASKING
from chains.terms import asks_figure, is_term
from ingest.tokens import tokens

_CAPITAL = re.compile(r"(?<![\w&'’.-])(?=\w*[A-Z])[A-Za-z0-9][A-Za-z0-9&]*(?:[-'’][A-Za-z0-9&]+)*")
_POSSESSIVE = re.compile(r"['’]s?$")
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St)\.$")
_BEFORE = 40  # characters before a word in which a sentence's end is looked for
_SHORTEST = 3  # letters; fewer are "US" and "GI", which a text may write out. A digit makes up for one: "3M"
_ALIKE = 5  # words that begin with so many same letters are one: Germany, German
_MOST = 8  # names that are looked for
_CLOSE = 0.75  # of difflib's ratio, from which a word is the name in another spelling: Celeron, Céloron
_NO_NAME = re.compile(
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|mr|mrs|ms|miss|dr|sir|lady|lord)",
    re.IGNORECASE,
)


def called(question: str) -> list[str]:
    """The words with a capital that name somebody or something; not those that only begin a sentence."""
    found = []
    for match in _CAPITAL.finditer(question):
        name = _POSSESSIVE.sub("", match[0])
        before = question[max(0, match.start() - _BEFORE) : match.start()].rstrip(" \t\"'“(")
        begins = not before or before[-1] in "?!:;\n" or (before[-1] == "." and not _TITLE.search(before))
        if begins and name == match[0] and name[1:] == name[1:].lower() and name.isalpha():
            continue
        short = len(name) < _SHORTEST and name.isalpha()
        plain = _NO_NAME.fullmatch(name) or (name.isalpha() and set(tokens(name)) <= ASKING)
        if not (short or plain or is_term(name) or asks_figure(name)):
            found.append(name)
    return found


def unheard(question: str, given: Sequence[str]) -> bool:
    """Whether the question has names and nothing `given` has any of them, even in another spelling."""
    names = called(question)[:_MOST]
    given = [text for text in given if text]
    if not names or not given or not all(_latin(text) for text in (question, *given)):
        return False
    words = {_plain(word) for text in given for word in re.findall(r"\w[\w&]*", text)}
    if any(word.startswith(_plain(name)[:_ALIKE]) for name in names for word in words):
        return False
    capital = sorted({_plain(word) for text in given for word in re.findall(r"[^\W\d_a-z][\w&]+", text)})
    return not any(get_close_matches(_plain(name), capital, 1, _CLOSE) for name in names)


def _latin(text: str) -> bool:
    """Whether most of its letters are of the alphabet."""
    letters = [c for c in text if c.isalpha()]
    return 2 * sum(c.isascii() for c in letters) >= len(letters)


def _plain(word: str) -> str:
    """In lower case, without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(c))
