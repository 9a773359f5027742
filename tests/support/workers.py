"""Readers that misbehave in every way, to run in a worker.

Each takes the arguments of `ingest.pdf.extract_worker.serve`.
"""

import os
import signal
import sys
import time
from collections.abc import Collection, Iterator
from typing import Any

Item = dict[str, Any]


def head(pages: int) -> Item:
    return {"title": "A title", "labels": [str(number) for number in range(1, pages + 1)], "outline": []}


def page(number: int, text: str = "") -> Item:
    return {"number": number, "text": text or f"This is page {number}.", "problem": ""}


def hang(**_: object) -> Iterator[Item]:
    time.sleep(3600)
    yield {}


def hang_deaf(**_: object) -> Iterator[Item]:
    """Ignores every signal that can be ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    yield head(2)
    yield page(1, str(os.getpid()))
    time.sleep(3600)


def fast_hangs_on_two(start: int, avoid: Collection[int], alone: bool, **_: object) -> Iterator[Item]:
    """As pdfium may: page 2 hangs unless it is kept from it."""
    yield head(3)
    for number in range(start, 4):
        if number == 2 and 2 not in avoid:
            time.sleep(3600)
        yield page(number, f"Page {number}, {'the second opinion' if number in avoid else 'as usual'}.")


def both_crash_on_two(start: int, **_: object) -> Iterator[Item]:
    yield head(3)
    for number in range(start, 4):
        if number == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        yield page(number)


def crashes_on_every_page(start: int, **_: object) -> Iterator[Item]:
    yield head(100)
    os.kill(os.getpid(), signal.SIGSEGV)
    yield page(start)


def fast_cannot_open(alone: bool, **_: object) -> Iterator[Item]:
    if not alone:
        os.kill(os.getpid(), signal.SIGSEGV)
    yield head(1)
    yield page(1, "Read by the second.")


def segfault(**_: object) -> Iterator[Item]:
    os.kill(os.getpid(), signal.SIGSEGV)
    yield {}


def killed(**_: object) -> Iterator[Item]:
    """As by the system when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    yield {}


def exits(**_: object) -> Iterator[Item]:
    os._exit(7)
    yield {}


def raises(**_: object) -> Iterator[Item]:
    raise RuntimeError("no such thing")
    yield {}


def swells(**_: object) -> Iterator[Item]:
    held = []
    while True:
        held.append(b"x" * 10_000_000)
        time.sleep(0.001)
        if len(held) > 100_000:
            yield {}


def asks_too_much(**_: object) -> Iterator[Item]:
    """A single allocation, larger than the worker may have."""
    yield page(len(bytearray(10**13)))


def floods(**_: object) -> Iterator[Item]:
    """One line without end, past the protocol."""
    for descriptor in range(3, 20):
        try:
            while True:
                os.write(descriptor, b"x" * 65536)
        except OSError:
            continue
    yield {}


def repeats_itself(**_: object) -> Iterator[Item]:
    while True:
        yield head(3)


def too_long_a_page(**_: object) -> Iterator[Item]:
    yield head(1)
    yield page(1, "x" * 300_000)


def too_many_pages(**_: object) -> Iterator[Item]:
    yield head(2)
    for number in range(1, 100):
        yield page(number)


def wrong_number(**_: object) -> Iterator[Item]:
    yield head(2)
    yield page(2)


def no_head(**_: object) -> Iterator[Item]:
    yield page(1)


def ends_early(**_: object) -> Iterator[Item]:
    yield head(2)
    yield page(1)


def odd_text(**_: object) -> Iterator[Item]:
    yield head(1)
    yield {"number": 1, "text": ["not", "text"], "problem": ""}


def odd_head(**_: object) -> Iterator[Item]:
    yield {"title": "", "labels": 5, "outline": "?"}


def dawdles(**_: object) -> Iterator[Item]:
    """Each page in time, the whole not."""
    yield head(1000)
    for number in range(1, 1001):
        time.sleep(0.1)
        yield page(number)


def prints(**_: object) -> Iterator[Item]:
    """As a library does that reports its progress."""
    print("5 pages done", flush=True)
    os.write(1, b'{"end": true}\n')
    yield head(1)
    yield page(1)


def tells(**_: object) -> Iterator[Item]:
    """What it sees around it."""
    yield head(3)
    yield page(1, "\n".join(f"{key}={value}" for key, value in os.environ.items()) + "\n.")
    yield page(2, " ".join(sys.modules))
    try:
        with open(f"/tmp/written-{os.getpid()}", "wb") as file:
            file.write(b"x" * 100)
            file.flush()
        wrote = "It wrote a file."
    except OSError:
        wrote = "It could not write."
    yield page(3, wrote)
