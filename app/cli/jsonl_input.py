"""The questions of --from: one JSON object per line. A bad line costs that line, never the others."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO

from ingest.errors import FileUnreadable, PagewiseError
from ingest.text_file import LINE_BYTES, TextFileError, open_input, parse_json_line

INTERRUPTED = 130  # the exit code of what was stopped with Ctrl-C

WAYS = ("step_back", "think", "split")


@dataclass(frozen=True)
class Line:
    """One line of --from: a question with its id, or what is wrong with the line."""

    number: int  # in the file, from 1
    id: object
    question: str = ""
    documents: tuple[str, ...] | None = None
    ways: Mapping[str, bool] = field(default_factory=dict)  # of WAYS, those that it says something of
    error: str = ""


def lines(file: str, documents: Sequence[str] | None) -> Iterator[Line]:
    """The lines of a JSONL file as they come, so that a pipe is answered line by line. Blank lines are skipped."""
    try:
        with open_input(Path(file)) as source:
            for number, raw in enumerate(_read_lines(source), 1):
                if raw.strip():
                    yield _line(number, raw, documents)
    except TextFileError as error:
        raise FileUnreadable(detail=f"{file}: {error}") from None


def _read_lines(source: BinaryIO) -> Iterator[bytes]:
    """The lines as they come. Of one that is too long only as much as shows that it is; the rest is passed over."""
    while line := source.readline(LINE_BYTES + 1):
        yield line
        while len(line) > LINE_BYTES and not line.endswith(b"\n"):
            line = source.readline(LINE_BYTES + 1)


def _line(number: int, raw: bytes, documents: Sequence[str] | None) -> Line:
    try:
        value = parse_json_line(raw)
    except TextFileError as error:
        return Line(number, None, error=str(error))
    if not isinstance(value, dict):
        return Line(number, None, error="not a JSON object")
    name, question = value.get("id"), value.get("question")
    if question is None:
        return Line(number, name, error='no "question"')
    if not isinstance(question, str) or not question.strip():
        return Line(number, name, error='"question" is empty, or is no text')
    chosen = value.get("documents")
    if chosen is None:
        chosen = documents
    elif not isinstance(chosen, list) or not all(isinstance(document, str) for document in chosen):
        return Line(number, name, error='"documents" is no list of names')
    elif not chosen:
        return Line(number, name, error='"documents" is an empty list; leave it out to ask all')
    ways = {way: value[way] for way in WAYS if value.get(way) is not None}
    if wrong := next((way for way in ways if not isinstance(ways[way], bool)), None):
        return Line(number, name, error=f'"{wrong}" is neither true nor false')
    text = question.encode("utf-8", "replace").decode()
    return Line(number, name, text, None if chosen is None else tuple(chosen), ways)


def each_line(
    file: str,
    documents: Sequence[str] | None,
    out: TextIO,
    one: Callable[[Line], tuple[dict[str, object], int]],
) -> int:
    """One JSON line out for each line in. A line that fails says so in its own line and in the exit code."""
    from app.cli.json_output import write_json

    worst = 0
    for line in lines(file, documents):
        value: dict[str, object]
        if line.error:
            value, code = {"error": f"line {line.number}: {line.error}"}, 1
        else:
            try:
                value, code = one(line)
            except PagewiseError as error:
                value, code = {"question": line.question, "error": str(error)}, 1
        write_json(out, {"id": line.id, **value})
        print(f"· line {line.number} done", file=sys.stderr)
        if code == INTERRUPTED:
            return code
        worst = max(worst, code)
    return worst
