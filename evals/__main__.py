"""`python -m evals retrieval --questions FILE [--pdfs DIR]`: how often the right page and document are found.

The settings are those of the program, so PAGEWISE_EMBEDDER=… measures another embedder.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ingest.errors import PagewiseError
from settings import SettingsError, load_settings

MODES = {"all": False, "one": True}


def main(argv: Sequence[str] | None = None) -> int:
    """0: measured; 1: something failed, or not every PDF could be read; 2: wrong use."""
    args = parser().parse_args(argv)
    os.environ.update(TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error")
    try:
        settings = load_settings({"data": args.data})
    except SettingsError as error:
        print(f"evals: {error}", file=sys.stderr)
        return 2
    from app.output import only_ours, write_json
    from app.wiring import library as open_library
    from app.wiring import limits
    from evals import retrieval
    from evals.questions import NoQuestions, read
    from evals.shelf import fill

    try:
        with only_ours() as out, contextlib.ExitStack() as stack:
            questions, documents = read(args.questions, args.per_passage)
            if not questions or bool(documents) == bool(args.pdfs):
                detail = "no answerable question" if not questions else "PDFs go with questions.jsonl, and only with it"
                raise NoQuestions(file=args.questions, detail=detail)
            if args.data is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                settings = settings.model_copy(update={"data": folder})
            library = stack.enter_context(open_library(settings))
            failed = fill(library, documents, args.pdfs, limits(settings))
            records = library.records()
            size = {
                "questions": len(questions),
                "documents": len(records),
                "pages": sum(record.pages for record in records),
                "chunks": sum(record.chunks for record in records),
                "embedder": settings.embedder,
            }
            outcomes = {mode: retrieval.evaluate(questions, library, MODES[mode]) for mode in args.modes or MODES}
            if args.json:
                write_json(out, {**size, **retrieval.as_json(outcomes), "failed": failed})
            else:
                out.write(", ".join(f"{name}: {value}" for name, value in size.items()) + "\n\n")
                out.write(retrieval.table(outcomes) + "\n")
            for line in failed:
                print(f"evals: not read: {line}", file=sys.stderr)
            return 1 if failed else 0
    except PagewiseError as error:
        print(f"evals: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m evals", description="Measure how well Pagewise does its work.")
    kinds = top.add_subparsers(dest="kind", metavar="KIND", required=True)
    one = kinds.add_parser("retrieval", help="how often the right page and the right document are found")
    one.add_argument("--questions", type=Path, required=True, metavar="FILE", help="SQuAD's JSON, or questions.jsonl")
    one.add_argument("--pdfs", type=Path, metavar="DIR", help="the PDFs that questions.jsonl is about")
    one.add_argument("--data", metavar="DIR", help="keep the library here, and use it again (else made for this run)")
    one.add_argument("--per-passage", type=int, default=1, metavar="N", help="questions of a SQuAD passage (1); 0: all")
    one.add_argument(
        "--searched",
        choices=tuple(MODES),
        action="append",
        dest="modes",
        help="all documents, or the right one alone (both)",
    )
    one.add_argument("--json", action="store_true", help="print one JSON value and nothing else")
    return top


if __name__ == "__main__":
    sys.exit(main())
