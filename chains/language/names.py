"""The names in a question, and whether anything that it is answered from has one of them.

A figure seldom says whose it is: asked for one company's revenue, another's row answers as well. Latin letters only: a
document in another script may write a name in that.
"""

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from chains.language.finance_terms import asks_figure, is_term
from chains.language.lexicon import ASKING
from chains.prompt import Source
from ingest.text.search_tokens import tokens

_WORD = re.compile(r"[^\W_](?:[\w&]|[-'’](?=\w))*")
_POSSESSIVE = re.compile(r"['’]s?$")
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St)\.$")
_BEFORE = 40  # characters before a word in which a sentence's end is looked for
_SHORTEST = 3  # letters; fewer are "US" and "GI", which a text may write out. A digit makes up for one: "3M"
_ALIKE = 5  # words that begin with so many same letters are one: Germany, German
_MOST = 8  # names that are looked for
_CLOSE = 0.75  # of difflib's ratio, from which a word is the name in another spelling: Celeron, Céloron
# Dates, titles, parts of documents, and what an answer is wished to be like.
_NO_NAME = re.compile(
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|q[1-4]|fy\d+|[ivxlc]+|mr|mrs|ms|miss|dr|sir|lady|lord"
    r"|(?:chapter|section|table|figure|appendix|annex|exhibit|item|note|part|volume|book|page|document|report|pdf|file"
    r"|company|group|firm|question|answer)s?|english|chinese|usd|eur|gbp|rmb|cny|i['’]\w+)",
    re.IGNORECASE,
)
_LINKS = frozenset(("a", "an", "and", "at", "de", "for", "in", "of", "on", "the", "to"))  # no letter of an acronym


def called(question: str) -> list[str]:
    """The words with a capital that name somebody or something; not those that only begin a sentence. None where the
    question is in another script."""
    if not _latin(question):
        return []
    found = []
    for match in _WORD.finditer(question):
        name = _POSSESSIVE.sub("", match[0])
        if not any(sign.isupper() for sign in name):
            continue
        before = question[max(0, match.start() - _BEFORE) : match.start()].rstrip(" \t\"'“(")
        begins = not before or before[-1] in "?!:;\n" or (before[-1] == "." and not _TITLE.search(before))
        if begins and name == match[0] and name[1:] == name[1:].lower() and name.isalpha():
            continue
        short = len(name) < _SHORTEST and name.isalpha()
        plain = _NO_NAME.fullmatch(name) or (name.isalpha() and set(tokens(name)) <= ASKING)
        if not (short or plain or is_term(name) or asks_figure(name)):
            found.append(name)
    return found


def heard(question: str, sources: Sequence[Source]) -> list[Source]:
    """Those of documents of which something given has a name of the question's; all where it asks for no figure, or has
    no names."""
    names = called(question)
    if not names or not asks_figure(question):
        return list(sources)
    of_document: dict[str, list[Source]] = {}
    for source in sources:
        of_document.setdefault(source.passage.document, []).append(source)
    there = {document for document, its in of_document.items() if not unheard(names, spoken(its))}
    return [source for source in sources if source.passage.document in there]


def spoken(sources: Sequence[Source]) -> list[str]:
    """Their texts, and what these stand under: a row has its year, and whose it is, in a heading or a file's name."""
    passages = [source.passage for source in sources]
    return [text for p in passages for text in (p.text, p.name, p.title, p.chunk.heading)]


def unheard(names: Sequence[str], given: Sequence[str]) -> bool:
    """Whether there are names and nothing `given` has any of them, even in another spelling; never where nothing is
    given, or something in another script."""
    names, given = names[:_MOST], [text for text in given if text]
    if not names or not given or not all(map(_latin, given)):
        return False
    texts = [[_plain(word) for word in re.findall(r"\w[\w&]*", text)] for text in given]
    words = {word for text in texts for word in text}
    parts = [part for name in names for part in re.findall(r"[^\W_][\w&]+", _plain(name))]
    if any(word.startswith(part[:_ALIKE]) for part in parts for word in words):
        return False
    initials = " ".join("".join(word[0] for word in text if word not in _LINKS) for text in texts)
    if any(name.isupper() and _plain(name) in initials for name in names):
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
