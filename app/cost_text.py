"""What a summary would take, counted beside the screen, in the reader's language. Knows nothing of Streamlit."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.i18n import Words
from chains.cost import Cost, Price
from chains.model import Usage
from chains.plan import Plan
from ingest.errors import PagewiseError


@dataclass(frozen=True)
class Estimates:
    """What each chain would take at most, or why it cannot."""

    plans: Mapping[str, Plan | PagewiseError]
    price: Price | None  # of the model; None: not known


def plan_line(words: Words, plan: Plan, calls: int = 0) -> str:
    """`calls`: with those that were made before it was planned."""
    used = plan.usage
    line = words.count("plan.calls", calls or plan.calls)
    line += f" · {tokens_text(words, used)}"
    line += words("plan.seconds.unknown") if plan.seconds is None else f" · {seconds_text(words, plan.seconds)}"
    line += f" · {cost_text(words, plan.cost)}"
    return line + (words.count("plan.kept", plan.kept) if plan.kept else "")


def tokens_text(words: Words, used: Usage) -> str:
    return words("answer.facts.tokens", input=f"{used.input_tokens:,}", output=f"{used.output_tokens:,}")


def seconds_text(words: Words, seconds: float) -> str:
    if seconds < 90:
        return words("plan.seconds", n=f"{seconds:.0f}" if seconds >= 1 else "1")
    minutes = round(seconds / 60)
    if minutes < 90:
        return words("plan.minutes", n=minutes)
    return words("plan.hours", h=minutes // 60, m=minutes % 60)


def cost_text(words: Words, cost: Cost | None) -> str:
    if cost is None:
        return words("plan.cost.unknown")
    return str(cost) if cost.amount else words("plan.cost.none")
