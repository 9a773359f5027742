"""The run: seeded, with a checkpoint that a killed run goes on from as if it had not been killed."""

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import exp
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from chains.reader.checkpoint import Calibration, write
from training.curriculum import Planned, Unit
from training.features import ASKED, NONE, Batch, Row, Window, batch, windows
from training.model import Out, ReaderModel
from training.qa_metrics import figures
from training.squad import Pair, Pairs

CHECKPOINT, LOG, WEIGHTS = "checkpoint.safetensors", "log.jsonl", "reader.safetensors"
SAVE_EVERY = 100  # steps
LOG_EVERY = 20
WARM_UP = 0.05  # of all steps; after it the rate falls to nothing in a straight line
ANSWERS, FIT, DOUBT = 0.8, 0.4, 1.2  # what these losses count beside the span's
_RARE = 2.0  # what a word that was changed counts beside one that was not, of which there are ten times as many
CLIP = 1.0  # the greatest norm of a gradient
UNKNOWN = -1.0
IGNORED = -100  # a target that no loss is taken of (PyTorch's own number for it)


@dataclass(frozen=True)
class Run:
    """What decides a run's result. `rate`: the learning rate of everything; `longest`: tokens."""

    seed: int = 7
    rate: float = 1e-3
    longest: int = 256
    question: int = 64


@dataclass(frozen=True)
class Losses:
    span: Tensor
    answers: Tensor
    fit: Tensor
    doubt: Tensor

    @property
    def total(self) -> Tensor:
        return self.span + ANSWERS * self.answers + FIT * self.fit + DOUBT * self.doubt

    @property
    def parts(self) -> Tensor:
        """[4], for the log."""
        return torch.stack([self.span, self.answers, self.fit, self.doubt]).detach().cpu()


