"""No language model at all: picks the sentences that answer, or that sum up, and gives them with their sources.

It reads a Prompt as data, plays every role of every chain, and writes what a language model is asked to write: marks,
scores, and the fixed words for "nothing here", "no change" and "not in these documents". It writes no word of its own
beside those, so every sentence of it stands on its page.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from chains.grounding.citations import mark
from chains.grounding.refusal import NOT_FOUND, NOTHING, UNCHANGED
from chains.language.lexicon import subject_words, years
from chains.language.names import spoken
from chains.model import QUOTES, Finish, Usage
from chains.models.extractive.candidates import Answering, chosen, given_parts, in_chinese, in_tables, read, several
from chains.models.extractive.reworded import broadened, taken_apart
from chains.models.extractive.sentence_scoring import (
    Sentence,
    Similarity,
    centrality,
    fits,
    is_heading,
    same,
    sentences_in,
)
from chains.prompt import Prompt, Source, Turn
from chains.reader.protocol import Reader
from chains.retrieval.rerank import knows, squeezed
from ingest.embedding.embedder import Embedder
from ingest.text.search_tokens import language, tokens

CONTEXT = 1_000_000  # tokens; it holds a whole book, and no more is needed
_BYTES_PER_TOKEN = 3  # its own measure: a Chinese character, or most of an English word

ANSWER_SENTENCES = 3  # beyond the third a sentence holds the answer too rarely to be worth reading
NOTE_SENTENCES = 2
SUMMARY_SENTENCES = 12
PART_SENTENCES = 3  # of a part of a document, on the way to its summary
# Evidence below which nothing answers. Of 100 questions that the documents answer it refuses 2 in English and 5 in
# Chinese, of 100 that only other documents answer 88 and 85 (SQuAD v1.1, CMRC 2018; eight passages each).
BELIEVED = 0.34
# The probability of the best passage below which the reader's answer is refused.
READ = 0.15
# How sure the sentences together are to hold the answer; of several things all are wanted.
SURE, ALL_SURE, HEAT = 0.8, 0.98, 0.03
HAN_SURE, HAN_HEAT = 0.9, 0.06
OTHER_YEAR = 0.5  # what evidence is worth where the question names a year that nothing given is about
# Shares of BELIEVED that are enough where less is seen: one source alone, or notes without what stood around them.
ENOUGH = {"map": 0.6, "reduce": 0.8}
_BESIDE = 0.5  # a further sentence must reach this share of the best one's score


class Extractive:
    """A Model. `reader` finds the words that answer, in the languages that it knows.

    In the others `embedder` compares sentences by meaning, in those that it knows; where it does not, words do.
    """

    def __init__(self, embedder: Embedder | None = None, parallel: int = 1, reader: Reader | None = None) -> None:
        self._embedder = embedder
        self._reader = reader
        self.name = QUOTES
        self.context = CONTEXT
        self.parallel = parallel

    def count(self, prompt: Prompt) -> int:
        texts = [prompt.question, prompt.draft, *prompt.notes, *(s.text for s in prompt.sources)]
        texts += [part for turn in prompt.history for part in (turn.question, turn.answer)]
        return sum(_count(text) for text in texts)

    def size(self, *texts: str) -> int:
        return sum(map(_count, texts))

    def at_most(self, text: str) -> int:
        return _count(text)

    def stream(self, prompt: Prompt) -> Iterator[str | Finish]:
        """Sentence by sentence; the reply ends before one that would make it longer than max_tokens."""
        used = 0
        for piece in self._reply(prompt):
            size = _count(piece)
            if used and used + size > prompt.max_tokens:
                break  # at the end of a sentence
            used += size
            yield piece
        yield Finish("stop", Usage(self.count(prompt), used))

    def _reply(self, prompt: Prompt) -> Iterator[str]:
        if prompt.role == "condense":
            yield condensed(prompt.question, prompt.history)
        elif prompt.role == "broaden":
            yield broadened(prompt.question)
        elif prompt.role == "split":
            yield "\n".join(_parts(prompt.question))
        elif prompt.task == "summary":
            yield from self._summary(prompt)
        else:
            yield from self._answer(prompt)

    def _answer(self, prompt: Prompt) -> Iterator[str]:
        if prompt.role in ("rerank", "score"):
            picked, prior, evidence, reader = self._found(prompt)
            if prompt.role == "rerank":
                yield from _written(picked)
            score = _score(evidence, READ if reader else BELIEVED, prior)
            yield f"\n得分：{score:.0f}/100" if prompt.words == "zh" else f"\nScore: {score:.0f}/100"
            return
        asked = _parts(prompt.question)
        picked = self._believed(prompt, asked) or (self._believed(prompt, [prompt.question]) if len(asked) > 1 else [])
        before = {sentence.text for sentence in sentences_in(prompt.draft)}
        if picked and not (before and {sentence.text for sentence in picked} == before):
            yield from _written(picked)
        elif picked or (prompt.draft and prompt.role != "map"):
            yield UNCHANGED[prompt.words]
        else:
            yield NOTHING[prompt.words] if prompt.role == "map" else NOT_FOUND[prompt.words]

    def _believed(self, prompt: Prompt, asked: Sequence[str]) -> list[Sentence]:
        """What answers each of these questions, none said twice; nothing of one that it does not believe in."""
        kept: list[Sentence] = []
        for question in asked:
            picked, _, evidence, reader = self._found(self._apart(prompt, question) if len(asked) > 1 else prompt)
            if evidence >= (READ if reader else BELIEVED) * ENOUGH.get(prompt.role, 1.0):
                kept += [one for one in picked if not any(same(one.text, other.text) for other in kept)]
        return kept

    def _apart(self, prompt: Prompt, question: str) -> Prompt:
        """The prompt for one part of its question: the search's scores are the whole's, so the reader gives its own."""
        part = replace(prompt, question=question)
        if self._reader is None or not knows(self._reader, question) or not prompt.sources:
            return part
        readings = self._reader.read(question, [source.text for source in prompt.sources])
        scores = [(squeezed(reading.fit) + reading.p_answers) / 2 for reading in readings]
        scored = zip(prompt.sources, scores, strict=True)
        return replace(part, sources=tuple(Source(s.n, replace(s.passage, score=score)) for s, score in scored))

    def _found(self, prompt: Prompt) -> tuple[list[Sentence], float, float, bool]:
        """What answers, its passage's score, how much speaks for it, and whether a reader said so."""
        reader = self._reader if self._reader is not None and knows(self._reader, prompt.question) else None
        chinese = language(prompt.question) == "zh"
        found = read(reader, prompt) if reader else self._compared(prompt)
        if chinese and not reader:
            found = in_chinese(prompt, found)
        found = [*in_tables(prompt), *found]
        evidence = max((one.evidence for one in found), default=0.0)
        given = [prompt.draft, *prompt.notes, *spoken(prompt.sources)]
        if not years(prompt.question) <= years("\n".join(given)):
            evidence *= OTHER_YEAR
        most = NOTE_SENTENCES if prompt.role in ("rerank", "map") else ANSWER_SENTENCES
        if reader or chinese:
            heat, sure = (HEAT, SURE) if reader else (HAN_HEAT, HAN_SURE)
            if prompt.role == "map" or several(prompt.question):
                sure = ALL_SURE  # of a note the answer is still to be picked
            picked = chosen(found, most, sure, heat)
        else:
            picked = _chosen(found, most)
        return picked, found[0].sentence.prior if found else 0.0, evidence, reader is not None

    def _compared(self, prompt: Prompt) -> list[Answering]:
        """By words, and by meaning."""
        given = _given(prompt)
        fitting = fits(prompt.question, given, self._similarity(prompt.question))
        return [Answering(one, fit.score, fit.evidence) for one, fit in zip(given, fitting, strict=True)]

    def _summary(self, prompt: Prompt) -> Iterator[str]:
        read = _given(prompt)
        given = [sentence for sentence in read if not is_heading(sentence.text)] or read
        if not given:
            yield NOTHING[prompt.words] if prompt.role == "map" else NOT_FOUND[prompt.words]
            return
        scores = centrality(given)
        most = PART_SENTENCES if prompt.role == "map" else SUMMARY_SENTENCES
        chosen = _spread(given, scores, most)
        if prompt.draft:
            # The draft speaks for all that was read before: the new text gets the places of one part of the whole.
            last = len(sentences_in(prompt.draft))
            drafted = sum(sentence.place < last for sentence in given)
            new = _spread(given[drafted:], scores[drafted:], PART_SENTENCES)
            central = dict(zip((s.place for s in given), scores, strict=True))
            best = sorted((*given[:drafted], *new), key=lambda s: (-central[s.place], s.place))[:most]
            chosen = sorted(best, key=lambda s: s.place)
        if prompt.draft and {s.text for s in chosen} == {s.text for s in sentences_in(prompt.draft)}:
            yield UNCHANGED[prompt.words]
        else:
            yield from _written(chosen)

    def _similarity(self, question: str) -> Similarity | None:
        embedder = self._embedder
        if embedder is None or (embedder.languages is not None and language(question) not in embedder.languages):
            return None

        def similarity(asked: str, sentences: Sequence[str]) -> Sequence[float]:
            cosines: list[float] = (embedder.documents(sentences) @ embedder.query(asked)).tolist()
            return cosines

        return similarity


