"""The `pagewise` command: the same library and chains as the web app, for scripts and for people at a terminal.

Exit codes: 0 done, partly done or refused; 1 something failed, the JSON is still printed; 2 wrong use or a wrong
setting, nothing was begun; 130 stopped with Ctrl-C, what had come is printed.

What costs seconds to import (torch, Chroma) is imported inside the functions that need it, so that `--help` and a
mistyped option answer at once.
"""

import argparse
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, TextIO, TypeVar

from app.cli.arguments import OVERRIDES, parser
from app.cli.jsonl_input import INTERRUPTED, Line, each_line
from chains.errors import (
    AdapterUnfit,
    ExamplesError,
    ExtraMissing,
    KeyMissing,
    KeyRefused,
    PackageMissing,
    PriceUnknown,
    UnknownModel,
)
from ingest.errors import BlockedAddressError, PagewiseError
from ingest.terminal_text import protect_stderr, protect_stream
from settings import LoadedSettings, Settings, SettingsError, agree_to_files, inspect_settings

if TYPE_CHECKING:
    from chains.events import Answer, Event
    from chains.prompt import Language
    from ingest.store.library import Library

# What cannot be begun with, as a setting or an option has it. Of what was begun they are an answer's `error`.
WRONG_USE = (
    *(
        AdapterUnfit,
        BlockedAddressError,
        ExamplesError,
        ExtraMissing,
        KeyMissing,
        KeyRefused,
        PackageMissing,
        PriceUnknown,
        UnknownModel,
    ),
    SettingsError,
)