def train(
    model: ReaderModel,
    steps: Sequence[Planned],
    dev: tuple[Pairs, Sequence[Pair]],
    run: Run,
    out: Path,
    *,
    resume: bool = False,
    stop_after: int | None = None,
    measure_every: int = 400,
) -> None:
    """Writes checkpoint, log and weights into `out`. `stop_after`: ends, as if killed, after that step."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.cast(torch.bfloat16, device)
    trained = model.trained()
    optimizer = torch.optim.AdamW(trained.values(), lr=run.rate, betas=(0.9, 0.98), weight_decay=0.0)
    done = _restore(out, trained, optimizer) if resume else 0
    out.mkdir(parents=True, exist_ok=True)
    if not done:
        (out / LOG).write_text("")
    began, read, sums = time.monotonic(), 0, torch.zeros(4)
    for at in range(done, len(steps)):
        rate = run.rate * min((at + 1) / max(1.0, WARM_UP * len(steps)), (1 - at / len(steps)) / (1 - WARM_UP))
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses, rows = gradients(model, steps[at], run, at, device)
        torch.nn.utils.clip_grad_norm_(trained.values(), CLIP)
        optimizer.step()
        read += rows
        sums += losses
        ended = at + 1 == len(steps)
        if (at + 1) % LOG_EVERY == 0 or ended:
            mean = (sums / ((at % LOG_EVERY) + 1)).tolist()
            _note(
                out,
                step=at + 1,
                of=len(steps),
                span=round(mean[0], 4),
                answers=round(mean[1], 4),
                fit=round(mean[2], 4),
                doubt=round(mean[3], 4),
                rate=rate,
                examples_per_second=round(read / (time.monotonic() - began), 1),
            )
            sums = torch.zeros(4)
        if (at + 1) % SAVE_EVERY == 0 or ended:
            _save(out, at + 1, trained, optimizer)
        if dev[1] and ((at + 1) % measure_every == 0 or ended):
            _note(out, step=at + 1, dev=figures(model, *dev, longest=run.longest, question=run.question))
            write(out / WEIGHTS, model.file(Calibration(), run.longest))
        if stop_after is not None and at + 1 >= stop_after:
            return
    write(out / WEIGHTS, model.file(Calibration(), run.longest))


def gradients(
    model: ReaderModel, planned: Planned, run: Run, at: int, device: torch.device
) -> tuple[Tensor, int]:
    """Leaves the gradients of a step in the parameters; its four losses, and how many rows it had.

    A step is read in two halves, each by a thread of its own: two threads that share every single product wait for
    one another thousands of times in a step, which on busy cores takes most of the time."""
    trained = list(model.trained().values())
    middle = (len(planned.units) + 1) // 2
    halves = [units for units in (planned.units[:middle], planned.units[middle:]) if units]

    def half(n: int) -> tuple[Tensor, int, Sequence[Tensor]]:
        rng = random.Random(f"{run.seed} {at} {n}")
        losses, rows = step(model, replace(planned, units=halves[n]), run, rng, device)
        found = torch.autograd.grad(losses.total, trained)
        return losses.parts, rows, found

    if device.type == "cpu":
        with ThreadPoolExecutor(len(halves), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            made = list(pool.map(half, range(len(halves))))
    else:
        made = [half(n) for n in range(len(halves))]
    rows = sum(count for _, count, _ in made)
    shares = [count / rows for _, count, _ in made]
    for n, value in enumerate(trained):
        parts = [share * found[n] for share, (_, _, found) in zip(shares, made, strict=True)]
        value.grad = sum(parts[1:], parts[0])
    losses = sum((share * each for share, (each, _, _) in zip(shares, made, strict=True)), torch.zeros(4))
    return losses, rows


def step(
    model: ReaderModel, planned: Planned, run: Run, rng: random.Random, device: torch.device
) -> tuple[Losses, int]:
    """The losses of one step, and how many rows it had."""
    longest = run.longest // 2 if planned.short else run.longest
    weights = model.weights(torch.bfloat16)

    def cut(rows: Sequence[Row]) -> list[list[Window]]:
        return windows(model.tokenizer, rows, longest, min(run.question, longest // 4), longest // 4)

    def read(chosen: Sequence[Window]) -> tuple[Batch, Out]:
        made = batch(chosen, model.tokenizer.pad_token_id, model.shape.types, device)
        return made, model.run(weights, made)

    flat = [row for unit in planned.units for row in unit.choices]
    believed: list[float] = []
    if flat:
        with torch.no_grad():
            believed = read([rng.choice(choices) for choices in cut(flat)])[1].answers.tolist()
    units = list(settled(planned.units, believed, rng))
    rows = [row for unit in units for row in unit.rows]
    found = cut(rows)
    chosen: list[Window] = []
    spans: list[tuple[int, int]] = []
    for row, choices in zip(rows, found, strict=True):
        if row.end <= row.start:
            chosen.append(rng.choice(choices))
            spans.append((0, 0))
            continue
        holding = [(window, span) for window in choices if (span := window.span(row.start, row.end))]
        window, place = rng.choice(holding) if holding else (choices[0], (IGNORED, IGNORED))
        chosen.append(window)
        spans.append(place)
    made, out = read(chosen)
    allowed = made.passage.clone()
    allowed[:, 0] = True
    doubtful = [doubted(row, window, made.ids.shape[1]) for row, window in zip(rows, chosen, strict=True)]
    return _losses(out, allowed, torch.tensor(spans, device=device), torch.stack(doubtful).to(device), units), len(rows)


def doubted(row: Row, window: Window, length: int) -> Tensor:
    """[length]: 1 for a token of the question that was changed, 0 for one that was not, else UNKNOWN."""
    found = torch.full((length,), UNKNOWN)
    if row.changed is not None:
        start, end = row.changed
        found[ASKED : ASKED + len(window.asked)] = torch.tensor(
            [float(a < end and start < b) for a, b in window.asked]
        )
    return found


def settled(units: Sequence[Unit], believed: Sequence[float], rng: random.Random) -> Iterator[Unit]:
    """The units with one of their choices as a row. `believed`: how surely each choice has an answer, as a logit."""
    at = 0
    for unit in units:
        if not unit.choices:
            yield unit
            continue
        worth = [exp(min(value, 10.0)) for value in believed[at : at + len(unit.choices)]]
        at += len(unit.choices)
        yield Unit((*unit.rows, rng.choices(unit.choices, worth)[0]))


def _losses(out: Out, allowed: Tensor, spans: Tensor, doubtful: Tensor, units: Sequence[Unit]) -> Losses:
    ends = [
        F.cross_entropy(logits.masked_fill(~allowed, NONE), target, ignore_index=IGNORED)
        for logits, target in ((out.start, spans[:, 0]), (out.end, spans[:, 1]))
    ]
    known = spans[:, 0] != IGNORED
    right = (spans[:, 0] > 0).float()
    answers = F.binary_cross_entropy_with_logits(out.answers, right, weight=known.float())
    at, ranked = 0, []
    for unit in units:
        if unit.ranked:
            ranked.append(F.log_softmax(out.fit[at : at + len(unit.rows)], 0)[0])
        at += len(unit.rows)
    fit = -torch.stack(ranked).mean() if ranked else out.fit.sum() * 0.0
    said = (doubtful != UNKNOWN).float()
    each = F.binary_cross_entropy_with_logits(
        out.doubt, doubtful.clamp(min=0.0), weight=said, pos_weight=out.doubt.new_tensor(_RARE), reduction="sum"
    )
    return Losses(ends[0] + ends[1], answers, fit, each / said.sum().clamp(min=1.0))


def _save(out: Path, done: int, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    tensors = {name: value.detach().cpu().contiguous() for name, value in trained.items()}
    for name, value in trained.items():
        for part, moment in optimizer.state[value].items():
            tensors[f"{part}|{name}"] = moment.detach().cpu().contiguous()
    part = out / f"{CHECKPOINT}.part"
    save_file(tensors, part, {"step": str(done)})
    part.replace(out / CHECKPOINT)


def _restore(out: Path, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> int:
    """How many steps the checkpoint has behind it; 0 where there is none."""
    if not (out / CHECKPOINT).exists():
        return 0
    with safe_open(out / CHECKPOINT, framework="pt") as file:
        done = int(file.metadata()["step"])
        with torch.no_grad():
            for name, value in trained.items():
                value.copy_(file.get_tensor(name))
        parts = {name.partition("|")[0] for name in file.keys() if "|" in name}  # noqa: SIM118  # it is no mapping
        for name, value in trained.items():
            state = {part: file.get_tensor(f"{part}|{name}") for part in parts}
            optimizer.state[value] = {
                part: moment if part == "step" else moment.to(value.device) for part, moment in state.items()
            }
    lines = (out / LOG).read_text().splitlines()
    (out / LOG).write_text("".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= done))
    return done


def _note(out: Path, **values: object) -> None:
    with (out / LOG).open("a") as log:
        log.write(json.dumps(values) + "\n")
    print(json.dumps(values), flush=True)
