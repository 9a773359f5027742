"""What models wrote on the way to an answer: which marks in it count."""

from collections.abc import Collection

from chains import budget, citations
from chains.models.base import Model

_ANY = range(1, 10_000)  # a note's marks were read before: all of them lead to given sources


def own(text: str, given: Collection[int]) -> str:
    """The text with only the marks to sources that its writer was given, each with the words that it quotes."""
    reader = citations.read(text, given)
    parts, at = [], 0
    for claim in reader.claims:
        parts.append(reader.text[at : claim.at])
        parts.append(citations.mark(claim.n, claim.words))
        at = claim.at + len(f"[{claim.n}]")
    return "".join([*parts, reader.text[at:]])


def marked(text: str, n: int) -> str:
    """What was written from source n alone: marks to it only, and one at the end where there is none."""
    text = own(text, {n})
    return text if marks(text, {n}) else f"{text} [{n}]"


def marks(text: str, given: Collection[int]) -> set[int]:
    """The numbers of the given sources that the text leads to."""
    return {claim.n for claim in citations.read(text, given).claims}


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
