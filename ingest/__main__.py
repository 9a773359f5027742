"""The ingest script, `python -m ingest PATH…`; `pagewise ingest` runs the same. stdout: the results; stderr: progress.

Exit codes: 0 done or partly done; 1 a file or the library failed, the JSON still printed; 2 wrong use, nothing was
begun; 130 stopped with Ctrl-C, what had been done is printed and kept.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from ingest.cli_options import add_arguments
from ingest.embedding.embedder import open_embedder
from ingest.errors import EmptiedFolder, FileUnreadable, Notice, OutsideLinkError, PagewiseError, UnlistedFilesNotice
from ingest.pdf.decrypt import read_passwords
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Progress, Result, find_pdfs
from ingest.plural import some
from ingest.repair import replace_damaged_catalogue, take_in_unlisted_files
from ingest.store.library import Library
from ingest.sync.folder import Folder, Removed
from ingest.sync.watch import CannotWatch, changes
from ingest.terminal_text import CLEAR_LINE, dump_json, protect_stderr, protect_stream
from settings import SettingsError, load_settings


@dataclass
class Batch:
    """What was done since `started` (monotonic clock)."""

    started: float = field(default_factory=time.monotonic)
    results: list[Result] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)


def run(
    paths: Sequence[Path],
    open_library: Callable[[], Library],
    limits: Limits,
    *,
    as_json: bool,
    out: TextIO,
    err: TextIO,
    prune: bool = False,
    watch: bool = False,
    password_file: Path | None = None,
    follow_links: bool = False,
) -> int:
    """Takes the files in and tells how it goes; returns the exit code. The library is opened and closed here.

    `watch`: goes on with what changes, a batch at a time, each told on `out`, until Ctrl-C.
    """
    batch = Batch()
    left_out: set[Path] = set()

    def tell_left_out(link: Path) -> None:
        if link not in left_out:  # once, however often the folders are looked through
            left_out.add(link)
            print(f"pagewise: {OutsideLinkError(link=link)}", file=err, flush=True)

    try:
        files = find_pdfs(paths, follow_links, tell_left_out)
        passwords = read_passwords(password_file) if password_file else []
    except PagewiseError as error:
        print(f"pagewise: {error}", file=err)
        return 2
    if not files:
        print("No PDFs were found there.", file=err)
    code = 0
    try:
        with open_library() as library:
            folder = Folder(paths, library, limits, prune=prune, patient=watch, passwords=passwords)
            _follow(folder.sync(files), batch, err)
            if watch:
                # Taken out before it is told: a Ctrl-C meanwhile tells it no second time.
                ended, batch = batch, Batch()
                _tell(ended, as_json, out)
                for changed in _changes(paths, err):
                    if changed or folder.waiting:
                        try:
                            files = find_pdfs(paths, follow_links, tell_left_out)
                            _follow(folder.sync(files), batch, err)
                        except (FileUnreadable, EmptiedFolder) as error:  # it went this moment, or may come back
                            print(f"pagewise: {error}", file=err, flush=True)
                    ended, batch = batch, Batch()
                    if ended.results or ended.removed:
                        _tell(ended, as_json, out)
    except PagewiseError as error:  # the library as a whole: each file that is left failed of it
        print(f"pagewise: {error}", file=err)
        left = files[len(batch.results) :] if not watch else []
        batch.results += [Result(upload.name, "", "failed", 0, (), 0, str(error), error) for upload in left]
        code = 1
    except KeyboardInterrupt:
        print("Stopped. What was added is kept; run it again for the rest.", file=err)
        code = 130
    code = code or int(any(result.status == "failed" for result in batch.results))
    if not watch or batch.results or batch.removed:
        _tell(batch, as_json, out)
    return code


def run_repair(
    data: Path, open_library: Callable[[], Library], limits: Limits, *, as_json: bool, out: TextIO, err: TextIO
) -> int:
    """Makes the library in `data` whole again and tells how it goes; returns the exit code."""
    batch, aside, code = Batch(), None, 0
    try:
        replaced = replace_damaged_catalogue(data)
        if replaced is not None:
            aside = replaced.aside
            where = f"; the damaged one is kept as {aside}" if aside else ""
            print(f"The catalogue is made anew{where}. The stored PDFs are read again.", file=err)
        with open_library() as library:
            _follow(take_in_unlisted_files(library, limits), batch, err)
            library.check_vectors()
            for notice in library.notices.list_all():
                if not isinstance(notice, UnlistedFilesNotice):  # they have just been taken in
                    print(f"pagewise: {notice}", file=err)
    except PagewiseError as error:
        print(f"pagewise: {error}", file=err)
        code = 1
    except KeyboardInterrupt:
        print("Stopped. Nothing is lost; run `pagewise repair` again for the rest.", file=err)
        code = 130
    code = code or int(any(result.status == "failed" for result in batch.results))
    _tell(batch, as_json, out, {"catalogue_kept_as": str(aside) if aside else None})
    return code


def main(argv: Sequence[str] | None = None) -> int:
    with protect_stderr():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ingest", description="Add PDFs to the library.")
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON value and nothing else")
    parser.add_argument("--data", metavar="DIR", help="the library's folder (else PAGEWISE_DATA)")
    args = parser.parse_args(argv)
    os.umask(0o077)  # what is written from here on is for this person alone
    os.environ.update(TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error")  # progress bars of libraries are not ours
    try:
        settings = load_settings({"data": args.data})
    except SettingsError as error:
        print(f"pagewise: {error}", file=sys.stderr)
        return 2

    def open_library() -> Library:
        key = settings.api_key.get_secret_value()
        allow = settings.allow_link_local == "on"
        embedder = open_embedder(settings.embedder, api_base=settings.api_base, api_key=key, allow_link_local=allow)

        def tell(notice: Notice) -> None:
            print(f"pagewise: {notice}")

        return Library(settings.data, embedder, settings.chroma_url, tell, allow_link_local=allow)

    limits = Limits(
        file_mb=settings.max_file_mb,
        pages=settings.max_pages,
        page_seconds=settings.page_seconds,
        file_seconds=settings.file_seconds,
        worker_mb=settings.worker_mb,
        text_mb=settings.max_text_mb,
        ocr=settings.ocr == "auto",
        ocr_seconds=settings.ocr_seconds,
    )
    out = protect_stream(sys.stdout)
    with redirect_stdout(sys.stderr):  # what a library prints is no result
        return run(args.paths, open_library, limits, out=out, err=sys.stderr, **run_options(args))


def run_options(args: argparse.Namespace) -> dict[str, Any]:
    """What `run` takes, from the options of `add_arguments`."""
    return {
        "as_json": args.json,
        "prune": args.prune,
        "watch": args.watch,
        "password_file": args.password_file,
        "follow_links": args.follow_links,
    }


def _changes(paths: Sequence[Path], err: TextIO) -> Iterator[bool]:
    """Those under `paths`, a first one at once; where a path goes away, it is waited for until it is back.

    Raises CannotWatch, KeyboardInterrupt.
    """
    while True:
        yield True  # for what changed before the watching began
        try:
            for changed in changes(paths):
                if not all(path.exists() for path in paths):
                    break
                yield changed
        except CannotWatch:
            if all(path.exists() for path in paths):
                raise
        for path in paths:
            if not path.exists():
                print(f"pagewise: {path} has gone. Nothing is removed; it is waited for.", file=err, flush=True)
        while not all(path.exists() for path in paths):
            time.sleep(_LOOK_SECONDS)


def _follow(events: Iterable[Progress | Result | Removed], batch: Batch, err: TextIO) -> None:
    """Runs the sync; what ended goes into `batch` and is a line on `err`; on a terminal, progress before it."""
    live = err.isatty()
    with closing(events) as events:  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Progress):
                if live:
                    err.write(CLEAR_LINE)
                    print(_progress(event), end="", file=err, flush=True)
                continue
            if isinstance(event, Result):
                batch.results.append(event)
            else:
                batch.removed.append(event)
            if live:
                err.write(CLEAR_LINE)
            print(_line(event), file=err, flush=True)


_LOOK_SECONDS = 1.0  # between two looks whether a path that went away is back


def _progress(event: Progress) -> str:
    of = {"reading": "pages", "embedding": "passages", "storing": "documents"}[event.stage]
    return f"{event.name}: {event.stage}, {event.done} of {event.total} {of}"[:100]


def _line(event: Result | Removed) -> str:
    if isinstance(event, Removed):
        why = {"replaced": "its new version is in its place", "gone": "its file is gone"}[event.reason]
        return f"{event.name}: removed ({why})"
    counts = f", {some(event.pages, 'page')}, {some(event.chunks, 'passage')}" if event.chunks else ""
    return f"{event.name}: {event.status}{counts}{'. ' + event.reason if event.reason else ''}"


def _tell(batch: Batch, as_json: bool, out: TextIO, about: Mapping[str, object] | None = None) -> None:
    """`about`: what else the JSON says."""
    seconds = round(time.monotonic() - batch.started, 3)
    if as_json:
        value: dict[str, object] = {"documents": [_json(result) for result in batch.results], "seconds": seconds}
        value.update(about or {})
        if batch.removed:
            value["removed"] = [{"document": r.name, "id": r.id, "reason": r.reason} for r in batch.removed]
        out.write(dump_json(value))
    else:
        out.write(_summary(batch, seconds))
    out.flush()


def _summary(batch: Batch, seconds: float) -> str:
    counts = {status: sum(result.status == status for result in batch.results) for status in _STATUSES}
    counts["removed"] = len(batch.removed)
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "nothing to do"
    return f"{some(len(batch.results), 'file')} in {seconds:.1f} s: {told}.\n"


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
