"""How well "near" tells a quote with a word or two changed from a sentence of another page.

    python -m evals.near_match FILE.pdf… [--sentences N]

Of each file N sentences are drawn, the same every time, that hold five words or more and are no longer than 300
characters. They should be near in their own passage, with one or two of their words dropped or replaced by others of
the file. They should not be near in any passage of other pages: one by chance, and those four that have the most of
their rare words, as a search would find them. A passage that has a sentence much like it (difflib: 0.6) is left out.
"""

import argparse
import difflib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from math import log
from pathlib import Path
from random import Random

from chains.grounding.quote_match import content, near
from ingest.chunk import split
from ingest.document import Chunk
from ingest.errors import PagewiseError
from ingest.pdf.extract import read
from ingest.pdf.sandbox import Limits
from ingest.text.normalize import find
from ingest.text.search_tokens import tokens
from ingest.text.sentences import sentences

_SEED, _RETRIEVED, _APART, _ALIKE = 7, 4, 3, 0.6
_WORD = re.compile(r"(?<![A-Za-z\d])[A-Za-z]+(?:['’][A-Za-z]+)?(?![A-Za-z\d])|[\u4e00-\u9fff]{2}")
Pairs = Sequence[tuple[str, str]]  # words, and a passage to find them in
KINDS = ("one word changed", "two words changed", "another page", "another page that a search finds")


def pairs(chunks: Sequence[Chunk], n: int) -> dict[str, Pairs]:
    """The pairs of each kind."""
    dice = Random(_SEED)
    every = ((i, sentence) for i, chunk in enumerate(chunks) for sentence in _sentences(chunk.text))
    said = [(i, sentence) for i, sentence in every if content(sentence) >= 5 and len(sentence) <= 300]
    others = [word for _, s in said for word in _WORD.findall(s) if content(word) >= 1]
    holds: dict[str, set[int]] = defaultdict(set)
    for i, chunk in enumerate(chunks):
        for token in tokens(chunk.text):
            holds[token].add(i)
    found: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for i, sentence in dice.sample(said, min(n, len(said))):
        for kind, words in zip(KINDS, (1, 2), strict=False):
            found[kind].append((_changed(sentence, words, others, dice), chunks[i].text))
        fit: Counter[int] = Counter()
        for token in sorted(set(tokens(sentence))):
            for j in holds[token]:
                fit[j] += round(1000 * log(len(chunks) / len(holds[token])) ** 2)
        far = [j for j in range(len(chunks)) if abs(j - i) > _APART]
        best = sorted(far, key=lambda j: (-fit[j], j))[:_RETRIEVED]
        for kind, places in zip(KINDS[2:], ([dice.choice(far)] if far else [], best), strict=True):
            texts = (chunks[j].text for j in places)
            found[kind] += [(sentence, text) for text in texts if not _alike(sentence, text)]
    return dict(found)


def _sentences(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in sentences(text)]


def _changed(sentence: str, words: int, others: Sequence[str], dice: Random) -> str:
    able = [match for match in _WORD.finditer(sentence) if content(match[0]) >= 1]
    for match in sorted(dice.sample(able, min(words, len(able))), key=lambda one: -one.start()):
        sentence = sentence[: match.start()] + dice.choice(("", dice.choice(others))) + sentence[match.end() :]
    return sentence


def _alike(sentence: str, text: str) -> bool:
    """Whether it stands there, or one much like it."""
    if find(sentence, text):
        return True
    for other in _sentences(text):
        same = difflib.SequenceMatcher(None, sentence, other, autojunk=False)
        if same.real_quick_ratio() > _ALIKE and same.quick_ratio() > _ALIKE and same.ratio() > _ALIKE:
            return True
    return False


def half(words: str, text: str) -> bool:
    """What near is measured against: half of all words, small ones too, in one sentence."""
    wanted = set(tokens(words))
    return any(2 * len(wanted & set(tokens(sentence))) >= len(wanted) for sentence in _sentences(text))


def share(rule: Callable[[str, str], object], of: Pairs) -> float:
    return sum(bool(rule(words, text)) for words, text in of) / len(of) if of else 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """0: measured; 1: a file could not be read."""
    parser = argparse.ArgumentParser(prog="python -m evals.near_match", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.pdf")
    parser.add_argument("--sentences", type=int, default=400, metavar="N")
    args = parser.parse_args(argv)
    print(f"| file | rule | {' | '.join(KINDS)} |\n|---|---|{'---|' * len(KINDS)}")
    for file in args.files:
        try:
            document = read(file, file.name, Limits())
        except PagewiseError as error:
            print(f"evals: {file.name}: {error}", file=sys.stderr)
            return 1
        of = pairs(split(document, lambda text: len(tokens(text)), 256), args.sentences)
        for name, rule in (("half of all words", half), ("near", near)):
            shares = " | ".join(f"{share(rule, of[kind]):.3f} of {len(of[kind])}" for kind in KINDS)
            print(f"| {file.name} | {name} | {shares} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
