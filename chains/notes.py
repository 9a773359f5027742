"""What models wrote on the way to an answer: which marks in it count."""

from collections.abc import Collection

from chains import citations


def own(text: str, given: Collection[int]) -> str:
    """The text with only the marks to sources that its writer was given, each with the words that it quotes."""
    reader = citations.read(text, given)
    parts, at = [], 0
    for claim in reader.claims:
        parts.append(reader.text[at : claim.at])
        words = claim.words.replace('"', "'")
        parts.append(f'[{claim.n}: "{words}"]' if words else f"[{claim.n}]")
        at = claim.at + len(f"[{claim.n}]")
    return "".join([*parts, reader.text[at:]])


def marks(text: str, given: Collection[int]) -> set[int]:
    """The numbers of the given sources that the text leads to."""
    return {claim.n for claim in citations.read(text, given).claims}