def _parts(question: str) -> list[str]:
    """The questions that it joins, each to be understood by itself; the question where it joins none."""
    first, *more = taken_apart(question)
    whole = (part if _stands_alone(part) else condensed(part, (Turn(first, ""),)) for part in more)
    return [first, *whole] if more else [question]


def _stands_alone(part: str) -> bool:
    """Whether it is a question that has a subject of its own: a name, or as many words as make one."""
    if _LEANS.search(part) or not _ASKS.match(part):
        return False
    words = [word for word in subject_words(part) if not word[0].isdigit()]
    return _NAMED.search(part) is not None or len(words) >= _OWN


_ASKS = re.compile(r"(?:who|whom|whose|what|when|where|which|why|how)\b", re.IGNORECASE)
_NAMED = re.compile(r"(?<=\s)[A-Z][\w'’-]+")
_OWN = 3


def _given(prompt: Prompt) -> list[Sentence]:
    """Everything that the prompt gives to pick from: the draft, then the notes, then the sources."""
    return [sentence for part in given_parts(prompt) for sentence in part]


def _chosen(found: Sequence[Answering], most: int) -> list[Sentence]:
    """The best sentences, best first, none saying what another has said."""
    order = sorted(found, key=lambda one: (-one.score, one.sentence.place))
    said = [one for one in order if not is_heading(one.sentence.text)] or order
    kept: list[Sentence] = []
    for one in said:
        if len(kept) == most or (kept and one.score < _BESIDE * said[0].score):
            break
        if not any(same(one.sentence.text, other.text) for other in kept):
            kept.append(one.sentence)
    return kept


