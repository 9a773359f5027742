"""Reads the text files that a person writes: settings, prices, examples, passwords, questions. All are bounded.

A parser is not asked to survive everything: `tomllib` takes 20 s for one dotted name of 60 KB, and both parsers end in
a RecursionError on a row of brackets. What could do that is refused before they see it.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ingest.safe_open import NotRegularFileError, open_regular_file

TOML_BYTES = 250_000  # 0.3 s for the slowest content found, a list of digits; settings and prices take 1 KB
LINE_BYTES = 1_000_000  # of JSON, a question or an example
PASSWORDS_BYTES = 1_000_000
MAX_DEPTH = 32  # brackets within brackets, and parts of a dotted name; a question needs 2, a price table 2
_MAX_INTEGER = 2**63  # as TOML has it; Python would read more digits than it can print

_TOML_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"""+)?'
    r"|'''(?:[^']|'(?!''))*+(?:'''+)?"
    r'|"(?:[^"\\\n]|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+"
    r"|[\[\]{}.,\n]",
    re.DOTALL,
)
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")


class TextFileError(Exception):
    """Why a text file cannot be used, in words that stand in brackets in the caller's own error.

    `line`: from 1; 0 where it is about the whole file.
    """

    def __init__(self, detail: str, line: int = 0) -> None:
        super().__init__(detail)
        self.line = line


class MissingTextFileError(TextFileError):
    """There is no such file."""


@contextmanager
def open_input(path: Path) -> Iterator[BinaryIO]:
    """A file that the command line names; "-" is standard input, which alone may be a pipe. Raises TextFileError."""
    if str(path) == "-":
        with _errors_in_words():
            yield sys.stdin.buffer
        return
    try:
        with _errors_in_words(), open_regular_file(path) as file:
            yield file
    except TextFileError as error:
        if isinstance(error.__cause__, NotRegularFileError):
            raise TextFileError(f"{error}; a pipe is given on standard input, as -") from error
        raise


def read_text_file(path: Path, max_bytes: int) -> str:
    """The whole file. Raises TextFileError, MissingTextFileError."""
    with _errors_in_words(), open_regular_file(path) as file:
        return decode_text(read_bounded(file, max_bytes))


def read_json_file(path: Path, max_bytes: int = LINE_BYTES) -> Any:
    """The value in a file that this program wrote, and that anything may have changed since. Raises TextFileError."""
    return parse_json_line(read_text_file(path, max_bytes))


def read_bounded(file: BinaryIO, max_bytes: int) -> bytes:
    """What is left of an open file. Raises TextFileError if that is more than `max_bytes`."""
    content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise TextFileError(f"it is larger than {max_bytes:,} bytes")
    return content


def decode_text(content: bytes) -> str:
    """UTF-8, with a byte order mark or without. Raises TextFileError."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TextFileError(f"line {line} is not UTF-8", line) from error


def parse_toml(text: str) -> dict[str, Any]:
    """Raises TextFileError with the line, if that is known."""
    if len(text) > TOML_BYTES:
        raise TextFileError(f"it is larger than {TOML_BYTES:,} bytes")
    if at := _find_too_deep_toml(text):
        raise TextFileError(f"line {at} is nested more than {MAX_DEPTH} deep", at)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        raise TextFileError(str(error), int(found[1]) if found else 0) from error
    except ValueError as error:  # thousands of digits
        raise TextFileError(_TOO_LONG_NUMBER) from error
    if _has_too_long_integer(table):
        raise TextFileError(_TOO_LONG_NUMBER)
    return table


def parse_json_line(line: bytes | str) -> Any:
    """The value of one line of JSON. Raises TextFileError."""
    if len(line) > LINE_BYTES:
        raise TextFileError(f"longer than {LINE_BYTES:,} bytes")
    try:
        text = line if isinstance(line, str) else line.decode("utf-8-sig")
        depth = 0
        for token in _JSON_TOKEN.finditer(text):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
            if depth > MAX_DEPTH:
                raise TextFileError(f"not JSON that can be read: nested more than {MAX_DEPTH} deep")
        return json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise TextFileError("not UTF-8") from error
    except json.JSONDecodeError as error:
        raise TextFileError(f"not JSON ({error.msg}, at character {error.pos + 1})") from error
    except ValueError as error:
        raise TextFileError("not JSON (NaN, Infinity or an endless number)") from error


_TOO_LONG_NUMBER = "a whole number in it has more than 64 bits"


def _find_too_deep_toml(text: str) -> int:
    """The line on which brackets and dotted names go deeper than MAX_DEPTH; 0: nowhere.

    Only the marks outside strings and comments count. A dot within a number counts too, and does no harm.
    """
    line, level, outer = 1, 0, list[int]()
    dots = 0  # since the name began
    for token in _TOML_TOKEN.finditer(text):
        mark = token[0]
        if mark in ("[", "{"):
            outer.append(level)
            level, dots = level + dots + 1, 0
        elif mark in ("]", "}"):
            level, dots = (outer.pop() if outer else 0), 0
        elif mark == ".":
            dots += 1
        elif mark in (",", "\n"):
            dots = 0
        if level + dots > MAX_DEPTH:
            return line
        line += mark.count("\n")
    return 0


def _has_too_long_integer(table: dict[str, Any]) -> bool:
    left: list[Any] = [table]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
            return True
    return False


@contextmanager
def _errors_in_words() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise MissingTextFileError(error.strerror or "no such file") from error
    except OSError as error:
        raise TextFileError(error.strerror or str(error)) from error


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
