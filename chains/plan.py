"""What a chain takes at most, told before it starts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chains.cost import Cost
from chains.model import Usage


@dataclass(frozen=True)
class Stage:
    """Calls that may be made side by side; a stage begins when the one before it has ended."""

    calls: int
    input_tokens: int  # of all its calls together, at most
    output_tokens: int


@dataclass(frozen=True)
class Plan:
    """An upper bound: of calls and tokens always, of seconds and money where the speed and the price are known."""

    stages: tuple[Stage, ...]
    seconds: float | None = None  # at the speed that was measured before; None: there was no call yet
    cost: Cost | None = None  # None: the price is not known
    kept: int = field(default=0, compare=False)  # replies of an earlier start, which these calls are without

    @property
    def calls(self) -> int:
        return sum(stage.calls for stage in self.stages)

    @property
    def usage(self) -> Usage:
        return Usage(
            sum(stage.input_tokens for stage in self.stages), sum(stage.output_tokens for stage in self.stages)
        )


def total(stages: Sequence[Stage]) -> Usage:
    return Plan(tuple(stages)).usage
