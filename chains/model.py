"""What a chain asks of a model. Everything else about a model is the model's own business."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from chains.prompt import Prompt

QUOTES = "extractive"  # the name of the model that writes no words of its own


@dataclass(frozen=True)
class Usage:
    """Tokens, by the model's own count where it gives one, else estimated."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)


@dataclass(frozen=True)
class Finish:
    """The last thing a stream yields. `length`: the reply was cut at max_tokens."""

    reason: Literal["stop", "length"]
    usage: Usage
    written: int = 0  # tokens of the reply, at most, by whoever would have to be asked to count it; 0: count it
    loading: float = field(default=0.0, compare=False)  # seconds for which it waited for the model to be loaded


@dataclass(frozen=True)
class Thought:
    """A piece of what a model thinks of its own accord before or between its reply. No part of the reply."""

    text: str


Piece = str | Thought | Finish


class Model(Protocol):
    """One model, ready to be asked. Safe to be called from `parallel` threads at once."""

    @property
    def name(self) -> str:
        """The string that chose it, e.g. "extractive" or "openai:gpt-5-mini"; never holds a key."""

    @property
    def context(self) -> int:
        """Tokens that it can read and write in one call."""

    @property
    def parallel(self) -> int:
        """Calls that it can take at once, at least 1."""

    def count(self, prompt: Prompt) -> int:
        """Tokens of the rendered prompt: exact by its own tokenizer, or an estimate that never undercounts."""

    def size(self, *texts: str) -> int:
        """Tokens of a piece of a prompt, counted by itself: exact by its own tokenizer, or a bound. Of several, a bound
        of all together, found in as few questions as can be.
        """

    def at_most(self, text: str) -> int:
        """At least `size(text)`, proven for every text, and without asking anybody."""

    def stream(self, prompt: Prompt) -> Iterator[Piece]:
        """Pieces of the reply as they come, then exactly one Finish. A piece may be "": the model is still at work.

        Closing the iterator stops the work. Raises chains.errors.ModelError, also in the middle.
        """
