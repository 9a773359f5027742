"""The ingest script, `python -m ingest PATH…`; `pagewise ingest` runs the same. stdout: the results; stderr: progress.

Exit codes: 0 done or partly done; 1 a file or the library failed, the JSON still printed; 2 wrong use, nothing was
begun; 130 stopped with Ctrl-C, what had been done is printed and kept.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import TextIO

from ingest.embed import open_embedder
from ingest.errors import PagewiseError
from ingest.library import Library
from ingest.pipeline import Progress, Result, Upload, find_pdfs, ingest
from ingest.worker import Limits
from settings import SettingsError, load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command, for every parser that offers it."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="PDF files, and folders with PDFs in them")
    parser.add_argument("--json", action="store_true", help="print one JSON value and nothing else")
    parser.add_argument("--data", metavar="DIR", help="the library's folder (else PAGEWISE_DATA)")


def run(
    paths: Sequence[Path],
    open_library: Callable[[], Library],
    limits: Limits,
    *,
    as_json: bool,
    out: TextIO,
    err: TextIO,
) -> int:
    """Takes the files in and tells how it goes; returns the exit code. The library is opened and closed here."""
    started = time.monotonic()
    try:
        files = find_pdfs(paths)
    except PagewiseError as error:
        print(f"pagewise: {error}", file=err)
        return 2
    if not files:
        print("No PDFs were found there.", file=err)
    results: list[Result] = []
    code = 0
    try:
        with open_library() as library:
            _follow(files, library, limits, results, err)
    except PagewiseError as error:  # the library as a whole: each file that is left failed of it
        print(f"pagewise: {error}", file=err)
        left = files[len(results) :]
        results += [Result(upload.name, "", "failed", 0, (), 0, str(error), error) for upload in left]
        code = 1
    except KeyboardInterrupt:
        print("Stopped. What was added is kept; run it again for the rest.", file=err)
        code = 130
    code = code or int(any(result.status == "failed" for result in results))
    seconds = round(time.monotonic() - started, 3)
    if as_json:
        json.dump({"documents": [_json(result) for result in results], "seconds": seconds}, out, ensure_ascii=False)
        out.write("\n")
    else:
        out.write(_summary(results, seconds))
    out.flush()
    return code


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ingest", description="Add PDFs to the library.")
    add_arguments(parser)
    args = parser.parse_args(argv)
    os.environ.update(TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error")  # progress bars of libraries are not ours
    try:
        settings = load_settings({"data": args.data})
    except SettingsError as error:
        print(f"pagewise: {error}", file=sys.stderr)
        return 2

    def open_library() -> Library:
        key = settings.api_key.get_secret_value()
        embedder = open_embedder(settings.embedder, api_base=settings.api_base, api_key=key)
        return Library(settings.data, embedder, settings.chroma_url)

    limits = Limits(
        file_mb=settings.max_file_mb,
        pages=settings.max_pages,
        page_seconds=settings.page_seconds,
        file_seconds=settings.file_seconds,
        worker_mb=settings.worker_mb,
        text_mb=settings.max_text_mb,
    )
    out = sys.stdout
    with redirect_stdout(sys.stderr):  # what a library prints is no result
        return run(args.paths, open_library, limits, as_json=args.json, out=out, err=sys.stderr)


def _follow(files: Iterable[Upload], library: Library, limits: Limits, results: list[Result], err: TextIO) -> None:
    """Runs the ingest; each result goes into `results` and is a line on `err`; on a terminal, progress before it."""
    live = err.isatty()
    with closing(ingest(files, library, limits)) as events:
        for event in events:
            if isinstance(event, Result):
                results.append(event)
                print(f"{_CLEAR if live else ''}{_line(event)}", file=err, flush=True)
            elif live:
                print(f"{_CLEAR}{_progress(event)}", end="", file=err, flush=True)


_CLEAR = "\r\x1b[K"  # back to the start of the line, and empty it


def _progress(event: Progress) -> str:
    of = {"reading": "pages", "embedding": "passages", "storing": "documents"}[event.stage]
    return f"{event.name}: {event.stage}, {event.done} of {event.total} {of}"[:100]


def _line(result: Result) -> str:
    counts = f", {some(result.pages, 'page')}, {some(result.chunks, 'passage')}" if result.chunks else ""
    return f"{result.name}: {result.status}{counts}{'. ' + result.reason if result.reason else ''}"


def _summary(results: Sequence[Result], seconds: float) -> str:
    counts = {status: sum(result.status == status for result in results) for status in _STATUSES}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "nothing to do"
    return f"{some(len(results), 'file')} in {seconds:.1f} s: {told}.\n"


def some(number: int, what: str) -> str:
    """ "1 page", "2 pages"."""
    return f"{number} {what}" + ("" if number == 1 else "s")


_STATUSES = ("added", "partial", "already there", "failed")


def _json(result: Result) -> dict[str, object]:
    return {
        "document": result.name,
        "id": result.id,
        "status": result.status,
        "pages": result.pages,
        "pages_without_text": len(result.without_text),
        "without_text": list(result.without_text),
        "chunks": result.chunks,
        **({"reason": result.reason} if result.reason else {}),
    }


if __name__ == "__main__":
    sys.exit(main())
