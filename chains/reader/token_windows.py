"""A question and a text → what a network reads at once: [CLS] question [SEP] a window of the text [SEP].

Windows are laid out as in training (checkpoint.py). Knows the tokenizer, and nothing of the network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chains.reader.checkpoint import Card

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Window:
    """One row for the network; named as an encoding of the tokenizer is."""

    text: int  # which of the texts
    ids: list[int]
    type_ids: list[int]
    asked: range  # places of the question's tokens
    first: int  # of the text's own tokens
    offsets: Sequence[tuple[int, int]]  # of each of these: its characters of the text

    attention_mask: int = 1  # of every token

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Joint:
    """What a tokenizer puts before, between and after the two of a pair, and the kinds of their tokens."""

    before: list[int]
    between: list[int]
    after: list[int]
    kinds: tuple[int, int]  # of the question's tokens, and of the text's; what is between goes with the first

    @classmethod
    def of(cls, tokenizer: "Tokenizer") -> "Joint":
        pair = tokenizer.encode("a", "b")
        own = [place for place, special in enumerate(pair.special_tokens_mask) if not special]
        last = max(place for place in own if pair.sequence_ids[place] == 0)
        following = min(place for place in own if pair.sequence_ids[place] == 1)
        return cls(
            pair.ids[: own[0]],
            pair.ids[last + 1 : following],
            pair.ids[own[-1] + 1 :],
            (pair.type_ids[last], pair.type_ids[following]),
        )


def windows(tokenizer: "Tokenizer", joint: Joint, card: Card, question: str, texts: Sequence[str]) -> Iterator[Window]:
    """Every text has at least one, also an empty one. The tokenizer neither pads nor cuts."""
    asked = tokenizer.encode(question, add_special_tokens=False).ids[: card.question]
    head = [*joint.before, *asked, *joint.between]
    room = max(2, card.longest - len(head) - len(joint.after))
    step = room - min(card.overlap, room // 2)
    for number, encoding in enumerate(tokenizer.encode_batch(list(texts), add_special_tokens=False)):
        count = len(encoding.ids)
        for start in range(0, max(1, count - (room - step)), step):
            part = encoding.ids[start : start + room]
            ids = [*head, *part, *joint.after]
            kinds = [joint.kinds[0]] * len(head) + [joint.kinds[1]] * (len(ids) - len(head))
            places = range(len(joint.before), len(joint.before) + len(asked))
            yield Window(number, ids, kinds, places, len(head), encoding.offsets[start : start + room])
