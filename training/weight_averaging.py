"""python -m training average: the mean of the weights of several runs, which is often better than each of them.

    python -m training average --of WEIGHTS WEIGHTS… --out FOLDER

Runs that begin from the same weights end in the same basin, and their mean nearer its bottom (Wortsman et al., Model
soups, 2022). The mean is of the adapters as they are, A and B by themselves: runs of one origin have them in the same
frame, and their product's mean would have twice the rank.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from chains.reader.checkpoint import INSTALLED, Array, Calibration, ReaderError, ReaderFile, read, write


def main(argv: Sequence[str]) -> int:
    """0: written; 1: a file could not be used, or they are not of one make; 2: wrong use."""
    whole = argparse.ArgumentParser(prog="python -m training average", description=(__doc__ or "").splitlines()[0])
    whole.add_argument("--of", nargs="+", type=Path, required=True, metavar="WEIGHTS", help="what `reader` wrote")
    whole.add_argument("--out", type=Path, required=True, help="the folder for reader.safetensors")
    args = whole.parse_args(argv)
    try:
        write(args.out / INSTALLED.name, mean([read(path) for path in args.of]))
    except (ReaderError, OSError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    return 0


def mean(readers: Sequence[ReaderFile]) -> ReaderFile:
    """Not calibrated yet. Raises ReaderError where they are not of one base, rank and make."""
    first = readers[0]
    for other in readers[1:]:
        if _make(other) != _make(first):
            raise ReaderError(name=first.card.base, detail="the weights are of different bases or ranks")

    def of(arrays: Sequence[Array]) -> Array:
        whole: Array = np.mean([array.astype(np.float32) for array in arrays], axis=0)
        return whole

    def all_of(maps: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        return {name: of([each[name] for each in maps]) for name in maps[0]}

    adapters = {
        name: (of([r.adapters[name][0] for r in readers]), of([r.adapters[name][1] for r in readers]))
        for name in first.adapters
    }
    card = replace(first.card, calibration=Calibration())
    return ReaderFile(card, adapters, all_of([r.replaced for r in readers]), all_of([r.heads for r in readers]))


def _make(reader: ReaderFile) -> tuple[object, ...]:
    shapes = {name: array.shape for name, array in (*reader.replaced.items(), *reader.heads.items())}
    shapes |= {name: (a.shape, b.shape) for name, (a, b) in reader.adapters.items()}
    return replace(reader.card, calibration=Calibration()), shapes
