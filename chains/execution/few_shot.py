"""Examples of questions and the answers that somebody would like: read from a file, and the best fitting ones chosen.

A file is TOML (`[[example]]` with question, answer and perhaps note) where its name ends with .toml, else a line of
JSON an example.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from chains.errors import ExamplesUnreadable, ExampleWrong
from chains.execution.context_budget import SEAM
from chains.grounding.citations import plain
from chains.language.lexicon import subject_words
from chains.model import Model
from chains.prompt import Example
from chains.prompting.render import shown
from ingest.text_file import TextFileError, decode_text, parse_json_line, parse_toml, read_bounded, read_text_file

MOST_TOKENS = 1500  # that all examples take together
SHARE = 10  # and at most this fraction of the window: the sources are what an answer is made of
MOST_BYTES = 1_000_000  # of a file
_RULE = 80  # tokens of the sentence that tells the model what they are, about
_LEAST = 16  # tokens that an example takes
FIELDS = ("question", "answer", "note")
_TABLE = re.compile(r"[ \t]*\[\[[ \t]*example[ \t]*\]\]")


def read(path: Path) -> tuple[Example, ...]:
    """The examples of a file. Raises ExamplesUnreadable, or ExampleWrong, which names the line."""
    with _errors_of(str(path)):
        text = read_text_file(path, MOST_BYTES)
    return _examples(text, path.name)


def parse(data: bytes, name: str) -> tuple[Example, ...]:
    """The same of a file's bytes; `name` is what it is called."""
    with _errors_of(name):
        text = decode_text(read_bounded(BytesIO(data), MOST_BYTES))
    return _examples(text, name)


def _examples(text: str, name: str) -> tuple[Example, ...]:
    tables = _toml(text, name) if name.lower().endswith(".toml") else _lines(text, name)
    if not tables:
        raise ExamplesUnreadable(file=name, detail="there is no example in it")
    return tuple(_example(table, line, name) for line, table in tables)


def chosen(examples: Sequence[Example], question: str, model: Model) -> tuple[Example, ...]:
    """Those that fit, best first: the ones that share most words with the question, in their own order where equal."""
    left = min(MOST_TOKENS, model.context // SHARE) - _RULE
    kept: list[Example] = []
    for example in best(examples, question):
        if left < _LEAST:
            break
        taken = model.size(shown(example)) + SEAM
        if taken <= left:
            kept.append(example)
            left -= taken
    return tuple(kept)


def best(examples: Sequence[Example], question: str) -> list[Example]:
    """All of them, those that share most words with the question first."""
    asked = set(subject_words(question))
    return sorted(examples, key=lambda example: -len(asked & set(subject_words(example.question))))


def _lines(text: str, name: str) -> list[tuple[int, Any]]:
    tables = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            with _errors_of(name, number):
                tables.append((number, parse_json_line(line)))
    return tables


def _toml(text: str, name: str) -> list[tuple[int, Any]]:
    with _errors_of(name):
        top = parse_toml(text)
    tables = top.pop("example", [])
    if top or not isinstance(tables, list):
        raise ExampleWrong(file=name, line=1, detail="it holds something else than [[example]] tables")
    at_lines = [number for number, line in enumerate(text.split("\n"), 1) if _TABLE.match(line)]
    return [(at_lines[i] if i < len(at_lines) else 1, table) for i, table in enumerate(tables)]


@contextmanager
def _errors_of(name: str, line: int = 0) -> Iterator[None]:
    """What is wrong with the text of the file, or with its `line`, as an ExamplesError."""
    try:
        yield
    except TextFileError as error:
        if at := line or error.line:
            raise ExampleWrong(file=name, line=at, detail=str(error)) from None
        raise ExamplesUnreadable(file=name, detail=str(error)) from None


def _example(table: Any, line: int, name: str) -> Example:
    def wrong(detail: str) -> ExampleWrong:
        return ExampleWrong(file=name, line=line, detail=detail)

    if not isinstance(table, dict):
        raise wrong('not an object with "question" and "answer"')
    if unknown := sorted(set(table) - set(FIELDS)):
        raise wrong(f"{unknown[0]!r} is none of {', '.join(FIELDS)}")
    for field in ("question", "answer"):
        if not isinstance(table.get(field), str) or not _clean(table[field]):
            raise wrong(f'"{field}" is missing, is empty, or is no text')
    if not isinstance(table.get("note", ""), str):
        raise wrong('"note" is no text')
    return Example(_clean(table["question"]), _clean(table["answer"]), _clean(table.get("note", "")))


def _clean(text: str) -> str:
    """Without marks: their numbers belong to other sources. Half a surrogate pair, which JSON can hold, becomes "?"."""
    return plain(text.encode("utf-8", "replace").decode()).strip()
