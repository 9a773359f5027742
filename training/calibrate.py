"""python -m training calibrate: fits the numbers of chains/reader/files.Calibration, and says what they give.

    python -m training calibrate --out FOLDER --refusals SQUAD2_FILE --passages SQUAD_FILE [--limit N]

The file of refusals has questions that cannot be answered among others. The other file's passages are put in order.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chains.reader.files import Calibration, read, write
from ingest.errors import PagewiseError
from ingest.weights import DEFAULT
from training.reader import quiet_threads
from training.squad import NotSquad, Pair, Pairs, load

if TYPE_CHECKING:
    from training.measure import Reading
    from training.model import ReaderModel


_CANDIDATES = 10  # passages that are put in order for a question

def main(argv: Sequence[str]) -> int:
    """0: calibrated; 1: something failed; 2: wrong use. The figures go to the output as JSON."""
    whole = argparse.ArgumentParser(prog="python -m training calibrate", description=(__doc__ or "").splitlines()[0])
    whole.add_argument("--out", type=Path, required=True, help="the folder that `reader` wrote reader.safetensors into")
    whole.add_argument("--refusals", type=Path, required=True, help="a SQuAD 2.0 file that was not trained on")
    whole.add_argument("--passages", type=Path, required=True, help="a SQuAD file that was not trained on")
    whole.add_argument("--limit", type=int, default=0, help="questions of each to use, evenly chosen (all)")
    args = whole.parse_args(argv)
    quiet_threads()
    from training.model import ReaderModel, UnfitBase

    path = args.out / "reader.safetensors"
    try:
        kept = read(path)
        model = ReaderModel("" if kept.card.base == DEFAULT else kept.card.base, kept.card.rank)
        model.take(kept)
        calibration, figures = calibrated(
            model, kept.card.longest, load([args.refusals]), load([args.passages]), args.limit
        )
        write(path, replace(kept, card=replace(kept.card, calibration=calibration)))
    except (PagewiseError, NotSquad, UnfitBase, OSError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    print(json.dumps(figures, indent=1))
    return 0


def calibrated(
    model: "ReaderModel", longest: int, refusals: Pairs, passages: Pairs, limit: int = 0
) -> tuple[Calibration, dict[str, dict[str, float]]]:
    """The numbers, and what they give on the same questions."""
    from training.features import Row
    from training.fitting import (
        best_threshold,
        candidates,
        logistic,
        mixed,
        mixture,
        probabilities,
        recalls,
        refusal_figures,
    )
    from training.measure import exact, f1
    from training.measure import read as readings_of
    from training.mining import meaning

    def readings(asked: Sequence[tuple[str, str]]) -> "list[Reading]":
        return readings_of(model, [Row(*each) for each in asked], longest)

    doubtful = _some(refusals.pairs, limit)
    judged = readings([(pair.question, refusals.passages[pair.passage].text) for pair in doubtful])
    w = logistic(judged, doubtful)
    believed = probabilities(judged, w)
    threshold, _ = best_threshold(believed, judged, doubtful)

    sure = _some([pair for pair in passages.pairs if pair.answerable], limit)
    given = readings([(pair.question, passages.passages[pair.passage].text) for pair in sure])

    first = _some(list({pair.passage: pair for pair in reversed(passages.pairs)}.values()), limit)
    texts = [passage.text for passage in passages.passages]
    rows, asked = meaning(model, texts, longest), meaning(model, [pair.question for pair in first], longest)
    cands = candidates([p.question for p in first], [p.passage for p in first], texts, rows, asked, _CANDIDATES)
    flat = readings([(p.question, texts[place]) for p, c in zip(first, cands, strict=True) for place in c.places])
    ends = np.cumsum([0, *(len(c.places) for c in cands)])
    apart = [flat[a:b] for a, b in pairwise(ends)]
    fit, margin = mixture(cands, apart)

    calibration = Calibration(*w, threshold=threshold, mix_fit=fit, mix_margin=margin)
    before = recalls(cands, [c.retrieval for c in cands])
    after = recalls(cands, mixed(cands, apart, fit, margin))
    figures = {
        "refusals": {"questions": len(doubtful)} | refusal_figures(believed, judged, doubtful, threshold),
        "given_the_passage": {
            "questions": len(sure),
            "f1": 100 * float(np.mean([f1(r.text, p.golds) for r, p in zip(given, sure, strict=True)])),
            "em": 100 * float(np.mean([exact(r.text, p.golds) for r, p in zip(given, sure, strict=True)])),
        },
        "order": {"questions": len(first)}
        | dict(zip(("recall@1_without", "recall@5_without"), before, strict=True))
        | dict(zip(("recall@1", "recall@5"), after, strict=True)),
        "calibration": {name: float(value) for name, value in vars(calibration).items()},
    }
    return calibration, {
        name: {key: round(value, 4) for key, value in each.items()} for name, each in figures.items()
    }


def _some(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """`limit` of them, evenly over their order; all for 0."""
    if not limit or limit >= len(pairs):
        return list(pairs)
    return [pairs[n * len(pairs) // limit] for n in range(limit)]
