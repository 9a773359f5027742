"""What models wrote on the way to an answer: which marks in it count."""

from collections.abc import Collection

from chains import citations


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
