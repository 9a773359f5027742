"""What an answer takes and took, and the table of prices: as JSON, and in words."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.price_table import Row
from chains.cost import Cost
from chains.events import Answer
from chains.plan import Plan
from ingest.plural import some


def cost_json(cost: Cost | None) -> dict[str, object] | None:
    """`null` where the price is not known."""
    return None if cost is None else {"amount": round(cost.amount, 8), "currency": cost.currency}


def plan_json(document: str, chain: str, model: str, plan: Plan) -> dict[str, object]:
    """What a summary takes at most; `seconds` and `cost` are null where they are not known."""
    usage = plan.usage
    return {
        "document": document,
        "chain": chain,
        "model": model,
        "calls": plan.calls,
        "kept": plan.kept,
        "usage": {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens},
        "seconds": None if plan.seconds is None else round(plan.seconds, 1),
        "cost": cost_json(plan.cost),
        "stages": [
            {"calls": stage.calls, "input_tokens": stage.input_tokens, "output_tokens": stage.output_tokens}
            for stage in plan.stages
        ],
    }


def prices_json(file: Path, rows: Sequence[Row]) -> dict[str, object]:
    return {
        "file": str(file),
        "there": file.is_file(),
        "prices": [
            {"model": one.model, "input": one.price.input, "output": one.price.output, "currency": one.price.currency}
            for one in rows
        ],
    }


def prices_lines(file: Path, rows: Sequence[Row]) -> Iterator[str]:
    """The table, and where it is; where there is none, how to begin one."""
    if not rows:
        there = file.is_file()
        where = "holds no price yet" if there else "is not there yet"
        yield f"{file} {where}: of models behind an API no price is known. Local models cost nothing."
        write = "" if there else "`pagewise prices --init` writes the file with its format explained. "
        yield f"{write}Put your provider's prices into it."
        return
    yield f"{file}: prices of a million tokens; the first model that fits counts"
    width = max(len("model"), *(len(one.model) for one in rows))
    yield f"{'model':<{width}}  {'in':>10}  {'out':>10}  currency"
    for one in rows:
        yield f"{one.model:<{width}}  {one.price.input:>10g}  {one.price.output:>10g}  {one.price.currency}"


def plan_text(plan: Plan, calls: int = 0) -> str:
    """What it takes at most, in words. `calls`: with those that were made before it was planned."""
    used = plan.usage
    parts = [
        some(calls or plan.calls, "model call"),
        f"{used.input_tokens:,} tokens in and {used.output_tokens:,} out",
        "time not known yet" if plan.seconds is None else f"about {seconds_text(plan.seconds)}",
        "price not known" if plan.cost is None else cost_text(plan.cost),
    ]
    parts += [f"{some(plan.kept, 'more call')} already there"] if plan.kept else []
    return "at most " + ", ".join(parts)


def took_text(answer: Answer) -> str:
    """What an answer took."""
    used = answer.usage
    kept = f" ({some(answer.kept, 'more call')} already there)" if answer.kept else ""
    cost = "price not known" if answer.cost is None else cost_text(answer.cost)
    tokens = f"{used.input_tokens:,} tokens in and {used.output_tokens:,} out"
    return f"took {some(answer.calls, 'model call')}{kept}, {tokens}, {seconds_text(answer.seconds)}, {cost}"


def seconds_text(seconds: float) -> str:
    """0.4 s, 12 s, 5 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def cost_text(cost: Cost) -> str:
    return str(cost) if cost.amount else "no cost"
