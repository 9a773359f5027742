"""What `pagewise compare` prints: JSON for scripts; for people each answer when it is done, and a table."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from app.cli.cost_output import cost_json
from app.cli.json_output import said_json
from app.cli.terminal_output import (
    citation_lines,
    closest_lines,
    figures_line,
    notes_lines,
    page_text,
    step_text,
    unsourced_lines,
)
from chains.compare import Compared, Comparison
from chains.events import Answer, Step
from chains.grounding.agreement import Agreement
from ingest.plural import some


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """`stopped` stands there only where it is so; each answer says the same of itself, and its `error`."""
    usage = comparison.usage
    return {
        "question": comparison.question,
        "calls": comparison.calls,
        "seconds": round(comparison.seconds, 3),
        "usage": {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens},
        "cost": cost_json(comparison.cost),
        "answers": [said_json(answer) for answer in comparison.answers],
        "agreement": agreement_json(comparison.agreement),
        **({"stopped": True} if comparison.stopped else {}),
    }


def agreement_json(agreement: Agreement) -> dict[str, object]:
    return {
        "share": agreement.share,
        "pairs": [{"chains": list(p.chains), "share": p.share, "same": p.same} for p in agreement.pairs],
        "pages": [
            {"document": p.name, "page": p.page, "page_label": p.page_label, "chains": list(p.chains)}
            for p in agreement.pages
        ],
        "figures": [{"figure": one.text, "chains": list(one.chains)} for one in agreement.figures],
    }


class Board:
    """Shows the events of a comparison as they come: each answer on `out` when it is whole, steps on `err`."""

    def __init__(self, out: TextIO | None, err: TextIO) -> None:
        self._out = out  # None: only the steps
        self._err = err
        self._said: set[str] = set()

    def show(self, event: Compared) -> None:
        if isinstance(event, Step):
            self._step(step_text(event))
        elif isinstance(event, Comparison):
            return
        elif isinstance(event.event, Step):
            self._step(f"{event.chain}: {step_text(event.event)}")
        elif isinstance(event.event, Answer):
            self._answer(event.event)

    def finish(self, comparison: Comparison) -> None:
        """What was not said yet, where the answers agree, and the table."""
        if self._out is None:
            return
        for answer in comparison.answers:
            if answer.chain not in self._said:
                self._answer(answer)
        if all(answer.refused for answer in comparison.answers):
            self._out.writelines(f"{line}\n" for line in closest_lines(comparison.answers[0]))
        self._out.writelines(f"{line}\n" for line in agreement_lines(comparison.agreement))
        self._out.writelines(f"{line}\n" for line in table(comparison.answers))
        self._out.flush()
        if comparison.stopped:
            self._err.write("Stopped; this is what had come.\n")

    def _step(self, text: str) -> None:
        self._err.write(f"· {text}\n")
        self._err.flush()

    def _answer(self, answer: Answer) -> None:
        self._said.add(answer.chain)
        if self._out is not None:
            self._out.write(f"{answer.chain}\n")
            below = (*notes_lines(answer), *figures_line(answer), *unsourced_lines(answer))
            cited = citation_lines(answer, self._out.isatty())
            self._out.writelines(f"  {line}".rstrip() + "\n" for line in (*answer.text.split("\n"), *below, *cited))
            self._out.write("\n")
            self._out.flush()
        if answer.error:
            self._err.write(f"pagewise: {answer.chain}: {answer.error}\n")


def agreement_lines(agreement: Agreement) -> Iterator[str]:
    """Where the answers agree, in words; nothing where there are not two to compare."""
    if agreement.share is None:
        return
    pairs = some(len(agreement.pairs), "pair")
    yield f"In common: {agreement.share:.0%} of the words of any two answers (the mean of {pairs})"
    same = [pair for pair in agreement.pairs if pair.same]
    if len(same) == len(agreement.pairs):
        yield f"Say the same: all that answered ({', '.join(agreement.chains)})"
    else:
        yield "Say the same: " + (", ".join(" and ".join(pair.chains) for pair in same) or "none")
    for page in agreement.pages:
        yield f"{page.name}, {page_text(page.page, page.page_label)}: cited by {_who(page.chains, agreement)}"
    if agreement.shared:
        yield f"Figures in all of these: {', '.join(agreement.shared)}"
    if agreement.single:
        yield "Figures in one only: " + ", ".join(f"{figure} ({chain})" for figure, chain in agreement.single)
    yield ""


def _who(chains: Sequence[str], agreement: Agreement) -> str:
    return f"all {len(chains)}" if len(chains) == len(agreement.chains) else ", ".join(chains)


def table(answers: Sequence[Answer]) -> Iterator[str]:
    """A line a chain: quotes found on their pages (and nearly), calls, tokens in and out, seconds, money."""
    rows = [("chain", "quotes found", "calls", "tokens in", "out", "seconds", "cost")]
    for answer in answers:
        usage, nearly = answer.usage, f", {answer.near} nearly" if answer.near else ""
        counted = bool(usage.input_tokens or usage.output_tokens)
        rows.append(
            (
                answer.chain,
                f"{answer.verified} of {len(answer.citations)}{nearly}" if answer.citations else _why_none(answer),
                str(answer.calls),
                str(usage.input_tokens) if counted else "–",
                str(usage.output_tokens) if counted else "–",
                f"{answer.seconds:.1f}",
                "unknown" if answer.cost is None else str(answer.cost),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells)


def _why_none(answer: Answer) -> str:
    if answer.error:
        return "failed"
    return "stopped" if answer.stopped else "not found" if answer.refused else "none"
