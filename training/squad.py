"""Question-answer pairs from files in the form of SQuAD 1.1 or 2.0, each pair once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

_SALT = 7  # which articles are held out must not follow the seed: a second run may begin with the first one's weights


@dataclass(frozen=True)
class Passage:
    article: str  # file and title: passages of one article are about one thing
    text: str


@dataclass(frozen=True)
class Pair:
    """A question and its passage. `start` and `end` are characters of the passage; both 0: not answerable from it."""

    id: str
    question: str
    passage: int  # place in Pairs.passages
    start: int
    end: int
    golds: tuple[str, ...]  # every answer that counts as right
    seeming: int = 0  # where in the passage something stands that only seems to answer

    @property
    def answerable(self) -> bool:
        return self.end > self.start


@dataclass(frozen=True)
class Pairs:
    passages: tuple[Passage, ...]
    pairs: tuple[Pair, ...]


class NotSquad(ValueError):
    """A file is not in the form of SQuAD."""


def files(given: Sequence[Path]) -> list[Path]:
    """The files themselves, and the *.json of folders. Raises NotSquad where there is none."""
    found = [file for path in given for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not found:
        raise NotSquad(f"no *.json in {', '.join(map(str, given))}")
    return found


def load(paths: Sequence[Path]) -> Pairs:
    """All pairs of the files. A question asked twice of the same text counts once, whatever file it stands in.

    Raises NotSquad, OSError."""
    passages: list[Passage] = []
    places: dict[str, int] = {}
    pairs: dict[tuple[int, str], Pair] = {}
    for path in paths:
        try:
            for article in json.loads(path.read_text("utf-8"))["data"]:
                title = f"{path.stem}/{article.get('title', '')}"
                for paragraph in article["paragraphs"]:
                    text = paragraph["context"]
                    place = places.setdefault(text, len(passages))
                    if place == len(passages):
                        passages.append(Passage(title, text))
                    for qa in paragraph["qas"]:
                        pair = _pair(qa, text, place)
                        if pair is not None:
                            pairs.setdefault((place, " ".join(pair.question.lower().split())), pair)
        except (KeyError, TypeError, ValueError) as error:
            raise NotSquad(f"{path} is not in the form of SQuAD ({error!r})") from error
    return Pairs(tuple(passages), tuple(pairs.values()))


def _pair(qa: dict[str, object], text: str, place: int) -> Pair | None:
    """None where the answer does not stand in the text."""
    answers = qa.get("answers") or []
    assert isinstance(answers, list)
    golds = tuple(dict.fromkeys(str(answer["text"]) for answer in answers))
    question, name = str(qa["question"]).strip(), str(qa["id"])
    if qa.get("is_impossible") or not golds:
        only_seeming = qa.get("plausible_answers") or [{}]
        assert isinstance(only_seeming, list)
        return Pair(name, question, place, 0, 0, (), int(only_seeming[0].get("answer_start", 0)))
    said = int(answers[0]["answer_start"])
    near = [at for at in _all(text, golds[0]) if golds[0]]
    if not near:
        return None
    start = min(near, key=lambda at: abs(at - said))
    return Pair(name, question, place, start, start + len(golds[0]), golds)


def _all(text: str, part: str) -> list[int]:
    at, found = text.find(part), []
    while at >= 0:
        found.append(at)
        at = text.find(part, at + 1)
    return found


def held_out(pairs: Pairs, share: float) -> tuple[Pairs, Pairs]:
    """Pairs to train on and pairs to measure with: whole articles, about `share` of the pairs, always the same."""
    sizes: dict[str, int] = {}
    for pair in pairs.pairs:
        article = pairs.passages[pair.passage].article
        sizes[article] = sizes.get(article, 0) + 1
    apart: set[str] = set()
    count, most = 0, share * len(pairs.pairs)
    for article in sorted(sizes, key=lambda name: sha256(f"{_SALT} {name}".encode()).digest()):
        if count + sizes[article] <= most:
            apart.add(article)
            count += sizes[article]
    return _only(pairs, apart, False), _only(pairs, apart, True)


def _only(pairs: Pairs, articles: set[str], inside: bool) -> Pairs:
    kept = [n for n, passage in enumerate(pairs.passages) if (passage.article in articles) == inside]
    places = {n: place for place, n in enumerate(kept)}
    return Pairs(
        tuple(pairs.passages[n] for n in kept),
        tuple(replace(pair, passage=places[pair.passage]) for pair in pairs.pairs if pair.passage in places),
    )
