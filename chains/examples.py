"""Examples of questions and the answers that somebody would like: read from a file, and the best fitting ones chosen.

A file is TOML (`[[example]]` with question, answer and perhaps note) where its name ends with .toml, else a line of
JSON an example.
"""

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chains import prompts
from chains.budget import SEAM
from chains.citations import plain
from chains.errors import ExamplesUnreadable, ExampleWrong
from chains.models.base import Model
from chains.prompts import Example
from chains.question import subject_words

MOST_TOKENS = 1500  # that all examples take together
SHARE = 10  # and at most this fraction of the window: the sources are what an answer is made of
MOST_BYTES = 1_000_000  # of a file
_RULE = 80  # tokens of the sentence that tells the model what they are, about
_LEAST = 16  # tokens that an example takes
FIELDS = ("question", "answer", "note")
_TABLE = re.compile(r"^[ \t]*\[\[[ \t]*example[ \t]*\]\]", re.MULTILINE)


def read(path: Path) -> tuple[Example, ...]:
    """The examples of a file. Raises ExamplesUnreadable, or ExampleWrong, which names the line."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ExamplesUnreadable(file=path, detail=error.strerror or str(error)) from None
    return parse(data, path.name)


def parse(data: bytes, name: str) -> tuple[Example, ...]:
    """The same of a file's bytes; `name` is what it is called."""
    if len(data) > MOST_BYTES:
        raise ExamplesUnreadable(file=name, detail=f"it is larger than {MOST_BYTES // 1_000_000} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ExampleWrong(file=name, line=line, detail="not UTF-8") from None
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
        taken = model.size(prompts.shown(example)) + SEAM
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
            try:
                tables.append((number, json.loads(line)))
            except json.JSONDecodeError as error:
                detail = f"not JSON: {error.msg}, at character {error.pos + 1}"
                raise ExampleWrong(file=name, line=number, detail=detail) from None
            except (ValueError, RecursionError):
                raise ExampleWrong(file=name, line=number, detail="not JSON") from None
    return tables


def _toml(text: str, name: str) -> list[tuple[int, Any]]:
    try:
        top = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+)", str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        raise ExampleWrong(file=name, line=line, detail=f"not TOML: {error}") from None
    tables = top.pop("example", [])
    if top or not isinstance(tables, list):
        raise ExampleWrong(file=name, line=1, detail="it holds something else than [[example]] tables")
    at_lines = [text.count("\n", 0, match.start()) + 1 for match in _TABLE.finditer(text)]
    return [(at_lines[i] if i < len(at_lines) else 1, table) for i, table in enumerate(tables)]


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
