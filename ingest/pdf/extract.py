"""Reads one document in a worker: whatever the file does to its reader, what comes is a Document or a ReadError."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from ingest.document import Document, Heading, Page, display_name, with_duplicates
from ingest.errors import ReaderCrashed, TooManyPages, TooMuchText
from ingest.pdf import ocr
from ingest.pdf.cleanup import mend
from ingest.pdf.sandbox import Casualty, Limits, in_worker
from ingest.safe_open import hash_file, open_document

RESTARTS = 8  # of one document, after pages that crash or hang their reader


def read(
    path: Path,
    name: str,
    limits: Limits,
    password: str = "",
    on_page: Callable[[int, int], None] = lambda done, total: None,
    *,
    reader: str = "ingest.pdf.extract_worker:serve",
) -> Document:
    """The document in the file at `path`; `on_page` hears (pages read, pages in all) after each one.

    `reader`: the function that reads in the worker, "module:name"; it takes and yields what
    `ingest.pdf.extract_worker.serve` does. A page on which pdfium crashes or hangs is read by pypdf; one on which both
    do stays without text, with the reason. Raises ReadError, and then nothing is left running.
    """
    until, name = monotonic() + limits.file_seconds, display_name(name)
    identity = fingerprint(path, limits)
    job = {"path": str(path.absolute()), "name": name, "limits": asdict(limits), "password": password}
    head: dict[str, Any] = {}
    pages: list[Page] = []
    avoid: list[int] = []
    alone, lost, chars = False, list[Casualty](), 0
    recognising, waiting = ocr.available(limits), 0  # pages that are read, but only as pictures so far
    while True:
        again = {"start": len(pages) + 1, "avoid": avoid, "alone": alone}
        try:
            for item in in_worker(reader, job | again, limits, until=until):
                if "labels" in item:
                    head = _checked_head(item, limits)
                    continue
                page = _checked_page(item, head, len(pages) + 1, limits)
                pages.append(page)
                chars += len(page.text)
                if chars > limits.text_mb * 1_000_000:
                    raise TooMuchText(limit=limits.text_mb)
                waiting += recognising and ocr.wanted(page)
                on_page(len(pages) - waiting, len(head["labels"]))
            break
        except Casualty as casualty:
            lost.append(casualty)
            if monotonic() >= until or len(lost) > RESTARTS:
                raise casualty.error from casualty
            number = len(pages) + 1
            if not head:
                if alone:
                    raise lost[0].error from casualty
                alone = True
            elif number > len(head["labels"]):
                break
            elif number not in avoid and not alone:
                avoid.append(number)
            else:
                pages.append(Page(number, head["labels"][number - 1], "", f"unreadable: {casualty.reason}"))
                on_page(number - waiting, len(head["labels"]))
    if not head or len(pages) != len(head["labels"]):
        raise ReaderCrashed(detail="it ended early")
    if lost and not any(page.text for page in pages):
        raise lost[0].error from lost[0]

    def on_recognised() -> None:
        nonlocal waiting
        waiting -= 1
        on_page(len(pages) - waiting, len(pages))

    if waiting:
        pages = ocr.recognise(path, pages, limits, password, on_recognised)
    if sum(len(page.text) for page in pages) > limits.text_mb * 1_000_000:
        raise TooMuchText(limit=limits.text_mb)
    texts = mend([page.text for page in pages])
    whole = with_duplicates(ocr.settle(page, text) for page, text in zip(pages, texts, strict=True))
    return Document(identity, name, head["title"], whole, head["outline"])


def fingerprint(path: Path, limits: Limits, folder: Path | None = None) -> str:
    """SHA-256 of the file, in hex. Raises as `open_document` does; never waits on a pipe or device."""
    with open_document(path, limits.file_mb, folder) as file:
        return hash_file(file, limits.file_mb)


def _checked_head(item: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    try:
        labels = [str(label) for label in item["labels"]]
        outline = tuple(
            Heading(str(title), int(level), int(page))
            for title, level, page in item["outline"]
            if 1 <= page <= len(labels) and level >= 1
        )
        title = str(item["title"])
    except (KeyError, TypeError, ValueError) as error:
        raise ReaderCrashed(detail="its reply made no sense") from error
    if len(labels) > limits.pages:
        raise TooManyPages(pages=len(labels), limit=limits.pages)
    return {"labels": labels, "outline": outline, "title": title}


def _checked_page(item: Mapping[str, Any], head: Mapping[str, Any], number: int, limits: Limits) -> Page:
    text, problem = item.get("text"), item.get("problem")
    if item.get("number") != number or not isinstance(text, str) or not isinstance(problem, str):
        raise ReaderCrashed(detail="its reply made no sense")
    if not head or number > len(head["labels"]) or len(text) > limits.page_chars:
        raise ReaderCrashed(detail="its reply made no sense")
    return Page(number, head["labels"][number - 1], text, problem)
