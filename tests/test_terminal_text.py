"""No text of a document, a file, a model or a person reaches a terminal as a command to it."""

import io
import json
import logging
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.json_output import only_ours
from ingest import __main__ as ingest_main
from ingest.terminal_text import CLEAR_LINE, dump_json, protect_stderr, protect_stream, visible, with_bold
from settings import Settings
from tests.support.commands import Run, command
from tests.support.pdfs import make_pdf
from tests.support.servers import Reply, Scripted, said

run = pytest.fixture(command)

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
HOSTILE = "a\x1b[2J\x1b]8;;http://x\x07b\x9b31m\u202egnp\r"  # clears the screen, sets a link, a colour, a direction
TOML = HOSTILE.encode("unicode_escape").decode().replace("\\x", "\\u00")  # the same as a TOML string has it


def check(done: tuple[int, str, str]) -> None:
    code, out, err = done
    assert code in (0, 1, 2) and (out or err)
    assert not OBEYED.search(out) and not OBEYED.search(err), (out, err)


@given(st.lists(st.text(max_size=20), max_size=4))
def test_a_protected_stream_prints_all_but_what_a_terminal_obeys(texts: list[str]) -> None:
    out = io.StringIO()
    stream = protect_stream(out)
    for text in texts:
        assert stream.write(text) == len(text)
    stream.writelines(texts)
    print(*texts, sep="", file=stream)
    assert out.getvalue() == visible("".join(texts)) * 3 + "\n" and not OBEYED.search(out.getvalue())


def test_only_the_codes_of_this_program_pass() -> None:
    out = io.StringIO()
    stream = protect_stream(out)
    stream.write(CLEAR_LINE)
    stream.write(with_bold(f"{HOSTILE}word", len(HOSTILE), len(HOSTILE) + 4))
    assert out.getvalue() == f"\r\x1b[K{visible(HOSTILE)}\x1b[1mword\x1b[22m"
    stream.write(f"{CLEAR_LINE}{CLEAR_LINE}")  # a new text, of which nobody said that it is clean
    assert out.getvalue().count("\x1b[K") == 1


@given(st.text())
def test_json_stays_whole_and_spells_what_a_terminal_obeys(text: str) -> None:
    line = dump_json({text: [text]})
    assert json.loads(line) == {text: [text]} and not OBEYED.search(line)
    out = io.StringIO()
    protect_stream(out).write(line)
    assert out.getvalue() == line


def test_logs_and_tracebacks_are_cleaned_too(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, protect_stderr():
        logging.StreamHandler().emit(logging.makeLogRecord({"msg": HOSTILE}))
        raise RuntimeError(HOSTILE)
    err = capfd.readouterr().err
    assert ended.value.code == 1 and not OBEYED.search(err)
    assert err.count(visible(HOSTILE)) >= 2 and "RuntimeError" in err


def test_the_own_stdout_of_a_command_is_protected_whether_it_is_a_file_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"from app.cli.json_output import only_ours\nwith only_ours() as out: print({HOSTILE!r}, file=out)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", timeout=60, check=True)
    stdout = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)
    with only_ours() as out:
        print(HOSTILE, file=out)
    assert done.stdout == stdout.getvalue() == visible(HOSTILE) + "\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("health", HOSTILE),
        ("remove", HOSTILE, "--json"),
        ("ask", "--document", HOSTILE, "question"),
        ("ask", HOSTILE, "--model", HOSTILE),
        ("ask", HOSTILE, "--examples", HOSTILE),
        ("search", "--from", HOSTILE),
        ("search", HOSTILE, "--pages", HOSTILE),
        ("ingest", HOSTILE),
        ("ingest", "--password-file", HOSTILE, "."),
        ("list", "--data", f"library{HOSTILE}"),
        (HOSTILE,),
        ("list", f"--{HOSTILE}"),
        ("prices", HOSTILE),
    ],
)
def test_what_stands_on_the_command_line_is_not_obeyed(run: Run, arguments: tuple[str, ...]) -> None:
    check(run(*arguments))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pagewise.toml", f'"{TOML}" = 1'),
        ("pagewise.toml", f'chain = "{TOML}"'),
        ("pagewise.toml", HOSTILE),
        ("prices.toml", f'"{TOML}" = 1'),
        ("prices.toml", f'[[price]]\nmodel = "{TOML}"\ninput = 1\noutput = 1'),
        ("prices.toml", f'[[price]]\nmodel = "m"\ninput = 1\noutput = 1\ncurrency = "{TOML}"'),
        ("prices.toml", HOSTILE),
    ],
)
def test_what_stands_in_settings_and_prices_is_not_obeyed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text, encoding="utf-8")
    check(run("prices", "--data", tmp_path / "library"))


def test_the_environment_is_not_obeyed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEWISE_CHAIN", HOSTILE)
    check(run("list"))
    monkeypatch.delenv("PAGEWISE_CHAIN")
    monkeypatch.setenv(f"PAGEWISE_{HOSTILE}", "1")
    check(run("list"))


def test_the_names_of_files_are_not_obeyed(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / f"folder{visible(HOSTILE).replace('/', '')}\x1b[2J"
    folder.mkdir()
    make_pdf(folder / "\x1b[31m\u202ea.pdf", ["Some text."])
    (folder / "\x9b1m.pdf").write_text("no PDF")
    (folder / "\x1b[5m.pdf").symlink_to("/dev/null")
    for more in ([], ["--json"]):
        check(run("ingest", folder, "--data", tmp_path / "library", *more))
    for name in ("list", "health"):
        check(run(name, *(["a.pdf"] if name == "health" else []), "--data", tmp_path / "library"))


@pytest.mark.parametrize(
    "reply", [said(HOSTILE, "[1] \x1b[2J"), Reply(400, body={"error": {"message": HOSTILE}}), Reply(500, body=HOSTILE)]
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_a_model_server_says_is_not_obeyed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply, more: tuple[str, ...]
) -> None:
    make_pdf(tmp_path / "a.pdf", ["Revenue was nine million in 2020."])
    data = ("--data", tmp_path / "library")
    assert run("ingest", tmp_path / "a.pdf", *data)[0] == 0
    with closing(Scripted(lambda request: reply)) as server:
        monkeypatch.setenv("PAGEWISE_API_BASE", server.url)
        check(run("ask", "What was the revenue in 2020?", "--model", "openai:m", *data, *more))


def test_the_ingest_script_is_protected_as_the_command_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def run_script(*arguments: Any) -> tuple[int, str, str]:
        try:
            code = ingest_main.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    check(run_script(tmp_path / HOSTILE.replace("/", "")))
    check(run_script(f"--{HOSTILE}", "x"))


def test_the_web_app_runs_with_protected_streams(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(settings: Settings) -> int:
        print(HOSTILE)
        print(HOSTILE, file=sys.stderr)
        return 0

    monkeypatch.setattr("app.web.launch.serve", serve)
    check(run("run"))