E = TypeVar("E")
R = TypeVar("R")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    with protect_stderr():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    top = parser()
    args = top.parse_args(argv)
    args.typed = list(sys.argv[1:] if argv is None else argv)
    if "file" in args and (args.question is None) == (args.file is None):
        top.error(f"{args.command} takes either a QUESTION or --from FILE.jsonl")
    if (getattr(args, "since", None) or 0) > (getattr(args, "until", None) or math.inf):
        top.error(f"--since {args.since} is after --until {args.until}")
    source = getattr(args, "file", None)
    if source not in (None, "-") and not (os.path.isfile(source) and os.access(source, os.R_OK)):
        top.error(f"--from {source}: there is no such file, or it cannot be read; a pipe is read with --from -")
    os.umask(0o077)  # what is written from here on is for this person alone
    # Progress bars and chatter of libraries are no part of our output; traces of questions are sent nowhere.
    os.environ.update(TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error", LANGSMITH_TRACING="false")
    warnings.filterwarnings("ignore", module=r"pydantic")  # of a server's odd usage: what it means is told by us
    overrides = {name: getattr(args, name, None) for name in OVERRIDES}
    try:
        loaded = inspect_settings(overrides)
        if args.command == "settings":
            return show_settings(args, loaded, overrides, sys.stdout)
        if loaded.problem is not None:
            raise loaded.problem
    except SettingsError as error:
        from app.settings_table import problem_line

        print(f"pagewise: {problem_line(error)}", file=sys.stderr)
        return 2
    settings = loaded.settings
    from app.cli.json_output import only_ours, write_json

    try:
        if args.command == "run":
            from app.web.launch import serve

            with redirect_stdout(protect_stream(sys.stdout)):
                return serve(settings)
        with only_ours() as out:
            try:
                return COMMANDS[args.command](args, settings, out)
            except WRONG_USE:
                raise
            except PagewiseError as error:
                if args.json or getattr(args, "file", None):
                    about = {name: getattr(args, name, None) for name in ("question", "document")}
                    write_json(out, {name: value for name, value in about.items() if value} | {"error": str(error)})
                print(f"pagewise: {error}", file=sys.stderr)
                return 1
    except PagewiseError as error:
        print(f"pagewise: {error}", file=sys.stderr)
        return 2 if isinstance(error, WRONG_USE) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        return 1


def show_settings(
    args: argparse.Namespace, loaded: LoadedSettings, overrides: Mapping[str, object], out: TextIO
) -> int:
    """Show the settings, also those that nothing may be begun with. Raises SettingsError."""
    from app.cli.json_output import write_json
    from app.settings_table import agreed_lines, problem_line, settings_json, settings_lines

    if args.trust:
        agree_to_files(loaded)
        for line in agreed_lines(loaded):
            print(f"· {line}", file=sys.stderr)
        loaded = inspect_settings(overrides)
    if args.json:
        write_json(out, settings_json(loaded))
    else:
        out.writelines(f"{line}\n" for line in settings_lines(loaded))
    if loaded.problem is not None:
        print(f"pagewise: {problem_line(loaded.problem)}", file=sys.stderr)
    return 0


def ingest(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.composition import library, limits
    from ingest.__main__ import run, run_options

    _tell_waiting(settings)
    how = run_options(args)
    return run(args.paths, lambda: library(settings, _aside), limits(settings), out=out, err=sys.stderr, **how)


def list_(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.cli.json_output import list_json, write_json
    from app.cli.terminal_output import list_lines
    from app.composition import library

    with library(settings, _aside) as lib:
        records = lib.records()
    if args.json:
        write_json(out, list_json(records))
    else:
        out.writelines(f"{line}\n" for line in list_lines(records))
    _tell_waiting(settings)
    return 0


def _tell_waiting(settings: Settings) -> None:
    """Say on stderr that uploads of the app were left before they were added."""
    from ingest.plural import some
    from ingest.store.incoming import list_waiting

    if left := list_waiting(settings.data / "incoming"):
        told = f"{some(len(left), 'uploaded file')}. The app's Library page adds or discards them."
        print(f"pagewise: not added yet: {told}", file=sys.stderr)


def health(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.cli.json_output import health_json, write_json
    from app.cli.terminal_output import health_lines
    from app.composition import library

    with library(settings, _aside) as lib:
        record = lib.find(args.document)
        pages = lib.pages(record.id)
    if args.json:
        write_json(out, health_json(record, pages))
    else:
        out.writelines(f"{line}\n" for line in health_lines(record, pages))
    return 0


def remove(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.cli.json_output import receipt_json, write_json
    from app.cli.terminal_output import receipt_line
    from app.composition import library

    with library(settings, _aside) as lib:
        receipt = lib.remove(lib.find(args.document).id)
    if args.json:
        write_json(out, receipt_json(receipt))
    else:
        out.write(receipt_line(receipt))
    return int(receipt.left > 0)


def repair(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.composition import library, limits
    from ingest.__main__ import run_repair

    def open_library() -> "Library":
        return library(settings)

    return run_repair(settings.data, open_library, limits(settings), as_json=args.json, out=out, err=sys.stderr)


def models(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.cli.json_output import write_json
    from app.model_discovery import offers_json, offers_lines, search
    from chains.models.remote.discovery import Offer

    offers = [Offer("extractive"), *search(settings)]
    if args.json:
        write_json(out, offers_json(offers))
    else:
        out.writelines(f"{line}\n" for line in offers_lines(offers))
    return 0


def search(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.cli.json_output import search_json, write_json
    from app.cli.terminal_output import passage_lines, why_line
    from app.composition import library, reranker
    from chains.retrieval.hybrid import Scope, find

    scope, second = Scope(args.pages, args.since, args.until), reranker(settings)
    with library(settings, _aside) as lib:

        def one(line: Line) -> tuple[dict[str, object], int]:
            found = find(line.question, lib, settings.passages, _ids(lib, line.documents), scope, second)
            return search_json(line.question, found, args.explain), 0

        if args.file is not None:
            return each_line(args.file, args.documents, out, one)
        if args.json:
            value, code = one(Line(1, None, args.question, args.documents))
            write_json(out, value)
            return code
        found = find(args.question, lib, settings.passages, _ids(lib, args.documents), scope, second)
        empty = not lib.records()
    if not found:
        out.write(
            "The library is empty. Add PDFs: pagewise ingest FILE_OR_FOLDER\n" if empty else "Nothing was found.\n"
        )
    for n, one_found in enumerate(found, 1):
        out.writelines(f"{line}\n" for line in passage_lines(one_found.passage, n))
        if args.explain:
            out.write(f"   {why_line(one_found)}\n")
    return 0


def ask(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.cli.json_output import answer_json, write_json
    from app.cli.terminal_output import Screen
    from app.composition import library, model, reranker, speeds, spending, ways
    from chains import answer as chains
    from chains.events import Answer
    from chains.options import Ways
    from chains.partial_answer import cut_short
    from chains.retrieval.hybrid import Scope

    chain, second, plain = args.chain or settings.chain, reranker(settings), ways(settings)
    with library(settings, _aside) as lib:
        mind = model(settings, lib.embedder)
        terms = spending(settings, lib, mind.name, speeds(settings), args.again, told=_aside)

        def way(line: Line) -> Ways:
            step_back, think = line.ways.get("step_back", plain.step_back), line.ways.get("think", plain.think)
            return Ways(step_back, think, line.ways.get("split", plain.parts), plain.examples)

        def events(line: Line) -> "Iterator[Event]":
            return chains.ask(
                line.question,
                lib,
                mind,
                chain=chain,
                k=settings.passages,
                documents=_ids(lib, line.documents),
                scope=Scope(args.pages, args.since, args.until),
                reranker=second,
                language=_language(settings),
                rerank=settings.rerank,
                ways=way(line),
                spending=terms,
            )

        def cut(line: Line) -> "Callable[[Sequence[Event], float], Answer]":
            return lambda seen, seconds: cut_short(seen, line.question, chain, mind.name, seconds)

        def one(line: Line) -> tuple[dict[str, object], int]:
            answer = _follow(events(line), lambda event: None, Answer, cut(line))
            return answer_json(line.question, answer), _code(answer)

        if args.file is not None:
            return each_line(args.file, args.documents, out, one)
        screen = Screen(None if args.json else out, sys.stderr)
        line = Line(1, None, args.question, args.documents)
        answer = _follow(events(line), screen.show, Answer, cut(line))
        if args.json:
            write_json(out, answer_json(args.question, answer))
        screen.finish(answer, args.typed)
        return _code(answer)


def compare(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.cli.compare_output import Board, comparison_json
    from app.cli.json_output import write_json
    from app.composition import library, model, reranker, speeds, spending, ways
    from chains import compare as chains
    from chains.retrieval.hybrid import Scope

    second, way = reranker(settings), ways(settings)
    with library(settings, _aside) as lib:
        mind = model(settings, lib.embedder)
        terms = spending(settings, lib, mind.name, speeds(settings), args.again, told=_aside)
        board = Board(None if args.json else out, sys.stderr)
        events = chains.compare(
            args.question,
            lib,
            mind,
            k=settings.passages,
            documents=_ids(lib, args.documents),
            scope=Scope(args.pages, args.since, args.until),
            reranker=second,
            language=_language(settings),
            rerank=settings.rerank,
            ways=way,
            spending=terms,
        )
        comparison = _follow(
            events,
            board.show,
            chains.Comparison,
            lambda seen, seconds: chains.cut_short(seen, args.question, mind.name, seconds),
        )
        if args.json:
            write_json(out, comparison_json(comparison))
        board.finish(comparison)
        return INTERRUPTED if comparison.stopped else max(_code(answer) for answer in comparison.answers)


def summarize(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app.cli.cost_output import plan_json, plan_text
    from app.cli.json_output import summary_json, write_json
    from app.cli.terminal_output import Screen
    from app.composition import library, model, speeds, spending
    from chains import answer as chains
    from chains.events import Answer
    from chains.partial_answer import cut_short

    with library(settings, _aside) as lib:
        record = lib.find(args.document)
        mind = model(settings, lib.embedder)
        terms = spending(settings, lib, mind.name, speeds(settings), args.again, told=_aside)
        language = _language(settings)
        if args.plan:
            found = chains.plans(record.id, lib, mind, chains=[args.chain], language=language, spending=terms)
            plan = found[args.chain]
            if isinstance(plan, PagewiseError):
                raise plan
            if args.json:
                write_json(out, plan_json(record.name, args.chain, mind.name, plan))
            else:
                out.write(f"{record.name}, {args.chain}, {mind.name}: {plan_text(plan)}\n")
            return 0
        screen = Screen(None if args.json else out, sys.stderr)
        events = chains.summarize(record.id, lib, mind, chain=args.chain, language=language, spending=terms)
        answer = _follow(
            events,
            screen.show,
            Answer,
            lambda seen, seconds: cut_short(seen, record.title, args.chain, mind.name, seconds),
        )
        if args.json:
            write_json(out, summary_json(record.name, answer))
        screen.finish(answer, args.typed)
        return _code(answer)


def prices(args: argparse.Namespace, settings: Settings, out: TextIO) -> int:
    from app import price_table
    from app.cli.cost_output import prices_json, prices_lines
    from app.cli.json_output import write_json

    file = price_table.place(settings.data)
    if args.init:
        there = file.exists()
        if not there:
            price_table.write(file, ())
        print(f"· {file} {'is there already; nothing was changed' if there else 'was written'}", file=sys.stderr)
    rows = price_table.read(file)
    if args.json:
        write_json(out, prices_json(file, rows))
    else:
        out.writelines(f"{line}\n" for line in prices_lines(file, rows))
    return 0


def _aside(error: PagewiseError) -> None:
    print(f"pagewise: {error}", file=sys.stderr)


def _language(settings: Settings) -> "Language | None":
    return None if settings.language == "auto" else settings.language


def _ids(lib: "Library", names: Sequence[str] | None) -> list[str] | None:
    """The documents' ids; None where all are meant. Raises UnknownDocument, AmbiguousDocument."""
    return None if names is None else [lib.find(name).id for name in names]


def _code(answer: "Answer") -> int:
    return INTERRUPTED if answer.stopped else 1 if answer.error else 0


def _follow(
    events: Iterator[E], show: Callable[[E], None], last: type[R], cut_short: Callable[[Sequence[E], float], R]
) -> R:
    """Show each event and return the last; after Ctrl-C the model's work is ended, and what had come is cut short."""
    seen: list[E] = []
    started = time.monotonic()
    try:
        for event in events:
            seen.append(event)
            show(event)
            if isinstance(event, last):
                return event
    except KeyboardInterrupt:
        pass
    finally:
        if isinstance(events, Generator):
            events.close()
    return cut_short(seen, time.monotonic() - started)


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Settings, TextIO], int]] = {
    "ingest": ingest,
    "list": list_,
    "health": health,
    "remove": remove,
    "repair": repair,
    "models": models,
    "search": search,
    "ask": ask,
    "compare": compare,
    "summarize": summarize,
    "prices": prices,
}


if __name__ == "__main__":
    sys.exit(main())
