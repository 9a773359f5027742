"""Which sentences answer a question, and which words in them: found by whatever knows the question's language."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

from chains.grounding.citations import shield
from chains.language.finance_terms import asks_figure
from chains.models.extractive.sentence_scoring import Sentence, is_heading, one_line, same, sentences_in, sentences_of
from chains.prompt import Prompt
from chains.reader.chinese import span_finder
from chains.reader.protocol import Reader, Reading
from chains.reader.tables import cells
from chains.retrieval.rerank import squeezed
from ingest.text.normalize import find

_BETWEEN = " "  # two sentences of a note
_FAR = 1200  # characters from a column's head to the row; what is quoted begins at the head, or else at the row
SPAN = 0.2  # what the words count beside their passage's score, which is the reader's too
HAN_SPAN, HAN_FOUND = 0.5, 0.6  # the same for Chinese, beside the sentence's own score
LATER = 0.1  # what a passage's score falls from one source to the next, about
FOUND = 0.3  # what a passage's score counts beside how clear its cell is
# One answer, unless the question asks for more: several things by name or number, or all of a kind.
_SEVERAL = re.compile(
    r"\b(?:list|enumerate)\b|\b(?:name|give|mention)\s+(?:all|some|any|at least|two|three|four|five|\d+)\b"
    r"|\b(?:what|which|who)\s+(?:\w+\s+){0,2}?(?:are|were)\b|\bwhich\s+(?:\w+\s+)?\w{3,}[^su\W]s\s",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answering:
    """A sentence that may answer. Its `words` are those that do, "" where they are not told apart."""

    sentence: Sentence
    score: float  # to order by
    evidence: float  # how much speaks for it, 0 to 1


def given_parts(prompt: Prompt) -> list[list[Sentence]]:
    """The sentences of all that the prompt gives to pick from: of the draft, each note, each source."""
    parts = [sentences_in(prompt.draft)]
    count = len(parts[0])
    for note in prompt.notes:
        # The passage that it was taken from is not there; its number says how early the search found it.
        parts.append([replace(s, prior=max(0.0, 1 - LATER * (s.n - 1))) for s in sentences_in(note, count)])
        count += len(parts[-1])
    for source in prompt.sources:
        parts.append([replace(s, place=count + s.place) for s in sentences_of([source])])
        count += len(parts[-1])
    return parts


def read(reader: Reader, prompt: Prompt) -> list[Answering]:
    """What the reader finds in all that is given: each sentence once, with the best words in it."""
    parts = given_parts(prompt)
    texts = []
    for number in range(len(parts) - len(prompt.sources)):
        texts.append("")
        for i, sentence in enumerate(parts[number]):
            at = len(texts[-1])
            parts[number][i] = replace(sentence, start=at, end=at + len(sentence.text))
            texts[-1] += sentence.text + _BETWEEN
    texts += [source.text for source in prompt.sources]
    readings = reader.read(prompt.question, texts)
    return [
        one
        for text, part, reading in zip(texts, parts, readings, strict=True)
        for one in _answering(text, part, reading)
    ]


def _answering(text: str, sentences: Sequence[Sentence], reading: Reading) -> list[Answering]:
    found: dict[int, Answering] = {}
    for span in reading.spans:
        holder = max(sentences, key=lambda s: min(s.end, span.end) - max(s.start, span.start), default=None)
        if holder is None or holder.start >= span.end or span.start >= holder.end or holder.place in found:
            continue
        words = shield(one_line(text[max(holder.start, span.start) : min(holder.end, span.end)]))
        words = words if find(words, holder.text) else ""
        score = (1 - SPAN) * holder.prior + SPAN * squeezed(span.score)
        said = _under_its_head(text, holder)
        found[holder.place] = Answering(replace(holder, text=said, words=words), score, reading.p_answers)
    return list(found.values())


def _under_its_head(text: str, sentence: Sentence) -> str:
    """What it says; of a table's row, which says nothing without them, also the years over it."""
    head = shield(one_line(cells.head_over(text, sentence.start)))
    return f"{head} … {sentence.text}" if head and head not in sentence.text else sentence.text


def in_tables(prompt: Prompt) -> list[Answering]:
    """The rows whose cell is the figure that is asked for, under the line that heads its column; before all else."""
    found: list[Answering] = []
    for source in prompt.sources if asks_figure(prompt.question) else ():
        for cell in cells.find(prompt.question, source.text, source.passage.chunk.heading):
            *heads, row = cells.shown(cell, source.text)
            if heads and cell.column_at and cell.row_end - cell.column_at[0] > _FAR:
                heads = []
            words = shield(one_line(source.text[cell.start : cell.end]))
            said = " … ".join(shield(one_line(line)) for line in (*heads, row))
            prior = min(1.0, max(0.0, source.passage.score))
            sentence = Sentence(source.n, said, len(found), prior, cell.row_start, cell.row_end, words)
            found.append(Answering(sentence, 1 + cell.score + FOUND * prior, cell.score))
    return found


def in_chinese(prompt: Prompt, found: Sequence[Answering]) -> list[Answering]:
    """The same, each sentence with its best words, and ordered by those and by its passage too."""
    of_source = {
        source.n: span_finder.find(prompt.question, source.text, source.passage.chunk.heading)
        for source in prompt.sources
    }
    texts = {source.n: source.text for source in prompt.sources}
    better: list[Answering] = []
    for one in found:
        sentence = one.sentence
        read = bool(sentence.end)  # else it stands in a note or draft, and is all that there is of its source
        spans = of_source[sentence.n] if read else span_finder.find(prompt.question, sentence.text)
        text, start, end = (texts[sentence.n], sentence.start, sentence.end) if read else (sentence.text, 0, 1 << 30)
        best = next((span for span in spans if span.start < end and start < span.end), None)
        words = shield(one_line(text[max(start, best.start) : min(end, best.end)])) if best else ""
        score = one.score + HAN_FOUND * sentence.prior + (HAN_SPAN * best.score if best else 0.0)
        known = sentence.words or (words if find(words, sentence.text) else "")
        better.append(replace(one, sentence=replace(sentence, words=known), score=score))
    return better


def several(question: str) -> bool:
    """Whether the question asks for more than one thing."""
    return _SEVERAL.search(question) is not None


def chosen(found: Sequence[Answering], most: int, sure: float, heat: float) -> list[Sentence]:
    """The best sentences, best first, none saying what another has said: as many as it takes to be `sure` (0 to 1).

    Each is believed in by its share of exp(score / heat) over all.
    """
    order = sorted(found, key=lambda one: (-one.score, one.sentence.place))
    said = [one for one in order if not is_heading(one.sentence.text)] or order
    weights = [exp((one.score - said[0].score) / heat) for one in said]
    whole, held = sum(weights), 0.0
    kept: list[Sentence] = []
    for one, weight in zip(said, weights, strict=True):
        if len(kept) == most or held >= sure * whole:
            break
        held += weight
        if not any(same(one.sentence.text, other.text) for other in kept):
            kept.append(one.sentence)
    return kept