def _spread(given: Sequence[Sentence], scores: Sequence[float], most: int) -> list[Sentence]:
    """The text in `most` equal stretches, and the most central sentence of each.

    Where a summary takes the most central of all, it is about one chapter.
    """
    stretch = max(1.0, len(given) / most)
    chosen: list[Sentence] = []
    for k in range(most):
        within = range(int(k * stretch), min(len(given), int((k + 1) * stretch)))
        best = max(within, key=lambda i: scores[i], default=None)
        if best is not None and not any(same(given[best].text, other.text) for other in chosen):
            chosen.append(given[best])
    return chosen


def _written(chosen: Sequence[Sentence]) -> Iterator[str]:
    for i, sentence in enumerate(chosen):
        gap = "" if not i or language(sentence.text) == "zh" else " "
        yield f"{gap}{sentence.text} {mark(sentence.n, sentence.words)}"


def _score(evidence: float, believed: float, prior: float) -> float:
    """0 to 100. Evidence that is `believed` reaches 20, which a chain still accepts; of equals the better found is
    first."""
    if evidence < believed:
        return 20 * 0.9 * evidence / believed
    return 20 + 80 * (evidence - believed) / (1 - believed) * _of_equals(prior)


def _of_equals(prior: float) -> float:
    return 0.7 + 0.3 * prior


_LEANS = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|this|that|these|those|there|then|one|ones|same|such|former|latter"
    r"|else|more|also|too)\b|[他她它]们?|这|那|其|该|上述|此|前者|后者|呢",
    re.IGNORECASE,
)


def condensed(question: str, history: Sequence[Turn]) -> str:
    """The question with the subject that it leaves out: the words of the last question that it does not repeat."""
    if not history or (not _LEANS.search(question) and len(subject_words(question)) > 3):
        return question
    known = set(tokens(question))
    before = history[-1].question.strip().rstrip("?？。.!！ ")
    if set(subject_words(before)) <= known:
        return question
    return (
        f"{question.strip().rstrip('?？。. ')}（{before}）？"
        if language(question) == "zh"
        else (f"{question.strip().rstrip('?. ')} ({before})?")
    )


def _count(text: str) -> int:
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)
