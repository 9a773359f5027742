"""python -m training calibrate: fits the numbers of chains/reader/checkpoint.Calibration, and says what they give.

    python -m training calibrate --out FOLDER --data FILES --refusals SQUAD2_FILE --passages SQUAD_FILE [--limit N]

The curve is fitted to what the training held out of its data and to negatives that are made of it; the weights of the
signs to the questions of the data that people wrote to be unanswerable and to the others of their articles; the
threshold to the file of refusals, which has questions that cannot be answered among others. The last file is only
measured with. All is read as the program reads.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from chains.reader.checkpoint import Calibration, Signs, read, write
from chains.reader.neural import TrainedReader
from ingest.embedding.model_files import DEFAULT
from ingest.errors import PagewiseError
from training.reader import quiet_threads
from training.squad import NotSquad, Pair, Pairs, files, held_out, load

if TYPE_CHECKING:
    from training.features import Row
    from training.negatives import Likeness
    from training.qa_metrics import Reading

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
    from training.hard_negatives import likeness
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

    `pairs`: what was trained on, for the weights of the signs; `apart`: for the curve; `refusals`: for the threshold;
    of these and of `passages` `limit` questions, all for 0. Raises ReaderError.

    The signs are a second witness beside the reader: what they say by themselves of the questions that people wrote is
    added to the reader's logit, nearness less its mean. Fitted with the reader on what that was trained on they would
    get nothing. The margin gets half of what a fit gives it: it tells best what is off the matter, and worst what only
    seems to answer, of which made negatives are a poor likeness.
    """
    from training.features import Row
    from training.logistic_fit import best_threshold, logistic, probabilities, refusal_figures
    from training.qa_metrics import Reading, exact, f1

    def looked(rows: "Sequence[Row]") -> "tuple[list[Reading], list[Signs]]":
        found: list[Reading] = []
        signs: list[Signs] = []
        for row in rows:
            (look,) = reader.look(row.question, [row.passage])
            signs += reader.signs(row.question, [row.passage], [look])
            found.append(Reading(look.said(row.passage), max(look.margin, _LEAST), look.answers, look.fit))
        return found, signs

    def rows(pairs: Pairs, chosen: Sequence[Pair]) -> "list[Row]":
        return [Row(pair.question, pairs.passages[pair.passage].text) for pair in chosen]

    both = _with_negatives(like, apart)
    held, usual = looked(both)
    right = [row.end > row.start for row in both]
    alone, level = logistic([(one.answers,) for one in held], right)
    w_answers, w_margin, bias = logistic([(one.answers, one.margin) for one in held], right)
    calibration = Calibration((alone + w_answers) / 2, w_margin / 2, bias=(level + bias) / 2)
    by_people = beside_unanswerable(pairs)
    _, signs = looked(rows(pairs, by_people))
    if signs:
        near, differs, reworded, _ = logistic([astuple(one) for one in signs], [pair.answerable for pair in by_people])
        bias = calibration.bias - near * fmean(one.near for one in usual)
        calibration = replace(calibration, w_near=near, w_differs=differs, w_reworded=reworded, bias=bias)

    doubtful = _some(refusals.pairs, limit)
    judged, seen = looked(rows(refusals, doubtful))
    believed = probabilities(judged, seen, calibration)
    threshold, _ = best_threshold(believed, judged, doubtful)

    sure = _some([pair for pair in passages.pairs if pair.answerable], limit)
    given, _ = looked(rows(passages, sure))

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
    from training.curriculum import plan
    from training.hard_negatives import foreign

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
