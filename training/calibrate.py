"""python -m training calibrate: fits the numbers of chains/reader/files.Calibration, and says what they give.

    python -m training calibrate --out FOLDER --data FILES --refusals SQUAD2_FILE --passages SQUAD_FILE [--limit N]

The curve is fitted to what the training held out of its data and to negatives that are made of it; the weight of
nearness to the questions of the data that people wrote to be unanswerable and to the others of their articles; the
threshold to the file of refusals, which has questions that cannot be answered among others. The last file is only
measured with. All is read as the program reads.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chains.reader.files import Calibration, read, write
from chains.reader.network import TrainedReader
from ingest.errors import PagewiseError
from ingest.weights import DEFAULT
from training.reader import quiet_threads
from training.squad import NotSquad, Pair, Pairs, files, held_out, load

if TYPE_CHECKING:
    from training.features import Row
    from training.measure import Reading
    from training.negatives import Likeness

_LEAST = -60.0  # a margin that stands for "no words at all"
_SEED = 1  # of the negatives that the curve is fitted to


def main(argv: Sequence[str]) -> int:
    """0: calibrated; 1: something failed; 2: wrong use. The figures go to the output as JSON."""
    whole = argparse.ArgumentParser(prog="python -m training calibrate", description=(__doc__ or "").splitlines()[0])
    whole.add_argument("--out", type=Path, required=True, help="the folder that `reader` wrote reader.safetensors into")
    whole.add_argument("--data", nargs="+", type=Path, required=True, help="what the reader was trained on")
    whole.add_argument("--held-out", type=float, default=0.03, help="share of it that was not (%(default)s)")
    whole.add_argument("--refusals", type=Path, required=True, help="a SQuAD 2.0 file that was not trained on")
    whole.add_argument("--passages", type=Path, required=True, help="a SQuAD file that was not trained on")
    whole.add_argument("--limit", type=int, default=0, help="questions of each to use, evenly chosen (all)")
    args = whole.parse_args(argv)
    quiet_threads()
    from training.mining import likeness
    from training.model import ReaderModel, UnfitBase

    path = args.out / "reader.safetensors"
    try:
        kept = read(path)
        model = ReaderModel("" if kept.card.base == DEFAULT else kept.card.base, kept.card.rank)
        pairs, apart = held_out(load(files(args.data)), args.held_out)
        calibration, figures = calibrated(
            TrainedReader(path), likeness(model), pairs, apart, load([args.refusals]), load([args.passages]), args.limit
        )
        write(path, replace(kept, card=replace(kept.card, calibration=calibration)))
    except (PagewiseError, NotSquad, UnfitBase, OSError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    print(json.dumps(figures, indent=1))
    return 0


def calibrated(
    reader: TrainedReader,
    like: "Likeness",
    pairs: Pairs,
    apart: Pairs,
    refusals: Pairs,
    passages: Pairs,
    limit: int = 0,
) -> tuple[Calibration, dict[str, dict[str, float]]]:
    """The numbers, and what they give.

    `pairs`: what was trained on, for the weight of nearness; `apart`: for the curve; `refusals`: for the threshold; of
    these and of `passages` `limit` questions, all for 0. Raises ReaderError.

    Nearness is a second witness beside the reader: what it says by itself of the questions that people wrote is added
    to the reader's logit, less its mean. Fitted with the reader on what that was trained on it would get nothing.
    """
    from training.features import Row
    from training.fitting import best_threshold, logistic, probabilities, refusal_figures
    from training.measure import Reading, exact, f1

    def readings(rows: "Sequence[Row]") -> "list[Reading]":
        looks = [reader.look(row.question, [row.passage])[0] for row in rows]
        return [
            Reading(one.said(row.passage), max(one.margin, _LEAST), one.answers, one.fit)
            for row, one in zip(rows, looks, strict=True)
        ]

    def of(pairs: Pairs, chosen: Sequence[Pair]) -> "list[Reading]":
        return readings([Row(pair.question, pairs.passages[pair.passage].text) for pair in chosen])

    def near(pairs: Pairs, chosen: Sequence[Pair]) -> list[float]:
        return [reader.nearness(pair.question, [pairs.passages[pair.passage].text])[0] for pair in chosen]

    both = _with_negatives(like, apart)
    w_answers, w_margin, bias = logistic(
        [(one.answers, one.margin) for one in readings(both)], [row.end > row.start for row in both]
    )
    by_people = beside_unanswerable(pairs)
    cosines = near(pairs, by_people)
    w_near = logistic([(cosine,) for cosine in cosines], [pair.answerable for pair in by_people])[0] if cosines else 0.0
    bias -= w_near * float(np.mean(near(apart, apart.pairs))) if w_near else 0.0
    calibration = Calibration(w_answers, w_margin, w_near, bias)

    doubtful = _some(refusals.pairs, limit)
    judged = of(refusals, doubtful)
    believed = probabilities(judged, near(refusals, doubtful), calibration)
    threshold, _ = best_threshold(believed, judged, doubtful)

    sure = _some([pair for pair in passages.pairs if pair.answerable], limit)
    given = of(passages, sure)

    calibration = replace(calibration, threshold=threshold)
    figures: dict[str, dict[str, float]] = {
        "curve": {"rows": len(both)},
        "refusals": {"questions": len(doubtful)} | refusal_figures(believed, judged, doubtful, threshold),
        "given_the_passage": {
            "questions": len(sure),
            "f1": 100 * float(np.mean([f1(r.text, p.golds) for r, p in zip(given, sure, strict=True)])),
            "em": 100 * float(np.mean([exact(r.text, p.golds) for r, p in zip(given, sure, strict=True)])),
        },
        "calibration": {name: float(value) for name, value in vars(calibration).items()},
    }
    return calibration, {
        name: {key: round(value, 4) for key, value in each.items()} for name, each in figures.items()
    }


def _with_negatives(like: "Likeness", pairs: Pairs) -> "list[Row]":
    """Each pair once, most beside a negative, of the same kinds as in the training."""
    from training.mining import foreign
    from training.plan import plan

    none: list[tuple[int, ...]] = [()] * len(pairs.pairs)
    steps = plan(
        pairs,
        none,
        foreign(pairs),
        seed=_SEED,
        epochs=1,
        size=1,
        like=like,
        shares={},
        short=0,
        real=1,
        parts={"whole": 1.0},
    )
    units = [unit for step in steps for unit in step.units]
    return [row for unit in units for row in (*unit.rows, *unit.choices[:1])]


def beside_unanswerable(pairs: Pairs) -> list[Pair]:
    """The questions of the articles in which people wrote unanswerable ones too."""
    articles = {pairs.passages[pair.passage].article for pair in pairs.pairs if not pair.answerable}
    return [pair for pair in pairs.pairs if pairs.passages[pair.passage].article in articles]


def _some(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """`limit` of them, evenly over their order; all for 0."""
    if not limit or limit >= len(pairs):
        return list(pairs)
    return [pairs[n * len(pairs) // limit] for n in range(limit)]
