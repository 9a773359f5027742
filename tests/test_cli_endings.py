"""How a command ends that was wrong, was stopped or broke off: exit codes, and what is printed all the same."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chains.compare import Compared, Of
from chains.events import Answer, Event, Step, Token
from chains.partial_answer import cut_short
from tests.support.commands import Run, command, value
from tests.support.fakes import ScriptedModel
from tests.support.harbour import harbour_pdfs


@pytest.fixture(scope="module")
def pdfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harbour_pdfs(tmp_path_factory.mktemp("pdfs"))


@pytest.fixture
def pagewise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    return command(monkeypatch, capfd)


@pytest.fixture
def filled(pagewise: Run, pdfs: Path) -> Run:
    code, _, err = pagewise("ingest", pdfs)
    assert code == 0, err
    return pagewise


@pytest.mark.parametrize("command", ["ask", "compare", "run"])
def test_wrong_examples_are_wrong_use_that_names_file_and_line(
    pagewise: Run, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"question": "Who?", "answer": "Holm."}\n{"question": "Who?"}\n')
    for name, says in (("bad.jsonl", "line 2"), ("none.toml", "No such file")):
        monkeypatch.setenv("PAGEWISE_EXAMPLES", name)  # in the current folder
        code, out, err = pagewise(command, *(["Who?", "--json"] if command != "run" else ["--port", "1"]))
        assert code == 2 and out == "" and name in err and says in err and not Path("library").exists()


WRONG_MODELS = (
    ({"MODEL": "nobody:m"}, "Providers are"),
    ({"MODEL": "openai:m", "API_KEY": ""}, "needs a key"),
    ({"MODEL": "local:./nowhere"}, "config.json"),
    ({"MODEL": "local:."}, "config.json"),
    ({"MODEL": "openai:m", "API_BASE": "http://127.0.0.1:9/v1", "MAX_COST": "1"}, "prices.toml"),
)


@pytest.mark.parametrize("command", [("ask", "lighthouse"), ("compare", "lighthouse"), ("summarize", "report.pdf")])
def test_a_model_that_cannot_be_opened_is_a_wrong_setting_and_nothing_is_searched(
    filled: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for settings, says in WRONG_MODELS:
        for name, setting in settings.items():
            monkeypatch.setenv(f"PAGEWISE_{name}", setting)
        code, out, err = filled(*command, "--json")
        assert (code, out) == (2, "") and says in err and "· found" not in err, settings


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("search",),
        ("search", "x", "--from", "y"),
        ("search", "--from", "no.jsonl"),
        ("ask", "--from", "."),
        ("search", " "),
        ("search", "x", "--pages", "0"),
        ("search", "x", "--pages", "3-2"),
        ("ask", "x", "--pages", "x"),
        ("ask", "x", "--chain", "stuf"),
        ("compare",),
        ("compare", " "),
        ("compare", "x", "--chain", "stuff"),
        ("ask", "x", "-k", "0"),
        ("ask", "x", "-k", "many"),
        ("summarize", "x", "--chain", "map_rerank"),
        ("run", "--port", "0"),
        ("ingest",),
    ],
)
def test_wrong_use_ends_with_2_and_begins_nothing(pagewise: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = pagewise(*arguments)
    assert code == 2 and out == "" and err
    assert not (tmp_path / "library").exists()


def test_an_unknown_setting_ends_with_2(pagewise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEWISE_MODLE", "extractive")
    code, out, err = pagewise("list", "--json")
    assert (code, out) == (2, "") and "'PAGEWISE_MODEL'" in err


def _answered_then_interrupted(*_: object, **__: object) -> Iterator[Event]:
    yield Step("planned", total=1)
    yield Token("The lighthouse ")
    raise KeyboardInterrupt


def test_ctrl_c_keeps_what_had_come_and_ends_with_130(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chains.answer.ask", _answered_then_interrupted)
    said = value(filled("ask", "x", "--json"), code=130)
    assert said["stopped"] is True and said["answer"].strip() == "The lighthouse"
    code, out, err = filled("ask", "x")
    assert code == 130 and out.startswith("The lighthouse") and "Stopped" in err


def test_a_broken_answer_keeps_its_text_and_ends_with_1(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from chains.errors import StreamCut

    def broken(*_: object, **__: object) -> Iterator[Event]:
        yield Token("Half an ans")
        whole = cut_short([Token("Half an ans")], "x", "stuff", "m", 1.0)
        yield Answer(**{**vars(whole), "stopped": False, "error": StreamCut(detail="reset")})

    monkeypatch.setattr("chains.answer.ask", broken)
    said = value(filled("ask", "x", "--json"), code=1)
    assert said["answer"] == "Half an ans" and "broke off" in said["error"]
    assert "broke off" in filled("ask", "x")[2]


def _compared_then_interrupted(*_: object, **__: object) -> Iterator[Compared]:
    yield Step("searched")
    yield Of("stuff", replace(cut_short([Token("It is so.")], "x", "stuff", "m", 1.0), stopped=False), 1.0)
    yield Of("refine", Token("It may "), 0.5)
    raise KeyboardInterrupt


def test_ctrl_c_keeps_the_chains_that_are_done_and_what_had_come(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chains.compare.compare", _compared_then_interrupted)
    said = value(filled("compare", "x", "--json"), code=130)
    assert said["stopped"] is True
    assert [one["answer"].strip() for one in said["answers"]] == ["It is so.", "", "It may", ""]
    assert ["stopped" in one for one in said["answers"]] == [False, True, True, True]
    code, out, err = filled("compare", "x")
    assert code == 130 and "It is so." in out and "It may" in out and "Stopped" in err


def test_a_chain_that_fails_ends_with_1_and_the_others_are_printed(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chains.errors import StreamCut

    model = ScriptedModel(lambda prompt: "Score: 90\nIt is so [1].", fails={1: StreamCut(detail="reset")})
    monkeypatch.setattr("app.composition.model", lambda *_: model)
    said = value(filled("compare", "lighthouse", "-k", 1, "--json"), code=1)
    assert ["error" in one for one in said["answers"]] == [True, False, False, False]
    assert all("It is so" in one["answer"] for one in said["answers"][1:])


def test_a_port_in_use_is_said_before_anything_starts(pagewise: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, out, err = pagewise("run", "--port", port)
    assert (code, out) == (1, "") and f"Port {port} on 127.0.0.1 is already in use" in err
