"""A question as it was asked → the passages that it is answered from: made to stand alone, stepped back from, split."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from chains.events import Step
from chains.language import detect
from chains.model import Model
from chains.options import Ways
from chains.prompt import Language, Turn, Wanted
from chains.question import expand
from chains.question.condense import condense
from chains.retrieval.near_copies import split_copies
from ingest.document import Passage

Find = Callable[[str], Sequence[Passage]]
CALLS = frozenset({"condensed", "broader", "split"})  # the steps that each tell of a model call


@dataclass(frozen=True)
class Looked:
    """What a question is answered from."""

    question: str  # that is answered and was searched for: stand-alone, without a wish for a language
    language: Wanted  # of the answer
    passages: tuple[Passage, ...]  # best first, none overlapping


def bound(way: Ways) -> int:
    """Model calls that `look` makes at most."""
    return 1 + way.calls


def look(
    question: str, find: Find, k: int, model: Model, history: Sequence[Turn], language: Language | None, way: Ways
) -> Generator[Step, None, Looked]:
    """Steps, and what was found. `find` finds k passages. `language` counts where the question itself asks for none;
    None is the question's own. Raises what `find` raises, and ModelError for a model that cannot be opened.
    """
    _opened(model)
    said, wished = detect.asked_for(question)
    if not said:  # "In English, please.": the last question once more
        earlier = (detect.asked_for(turn.question)[0] for turn in reversed(history))
        said = next(filter(None, earlier), question)
    alone = condense(said, history, model)
    if alone != said:
        yield Step("condensed", text=alone)
    wider, pieces = "", tuple[str, ...]()
    if way.parts:
        pieces = expand.parts(alone, history, model)
        yield Step("split", len(pieces), len(pieces), " ".join(pieces))
    if way.step_back:
        wider = expand.broader(alone, model)
        yield Step("broader", text=wider)
    passages = list(find(alone))
    if pieces:
        passages = in_turn([*map(find, pieces), passages], max(k, len(pieces)))
    if wider:
        passages = beside(passages, find(wider), max(k, len(pieces)), min(k // 3, max(0, k - len(pieces))))
    return Looked(alone, wished or language or detect.of(said), tuple(passages))


def _opened(model: Model) -> int:
    """Its window, which has to be known anyway: a model that cannot be opened says so before anything is searched."""
    return model.context


def in_turn(found: Sequence[Sequence[Passage]], k: int) -> list[Passage]:
    """k passages, the best of each in turn, then the second of each, and so on; none that repeats another's text.

    Near-copies without a place come last.
    """
    kept: list[Passage] = []
    for place in range(max(map(len, found), default=0)):
        for passages in found:
            if place < len(passages) and not _there(passages[place], kept):
                kept.append(passages[place])
    first, rest = split_copies(kept, k, named=None)
    return [*first, *rest][:k]


def beside(own: Sequence[Passage], other: Sequence[Passage], k: int, most: int) -> list[Passage]:
    """k passages: the first of `own`, and after them the best of `other` that it does not have, `most` of these."""
    both = [*own, *(passage for passage in other if not _there(passage, own))]
    first, _ = split_copies(both, len(both), named=None)
    new = [passage for passage in first if passage not in own][:most]
    return [*own[: k - len(new)], *new]


def _there(passage: Passage, kept: Sequence[Passage]) -> bool:
    """Whether one of these has some of its text: neighbours may have been joined to one passage."""
    one = passage.chunk
    return any(
        one.document == other.chunk.document and max(one.start, other.chunk.start) < min(one.end, other.chunk.end)
        for other in kept
    )
