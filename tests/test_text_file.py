"""What a person writes into a file costs no minutes, and what is wrong with it is said in a sentence."""

import io
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import price_table
from app.cli.jsonl_input import lines
from app.price_table import PricesBroken
from chains.errors import ExamplesError
from chains.execution import few_shot
from ingest.errors import FileUnreadable, PagewiseError
from ingest.pdf.decrypt import read_passwords
from ingest.text_file import (
    LINE_BYTES,
    MAX_DEPTH,
    PASSWORDS_BYTES,
    TOML_BYTES,
    MissingTextFileError,
    TextFileError,
    parse_json_line,
    parse_toml,
    read_text_file,
)
from settings import SettingsFileBroken, open_settings_file

N = TOML_BYTES - 10
DEEP = {
    "brackets": "a = " + "[" * N,
    "braces": "a = " + "{a=" * (N // 3),
    "dotted name": ".".join("a" * (N // 2)) + " = 1",
    "dotted header": "[" + ".".join("a" * (N // 2)) + "]",
    "spaced dots": " . ".join("a" * (N // 4)) + " = 1",
    "quoted parts": '."".'.join("a" * (N // 6)) + " = 1",
    "dots between braces": "x = " + ("{" + "a." * 10 + "a = ") * 20,
}
SLOW = {
    "digits": "a = [" + "1," * (N // 2 - 5) + "]",
    "tables": "".join(f"[a{i:x}]\n" for i in range(N // 9)),
    "names": "".join("a." * 31 + f"b{i:x} = 1\n" for i in range(N // 75)),
    "a string": 'a = "' + "x" * (N - 10) + '"',
    "escapes": 'a = """' + "\\n\n" * (N // 3 - 5) + '"""',
    "quotes that never end": 'a = """' + '\\"""' * (N // 4 - 5),
    "comments": "#\n" * (N // 2),
    "examples": "[[example]]\n" * (N // 12),
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_toml_that_is_nested_too_deeply_is_refused_with_its_line_before_it_is_parsed(text: str) -> None:
    started = time.process_time()
    with pytest.raises(TextFileError, match=f"line 2 is nested more than {MAX_DEPTH} deep"):
        parse_toml("\n" + text[: N - 1])
    assert time.process_time() - started < 1


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_the_largest_toml_that_is_allowed_is_parsed_in_moments(text: str) -> None:
    started = time.process_time()
    with suppress(TextFileError):
        parse_toml(text)
    assert time.process_time() - started < 5  # 0.3 s at most; a dotted name took minutes


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = 0x" + "f" * 5000, "a = [{b = 9223372036854775808}]"])
def test_a_number_that_could_not_even_be_printed_is_refused(text: str) -> None:
    with pytest.raises(TextFileError, match="64 bits"):
        parse_toml(text)


def test_ordinary_toml_is_what_tomllib_says() -> None:
    assert parse_toml("a.b = [1.5, {c = \"[[[[\" }]\n# [[[[ a.b.c\n[x.y]\nd = '''.\".'''\n") == {
        "a": {"b": [1.5, {"c": "[[[["}]},
        "x": {"y": {"d": '.".'}},
    }
    floats = "a = [" + "1.5, " * 100 + "]"
    assert len(parse_toml(floats)["a"]) == 100


@given(st.text(max_size=60) | st.text("[]{}.,=\"'#\\\n a1", max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (parse_toml, parse_json_line):
        try:
            parse(text)
        except TextFileError as error:
            assert str(error)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"a":' * 100_000, "9" * 100_000, "NaN", '"' + "\\" * 99_999, "1" * (LINE_BYTES + 1)]
)
def test_a_line_of_json_that_no_parser_survives_is_refused_in_words(line: str) -> None:
    started = time.process_time()
    with pytest.raises(TextFileError):
        parse_json_line(line)
    assert time.process_time() - started < 1
    assert parse_json_line(json.dumps({"a": "[" * 100})) == {"a": "[" * 100}


def test_a_line_that_is_too_long_costs_that_line(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    long = json.dumps({"id": 2, "question": "x" * (3 * LINE_BYTES)})
    file.write_text('{"id": 1, "question": "a"}\n' + long + '\n{"id": 3, "question": "b"}\n' + long)
    found = list(lines(str(file), None))
    assert [(line.number, line.id, bool(line.error)) for line in found] == [
        (1, 1, False),
        (2, None, True),
        (3, 3, False),
        (4, None, True),
    ]
    assert "longer than 1,000,000 bytes" in found[1].error


# -- each file that a person names


def read_settings(file: Path) -> object:
    return open_settings_file(file)


READERS: dict[str, tuple[Callable[[Path], object], type[PagewiseError]]] = {
    "pagewise.toml": (read_settings, SettingsFileBroken),
    "prices.toml": (price_table.read, PricesBroken),
    "examples.toml": (few_shot.read, ExamplesError),
    "examples.jsonl": (few_shot.read, ExamplesError),
    "passwords": (read_passwords, FileUnreadable),
    "questions.jsonl": (lambda file: list(lines(str(file), None)), FileUnreadable),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
@pytest.mark.timeout(60)
def test_a_file_that_is_none_is_refused_and_not_waited_for(tmp_path: Path, name: str, kind: str) -> None:
    read, error = READERS[name]
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    elif kind == "folder":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(error, match=f"{name}.*not a regular file"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", [name for name in READERS if name != "questions.jsonl"])
def test_a_file_that_is_too_large_is_refused(tmp_path: Path, name: str) -> None:
    read, error = READERS[name]
    with (tmp_path / name).open("wb") as file:
        file.truncate(10**12)  # a hole, which has no room in memory
    with pytest.raises(error, match=r"larger than [0-9,]+ bytes"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["pagewise.toml", "prices.toml", "examples.toml", "examples.jsonl"])
def test_brackets_without_end_are_a_sentence_in_every_file(tmp_path: Path, name: str) -> None:
    read, error = READERS[name]
    (tmp_path / name).write_text(("a = " if name.endswith("toml") else "") + "[" * 200_000)
    with pytest.raises(error, match="nested more than"):
        read(tmp_path / name)


def test_a_pipe_is_read_where_it_is_given_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"open sesame\n")))
    assert read_passwords(Path("-")) == [("", "open sesame")]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * (PASSWORDS_BYTES + 1))))
    with pytest.raises(FileUnreadable, match="larger than"):
        read_passwords(Path("-"))


def test_a_missing_file_is_told_from_a_bad_one(tmp_path: Path) -> None:
    with pytest.raises(MissingTextFileError):
        read_text_file(tmp_path / "nowhere", 10)
    (tmp_path / "bad").write_bytes(b"a\n\xff")
    with pytest.raises(TextFileError, match="line 2 is not UTF-8"):
        read_text_file(tmp_path / "bad", 10)


def test_a_pipe_named_with_from_is_wrong_use_with_the_way_that_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.cli.main import main

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SystemExit) as ended:
        main(["search", "--from", str(tmp_path / "pipe")])
    assert ended.value.code == 2 and "--from -" in capsys.readouterr().err


def test_a_price_has_a_name_that_fits_a_line(tmp_path: Path) -> None:
    for model in ("a\\nb", "a\\u001b[2J", "a\\u202e", "x" * 201):
        (tmp_path / "prices.toml").write_text(f'[[price]]\nmodel = "{model}"\ninput = 1\noutput = 1\n')
        with pytest.raises(PricesBroken, match="price 1"):
            price_table.read(tmp_path / "prices.toml")
