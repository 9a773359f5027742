"""Prices of tokens, and amounts of money."""

from collections.abc import Sequence
from dataclasses import dataclass

from chains.model import Usage

_MILLION = 1_000_000


@dataclass(frozen=True)
class Cost:
    amount: float
    currency: str  # "" for what costs nothing

    def __str__(self) -> str:
        return money(self.amount, self.currency)


@dataclass(frozen=True)
class Price:
    """Of a million tokens."""

    input: float
    output: float
    currency: str = ""

    def cost(self, usage: Usage) -> Cost:
        amount = (usage.input_tokens * self.input + usage.output_tokens * self.output) / _MILLION
        return Cost(amount, self.currency)


FREE = Price(0.0, 0.0)


def money(amount: float, currency: str) -> str:
    """1.25 USD; 0.0042 USD: two digits that say something."""
    if not amount:
        return f"0 {currency}".strip()
    digits = 2 if amount >= 0.1 else 4 if amount >= 0.001 else 6
    return f"{amount:.{digits}f} {currency}".strip()


def together(costs: Sequence[Cost | None]) -> Cost | None:
    """The sum; None where one is not known, or where the currencies differ."""
    known = [cost for cost in costs if cost is not None]
    currencies = {cost.currency for cost in known if cost.currency}
    if len(known) < len(costs) or len(currencies) > 1:
        return None
    return Cost(sum(cost.amount for cost in known), next(iter(currencies), ""))
