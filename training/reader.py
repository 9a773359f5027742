"""python -m training reader: from files in the form of SQuAD to the reader's weights, in one command with a log.

    python -m training reader --data DIR_OR_FILES --out FOLDER [--base FOLDER_OR_HUB_ID] [--epochs N] [--seed N]

A run that was killed goes on with --resume as if it had not been. On CUDA where there is a card.
"""

import argparse
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from ingest.errors import PagewiseError

STEP = 27_000  # characters read in a step of windows of 256 tokens: about 28 passages of SQuAD with their questions
DEV = 400  # questions that are measured during the run


def main(argv: Sequence[str]) -> int:
    """0: trained; 1: something failed; 2: wrong use."""
    args = parser().parse_args(argv)
    quiet_threads()
    from training.model import UnfitBase
    from training.squad import NotSquad

    try:
        _train(args)
    except (PagewiseError, NotSquad, UnfitBase, OSError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m training reader", description=(__doc__ or "").splitlines()[0])
    whole.add_argument("--data", nargs="+", type=Path, required=True, help="SQuAD files, or folders of them")
    whole.add_argument("--out", type=Path, required=True, help="the folder for weights, log and checkpoint")
    whole.add_argument("--base", default="", help="a BERT or XLM-RoBERTa: folder or hub id (the installed one)")
    whole.add_argument("--start", type=Path, help="begin with these weights of a reader, not with the base alone")
    whole.add_argument("--epochs", type=float, default=2.0, help="times that each pair is read (%(default)s)")
    whole.add_argument("--short", type=float, default=0.5, help="share of the run with short windows (%(default)s)")
    whole.add_argument("--negatives", type=float, default=1.0, help="for each pair, in the rest (%(default)s)")
    whole.add_argument("--seed", type=int, default=7, help="(%(default)s)")
    whole.add_argument("--rate", type=float, default=1e-3, help="the learning rate (%(default)s)")
    whole.add_argument("--rank", type=int, default=64, help="of the adapters (%(default)s)")
    whole.add_argument("--longest", type=int, default=256, help="tokens read at once (%(default)s)")
    whole.add_argument("--share", action="append", default=[], metavar="FILE=PART", help="use only part of a file")
    whole.add_argument("--held-out", type=float, default=0.03, help="share kept to measure with (%(default)s)")
    whole.add_argument("--full", action="store_true", help="train all weights, without adapters, to compare")
    whole.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    return whole


def quiet_threads() -> None:
    """Before torch is there: the threads are those of training.train_loop.gradients, one for each half of a step."""
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _train(args: argparse.Namespace) -> None:
    import torch

    from chains.reader.checkpoint import read
    from training.curriculum import plan
    from training.hard_negatives import foreign, likeness, mined
    from training.model import ReaderModel
    from training.squad import files, held_out, load
    from training.train_loop import Run, train

    torch.manual_seed(args.seed)
    pairs, dev = held_out(load(files(args.data)), args.held_out)
    model = ReaderModel(args.base, args.rank, args.full)
    if args.start:
        model.take(read(args.start))
    run = Run(args.seed, args.rate, args.longest)
    hard = mined(pairs, model, args.out, args.longest)
    shares = {name: float(part) for name, _, part in (each.partition("=") for each in args.share)}
    size = STEP * args.longest // 256
    given = {"size": size, "shares": shares, "short": args.short, "negatives": args.negatives, "like": likeness(model)}
    steps = plan(pairs, hard, foreign(pairs), seed=args.seed, epochs=args.epochs, **given)
    rows = sum(unit.count for step in steps for unit in step.units)
    print(f"{len(pairs.pairs)} pairs, {len(steps)} steps, {rows} rows", flush=True)
    some = random.Random(args.seed).sample(dev.pairs, min(DEV, len(dev.pairs)))
    train(model, steps, (dev, some), run, args.out, resume=args.resume)
