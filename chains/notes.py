"""What models wrote on the way to an answer: which marks in it count."""

import re
from collections.abc import Collection

from chains import budget, citations
from chains.models.base import Model
from chains.prompts import Written
from ingest.sentences import sentences

_END = re.compile(r"[.!?。！？；…][\"'”’)\]」』）]*$")
_MARKS = re.compile(r"(?:\s*\[\d+(?::[^\]]*)?\][.。]?)+")
_ANY = range(1, 10_000)  # a note's marks were read before: all of them lead to given sources


def own(text: str, given: Collection[int]) -> str:
    """The text with only the marks to sources that its writer was given, each with the words that it quotes."""
    reader = citations.read(text, given)
    parts, marks, at = [], list[str](), 0
    for claim in reader.claims:
        parts.append(reader.text[at : claim.at])
        marks.append(citations.mark(claim.n, claim.words))
        parts.append(marks[-1])
        at = claim.at + len(f"[{claim.n}]")
    kept = "".join([*parts, reader.text[at:]])
    new = [mark for mark in set(marks) for _ in range(marks.count(mark) - text.count(mark))]
    return _changed(kept, text, new, reader.dropped + reader.unseen)


def marked(text: str, n: int) -> str:
    """What was written from source n alone: marks to it only, and one at the end where there is none."""
    text = own(text, {n})
    mark = f" [{n}]"
    return text if marks(text, {n}) else _changed(text + mark, text, [mark], 0)


def _changed(text: str, before: str, new: Collection[str], gone: int) -> str:
    """The text with what is known of its length: of what it was before, with these marks put in, and so many left out.

    Where something is put in or left out, a tokenizer may cut what stands around it otherwise.
    """
    if not isinstance(before, Written):
        return text
    return Written(text, before.tokens + sum(len(mark.encode()) + budget.SEAM for mark in new) + gone * budget.SEAM)


def marks(text: str, given: Collection[int]) -> set[int]:
    """The numbers of the given sources that the text leads to."""
    return {claim.n for claim in citations.read(text, given).claims}


def uncut(text: str) -> str:
    """A reply that was cut, up to its last whole sentence and the marks behind that; all where there is none."""
    whole = citations.plain(text).rstrip()
    if _END.search(whole):
        return text
    for start, _ in reversed(list(sentences(text))[1:]):
        if text.count("[", 0, start) <= text.count("]", 0, start):  # else it is within a mark's quote
            behind = _MARKS.match(text, start)
            kept = text[: behind.end() if behind else start].rstrip()
            return Written(kept, text.tokens + budget.SEAM) if isinstance(text, Written) else kept
    return text


def shortened(note: str, most: int, model: Model) -> str:
    """The beginning of the note that `most` tokens hold, behind it one mark of the note where all would be cut off.

    "" if nothing fits.
    """
    short = budget.shorten(note, most, model)
    numbers = [claim.n for claim in citations.read(note, _ANY).claims]
    if not short or not numbers or marks(short, _ANY):
        return short
    mark = f" [{numbers[0]}]"
    short = budget.shorten(note, most - model.size(mark), model)
    return short + mark if short else ""
