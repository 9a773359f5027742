"""Near-copies among passages: text that says little more than another passage, in the same document or in any other.

Without this, a folder with hundreds of copies of one text takes all places of a result. Two filings of one form, or two
years of one sentence, are near-copies too, but differ in what matters: figures and names. So a passage that brings
other ones gets a second place, and a document that the question names brings its own.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from ingest.document import Passage

_WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_]+")  # Chinese has no spaces: each character is a word
_MARK = re.compile(r"\d+(?:[.,]\d+)*|[A-Z]\w*|[〇零一二三四五六七八九十百千万亿]+")
# Share of a passage's word pairs that another passage has. A copy reaches it with every fifth word changed, or with two
# thirds more text added; of 17,465 passages that nobody copied on purpose 1 % do (docs/decisions/0106-near-copies.md).
NEAR_COPY = 0.6
_PLACES = 2  # of a result, for near-copies that differ in figures or names
_SHARE = 0.5  # of a result, at most, for near-copies from documents that the question names


@dataclass(frozen=True)
class Fingerprint:
    """What is compared of a text."""

    text: str

    @cached_property
    def words(self) -> tuple[str, ...]:
        return tuple(_WORD.findall(unicodedata.normalize("NFKC", self.text).casefold()))

    @cached_property
    def letters(self) -> str:
        """Without spaces, punctuation and case."""
        return "".join(self.words)

    @cached_property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """Neighbouring words."""
        return frozenset(pairwise(self.words))

    @cached_property
    def marks(self) -> frozenset[str]:
        """Figures, and words with a capital."""
        return frozenset(_MARK.findall(unicodedata.normalize("NFKC", self.text)))

    def is_same(self, other: "Fingerprint") -> bool:
        return self.letters == other.letters

    def is_near_copy_of(self, other: "Fingerprint") -> bool:
        """Whether `other` has most of this text. A longer text that holds `other` is no copy of it: it says more."""
        if self.is_same(other):
            return True
        return bool(self.pairs) and len(self.pairs & other.pairs) >= NEAR_COPY * len(self.pairs)


@dataclass
class CopyGroup:
    """Near-copies of one text."""

    texts: list[Fingerprint] = field(default_factory=list)
    places: list[Passage] = field(default_factory=list)  # those of them that are part of the result
    documents: set[str] = field(default_factory=set)  # that have one of them, with a place or without
    marks: set[str] = field(default_factory=set)  # of the places
    named_marks: set[str] = field(default_factory=set)  # of the places from documents that the question names


class CopyGroups:
    """The passages that have a place in a result of `size` passages, in groups of near-copies."""

    def __init__(self, size: int, named: Collection[str] | None = ()) -> None:
        """`named`: ids of the documents that the question names; None: all count as named."""
        self._groups: list[CopyGroup] = []
        self._most = max(1, round(size * _SHARE))
        self._named = named

    def find(self, text: Fingerprint) -> CopyGroup | None:
        """The group that `text` is a near-copy of."""
        return next((g for g in self._groups if any(map(text.is_near_copy_of, g.texts))), None)

    def has_room(self, group: CopyGroup, passage: Passage, text: Fingerprint) -> bool:
        """Whether a near-copy gets a place of its own beside the group's places."""
        owners = [place.document for place in group.places]
        is_same = any(map(text.is_same, group.texts))
        if len(owners) < _PLACES and not is_same and not text.marks <= group.marks:
            return True
        if not self._is_named(passage.document) or passage.document in owners or len(owners) >= self._most:
            return False
        return not any(map(self._is_named, owners)) or not text.marks <= group.named_marks

    def add_place(self, group: CopyGroup | None, passage: Passage, text: Fingerprint) -> CopyGroup:
        """Gives `passage` a place in `group`; in a new one where it is no near-copy."""
        if group is None:
            group = CopyGroup()
            self._groups.append(group)
        group.places.append(passage)
        group.documents.add(passage.document)
        self.extend(group, passage, text)
        return group

    def extend(self, group: CopyGroup, passage: Passage, text: Fingerprint) -> None:
        """Adds text that shares a place of `group`: a neighbour that was joined."""
        group.texts.append(text)
        group.marks |= text.marks
        if self._is_named(passage.document):
            group.named_marks |= text.marks

    def _is_named(self, document: str) -> bool:
        return self._named is None or document in self._named


def split_copies(
    passages: Sequence[Passage], size: int, named: Collection[str] | None = ()
) -> tuple[list[Passage], list[Passage]]:
    """The first `size` passages that have a place among near-copies, and all others, each in their order."""
    groups = CopyGroups(size, named)
    first: list[Passage] = []
    rest: list[Passage] = []
    for number, passage in enumerate(passages):
        if len(first) == size:
            rest.extend(passages[number:])
            break
        text = Fingerprint(passage.text)
        group = groups.find(text)
        if group is not None and not groups.has_room(group, passage, text):
            rest.append(passage)
        else:
            groups.add_place(group, passage, text)
            first.append(passage)
    return first, rest
