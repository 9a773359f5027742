"""How well Pagewise does its work, over a set of questions that is given.

    python -m evals retrieval --questions FILE [--pdfs DIR]    how often the right page and document are found
    python -m evals answers --questions FILE [--pdfs DIR]      how good the answers, their citations and refusals are
    python -m evals reader --questions FILE                    what the reader finds in the right passage
    python -m evals spans --questions FILE [--pdfs DIR]        given the passage: the answer's own words, a table's cell

The settings are those of the program, so PAGEWISE_EMBEDDER=… measures another embedder.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.arguments import CHAINS
from ingest.errors import PagewiseError
from settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from evals.datasets import Question
    from ingest.document import Document
    from ingest.pdf.sandbox import Limits
    from ingest.store.library import Library

MODES = {"all": False, "one": True}


@dataclass(frozen=True)
class Measured:
    """What one kind of evaluation found."""

    about: dict[str, object]  # beside the size of the set
    value: dict[str, object]  # as JSON
    table: str
    broken: int = 0  # answers that broke off


def main(argv: Sequence[str] | None = None) -> int:
    """0: measured; 1: something failed, or not every PDF could be read; 2: wrong use."""
    args = parser().parse_args(argv)
    # No progress bars in the output; traces of questions are sent nowhere.
    os.environ.update(TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error", LANGSMITH_TRACING="false")
    try:
        settings = load_settings({name: getattr(args, name, None) for name in ("data", "model", "rerank")})
    except SettingsError as error:
        print(f"evals: {error}", file=sys.stderr)
        return 2
    from app.cli.json_output import only_ours, write_json
    from app.composition import library as open_library
    from app.composition import limits
    from evals.datasets import NoQuestions, read, sample
    from evals.eval_library import fill

    try:
        with only_ours() as out, contextlib.ExitStack() as stack:
            questions, documents = read(args.questions, args.per_passage, unanswerable=args.unanswerable)
            if not questions or bool(documents) == bool(args.pdfs):
                none = "no question" if args.unanswerable else "no answerable question"
                detail = none if not questions else "PDFs go with questions.jsonl, and only with it"
                raise NoQuestions(file=args.questions, detail=detail)
            questions = sample(questions, args.limit, args.seed)
            if args.kind in ("reader", "spans"):  # given the passage: without a library
                found = (
                    reader(settings, questions, documents)
                    if args.kind == "reader"
                    else spans(questions, documents, args.pdfs, limits(settings))
                )
                if args.json:
                    write_json(out, found.about | found.value)
                else:
                    out.write(", ".join(f"{name}: {value}" for name, value in found.about.items()) + "\n\n")
                    out.write(found.table + "\n")
                return 0
            if args.data is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                settings = settings.model_copy(update={"data": folder})
            library = stack.enter_context(open_library(settings))
            # A model that cannot be used is said before the documents are put in, which may take an hour.
            measure: Measure = args.prepare(args, settings, library)
            failed = fill(library, documents, args.pdfs, limits(settings))
            records = library.records()
            measured = measure(questions)
            size = {
                "questions": len(questions),
                "documents": len(records),
                "pages": sum(record.pages for record in records),
                "chunks": sum(record.chunks for record in records),
                "embedder": settings.embedder,
                **measured.about,
            }
            if args.json:
                write_json(out, {**size, **measured.value, "failed": failed})
            else:
                out.write(", ".join(f"{name}: {value}" for name, value in size.items()) + "\n\n")
                out.write(measured.table + "\n")
            for line in failed:
                print(f"evals: not read: {line}", file=sys.stderr)
            return 1 if failed or measured.broken else 0
    except PagewiseError as error:
        print(f"evals: {error}", file=sys.stderr)
        return 1


Measure = Callable[[Sequence["Question"]], Measured]


def retrieval(args: argparse.Namespace, settings: Settings, library: "Library") -> Measure:
    from app.composition import reranker
    from evals import retrieval

    second = reranker(settings)

    def measure(questions: "Sequence[Question]") -> Measured:
        outcomes = {mode: retrieval.evaluate(questions, library, MODES[mode], second) for mode in args.modes or MODES}
        return Measured({}, retrieval.as_json(outcomes), retrieval.table(outcomes))

    return measure


def answers(args: argparse.Namespace, settings: Settings, library: "Library") -> Measure:
    from app.composition import model, reranker
    from evals import answers

    language = None if settings.language == "auto" else settings.language
    mind, second = model(settings, library.embedder), reranker(settings)
    asked = answers.Asked(mind, settings.passages, second, language, settings.rerank)

    def measure(questions: "Sequence[Question]") -> Measured:
        modes = {mode: MODES[mode] for mode in args.modes or MODES}
        outcomes = answers.evaluate(questions, library, asked, args.chains or CHAINS, modes)
        about = {"unanswerable": sum(not question.answerable for question in questions), "model": asked.model.name}
        broken = sum(found.broken for each in outcomes.values() for found in each.values())
        return Measured(about, answers.as_json(outcomes), answers.table(outcomes), broken)

    return measure


def reader(settings: Settings, questions: "Sequence[Question]", documents: "Sequence[Document]") -> Measured:
    from app.composition import readers
    from evals import reader

    known = sum(question.answerable for question in questions)
    about = {"questions": len(questions), "unanswerable": len(questions) - known, "reader": settings.reader}
    found = reader.evaluate(questions, documents, readers(settings))
    return Measured(about, reader.as_json(found), reader.table(found))


def spans(
    questions: "Sequence[Question]", documents: "Sequence[Document]", pdfs: Path | None, limits: "Limits"
) -> Measured:
    """Without a library: each question with the passage, or the pages, that it is about."""
    from evals import span_eval
    from evals.eval_library import pages

    figures = (
        span_eval.cells(questions, pages(questions, pdfs, limits)) if pdfs else span_eval.words(questions, documents)
    )
    return Measured({"questions": len(questions)}, span_eval.as_json(figures), span_eval.table(figures))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m evals", description="Measure how well Pagewise does its work.")
    kinds = top.add_subparsers(dest="kind", metavar="KIND", required=True)
    about = "how often the right page and the right document are found"
    _kind(kinds.add_parser("retrieval", help=about), retrieval, unanswerable=False)
    about = "how good the answers, their citations and the refusals are"
    one = _kind(kinds.add_parser("answers", help=about), answers, unanswerable=True)
    one.add_argument("--model", metavar="SPEC", help="extractive, openai:<model>, local:<folder> (else PAGEWISE_MODEL)")
    one.add_argument("--rerank", choices=("answer", "score"), help="how map_rerank weighs (else PAGEWISE_RERANK)")
    one.add_argument("--chain", choices=CHAINS, action="append", dest="chains", help="this one; again for more (all)")
    about = "how often the reader finds the words that answer, given the passage, and knows when there are none"
    one = kinds.add_parser("reader", help=about)
    one.add_argument("--questions", type=Path, required=True, metavar="FILE", help="SQuAD's JSON")
    _sampled(one, 0, unanswerable=True)
    one.set_defaults(unanswerable=True, pdfs=None)
    about = "given the passage, how often the answer's own words, or the cell of a table, are found"
    given = _kind(kinds.add_parser("spans", help=about), None, unanswerable=False)
    given.set_defaults(per_passage=0)
    return top


def _kind(
    one: argparse.ArgumentParser, prepare: Callable[..., Measure] | None, unanswerable: bool
) -> argparse.ArgumentParser:
    """With the options of a kind with a library. `unanswerable`: it takes the questions that have no answer, too."""
    one.add_argument("--questions", type=Path, required=True, metavar="FILE", help="SQuAD's JSON, or questions.jsonl")
    one.add_argument("--pdfs", type=Path, metavar="DIR", help="the PDFs that questions.jsonl is about")
    one.add_argument("--data", metavar="DIR", help="keep the library here, and use it again (else made for this run)")
    _sampled(one, 1, unanswerable)
    one.add_argument(
        "--searched",
        choices=tuple(MODES),
        action="append",
        dest="modes",
        help="all documents, or the right one alone (both)",
    )
    one.set_defaults(prepare=prepare, unanswerable=unanswerable)
    return one


def _sampled(one: argparse.ArgumentParser, of_each: int, unanswerable: bool) -> None:
    """Which of the questions, and how the figures are printed."""
    about = f"questions of a SQuAD passage ({of_each}); 0: all"
    about += "; as many unanswerable ones again" if unanswerable else ""
    one.add_argument("--per-passage", type=_count, default=of_each, metavar="N", help=about)
    one.add_argument("--limit", type=_count, default=0, metavar="N", help="so many questions, by chance (all)")
    one.add_argument("--seed", type=int, default=0, metavar="S", help="of that chance (0); the same gives the same")
    one.add_argument("--json", action="store_true", help="print one JSON value and nothing else")


def _count(argument: str) -> int:
    """A whole number from 0."""
    if not argument.isdecimal():
        raise argparse.ArgumentTypeError("it is no whole number from 0")
    return int(argument)


if __name__ == "__main__":
    sys.exit(main())
