"""Which sentences answer a question, or say what a text is about: arithmetic over words, and over meaning."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, sqrt

from chains.grounding.citations import plain, read, shield
from chains.language.lexicon import ASKING, ASKING_HAN, KINDS, NUMBER, subject_words
from chains.prompt import Source
from ingest.text.search_tokens import tokens
from ingest.text.sentences import sentences
from ingest.text.tables import says_when

Similarity = Callable[[str, Sequence[str]], Sequence[float]]
"""(question, sentences) → cosine of each sentence to the question, -1 to 1."""

_SHORTEST, _LONGEST = 12, 600  # characters (a Chinese one counts three) of a sentence that can be quoted
FOCUS = 0.4
_COMPARED = 16  # the sentences that share most words with the question are compared by meaning too: a third of a second

_HEADING = re.compile(r"[^\d.!?。！？；;:：]{1,80}$")
_YEARS_ABREAST = re.compile(r"\b(?:19|20)\d\d\s+(?:19|20)\d\d\b")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a source, fit to be quoted: on one line, and without anything that reads as a mark."""

    n: int  # the source's number
    text: str
    place: int  # its place among all that were given
    prior: float  # its passage's score, 0 to 1
    start: int = 0  # [start, end) is where it stands in its source's text; nowhere in a note
    end: int = 0
    words: str = ""  # those in it that answer, where they are known


def sentences_of(sources: Sequence[Source]) -> list[Sentence]:
    """The quotable sentences of all sources, in their order. None crosses a page, so each quote stands on one."""
    found: list[Sentence] = []
    for source in sources:
        prior = min(1.0, max(0.0, source.passage.score))
        for span in source.passage.chunk.spans:
            page = source.text[span.start : span.end]
            for start, end in sentences(page):
                text = one_line(page[start:end])
                if _length(text) >= _SHORTEST and len(text) <= _LONGEST:
                    at = (span.start + start, span.start + end)
                    found.append(Sentence(source.n, shield(text), len(found), prior, *at))
    return found


def sentences_in(note: str, place: int = 0) -> list[Sentence]:
    """The sentences of a note or draft that was written with marks, each with the number that follows it."""
    reader = read(note, range(1, 100_000))
    found: list[Sentence] = []
    start = 0
    for claim in reader.claims:
        text = reader.text[start : claim.at].strip(" \n")
        if text:
            found.append(Sentence(claim.n, text, place + len(found), 1.0, words=claim.words))
        start = claim.at + len(f"[{claim.n}]")
    return found


def one_line(text: str) -> str:
    """White space made single, and none between Chinese characters that a line's end had parted."""
    text = " ".join(text.split())
    return re.sub(
        r"(?<=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]) (?=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef])", "", text
    )


@dataclass(frozen=True)
class Fit:
    """How well a sentence answers a question: `score` to order sentences by, `evidence` (0 to 1) to believe it by."""

    score: float
    evidence: float


def fits(question: str, given: Sequence[Sentence], similarity: Similarity | None) -> list[Fit]:
    """A Fit for each sentence.

    Counted are the share of the question's subject words that a sentence holds (rarer ones weigh more), that it holds
    with its neighbours, that its source holds, and how near it is in meaning. For the order also whether it has the
    kind of thing asked for, and how well its passage was found. The weights are the best of 1,700 sets by how often
    the first, and the first three, sentences hold an answer (SQuAD v1.1 and CMRC 2018, eight passages each).
    """
    asked = subject_words(question)
    held = [set(tokens(s.text)) & set(asked) for s in given]
    count = Counter(word for words in held for word in words)
    weight = {w: log(1 + (len(given) + 1) / (count[w] + 0.5)) for w in asked}
    of_source: dict[int, set[str]] = {}
    for sentence, words in zip(given, held, strict=True):
        of_source.setdefault(sentence.n, set()).update(words)

    def share(words: set[str]) -> float:
        return sum(weight[w] for w in words) / (sum(weight.values()) or 1.0)

    worded: list[float] = []
    for i, sentence in enumerate(given):
        around = held[i].union(
            *(held[j] for j in (i - 2, i - 1, i + 1) if 0 <= j < len(given) and given[j].n == sentence.n)
        )
        worded.append(0.5 * share(held[i]) + 0.33 * share(around) + 0.17 * share(of_source[sentence.n]))
    meant = [0.0] * len(given)
    if similarity and given:
        order = sorted(range(len(given)), key=lambda i: (-worded[i] - 0.2 * given[i].prior, i))[:_COMPARED]
        for i, cosine in zip(order, similarity(question, [given[i].text for i in order]), strict=True):
            meant[i] = max(0.0, float(cosine))
    kind = next((pattern for asks, pattern in KINDS if asks.search(question.lower())), None)
    said = set(tokens(question))
    fitting = []
    for sentence, by_words, meaning in zip(given, worded, meant, strict=True):
        # Words and meaning together weigh less than 1, so that one threshold says for both that nothing answers.
        evidence = 0.45 * by_words + 0.40 * meaning if similarity else by_words
        bonus = 1.0
        if kind is not None and any(not set(tokens(found)) <= said for found in kind.findall(sentence.text)):
            bonus += 0.2
            if kind is NUMBER:  # a row whose label is what was asked for, before a long sentence that mentions it
                label = {word for word in tokens(sentence.text) if not word[0].isdigit()}
                bonus += FOCUS * len(held[i] & label) / max(3, len(label))
        if sentence.text.endswith(("?", "？")) or is_heading(sentence.text):  # a question or heading answers none
            bonus /= 2
        fitting.append(Fit(evidence * bonus + 0.28 * sentence.prior, evidence))
    return fitting


def centrality(given: Sequence[Sentence]) -> list[float]:
    """How central each is, 0 to 1: its cosine to the sum of all, by words weighted by rarity."""
    bags = [Counter(w for w in tokens(s.text) if w not in ASKING and not ASKING_HAN.search(w)) for s in given]
    spread = Counter(word for bag in bags for word in bag)
    rarity = {w: log(1 + len(given) / n) for w, n in spread.items()}
    vectors = [{w: sqrt(n) * rarity[w] for w, n in bag.items()} for bag in bags]
    middle: Counter[str] = Counter()
    for vector in vectors:
        for word, value in vector.items():
            middle[word] += value  # type: ignore[assignment]
    scores = []
    for sentence, vector in zip(given, vectors, strict=True):
        size = sqrt(sum(v * v for v in vector.values())) or 1.0
        prose = 0.5 if len(vector) < 6 or _digits(sentence.text) > 0.25 else 1.0  # rows and headings sum up nothing
        scores.append(prose * sum(v * middle[w] for w, v in vector.items()) / size)
    best = max(scores, default=0.0) or 1.0
    return [score / best for score in scores]


def is_heading(text: str) -> bool:
    """Whether it ends like no sentence and holds no figure, or is the years over a table: it says nothing by itself."""
    return _HEADING.match(text) is not None or (_YEARS_ABREAST.search(text) is not None and says_when(text))


def same(one: str, other: str) -> bool:
    """Whether two sentences say so nearly the same that one is enough."""
    a, b = set(tokens(plain(one))), set(tokens(plain(other)))
    return bool(a and b) and len(a & b) / min(len(a), len(b)) > 0.8


def _length(text: str) -> int:
    return sum(3 if "\u4e00" <= c <= "\u9fff" else 1 for c in text)


def _digits(text: str) -> float:
    return sum(c.isdigit() for c in text) / max(1, len(text))
