"""Which window some work needs: the smallest with which it fits, found by trying others. No call is made for that."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from chains.errors import ContextTooSmall
from chains.models.base import Model, Piece
from chains.prompts import Prompt

T = TypeVar("T")

_FIRST = 64  # tokens; no prompt is shorter
_LARGEST = 1 << 24  # no model has a larger window


class Within:
    """A Model that counts as `model` does and has another window. It is for planning, and cannot be asked."""

    def __init__(self, model: Model, context: int) -> None:
        self.name, self.parallel, self.context = model.name, model.parallel, context
        self.count, self.size, self.at_most = model.count, model.size, model.at_most

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        raise ContextTooSmall(model=self.name, context=self.context, needed=self.context + 1)


def fitted(work: Callable[[Model], T], model: Model) -> T:
    """What `work`, which makes no call, makes of the model; its ContextTooSmall names the least window that does.

    That is not what the first prompt that did not fit is short of: replies and notes grow with the window.
    """
    try:
        return work(model)
    except ContextTooSmall:
        needed = least(work, model)
    raise ContextTooSmall(model=model.name, context=model.context, needed=needed)


def least(work: Callable[[Model], object], model: Model) -> int:
    """The smallest window (tokens) above the model's with which `work` raises no ContextTooSmall."""
    found = _above(0, work, model)
    return found if found > model.context else _above(model.context, work, model)


def _above(low: int, work: Callable[[Model], object], model: Model) -> int:
    high = max(_FIRST, 2 * low)
    while high < _LARGEST and not _works(work, Within(model, high)):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _works(work, Within(model, middle)):
            high = middle
        else:
            low = middle
    return high


def _works(work: Callable[[Model], object], model: Model) -> bool:
    try:
        work(model)
    except ContextTooSmall:
        return False
    return True
