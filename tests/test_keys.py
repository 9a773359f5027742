"""A key goes into one header of one server, and is found nowhere else: a planted one is looked for everywhere."""

import json
import logging
import re
from functools import partial
from pathlib import Path

import pytest

from app import cli
from app.choices import Own, connection
from app.conversations import Conversations, Entry
from chains.answer import ask
from chains.errors import ModelError
from chains.models import open_model
from settings import Settings, load_settings
from tests.asking import KEY, PROMPT
from tests.fakes import HashingEmbedder
from tests.pdfs import make_pdf
from tests.servers import Reply, Request, chunk, llama_cpp, refused, said, serving


def faults(request: Request) -> Reply:
    """Each kind of failure in turn, and each repeats the key as some servers do."""
    n = len(_asked)
    _asked.append(request)
    echo = f"Incorrect key {KEY} in Authorization: Bearer {KEY}"
    return (
        refused(401, echo, "invalid_api_key"),
        refused(429, f"{echo} insufficient_quota"),
        refused(400, f"{echo}: no"),
        Reply(status=307, headers={"location": "http://127.0.0.1:9/"}, body={}),
        Reply(events=[chunk("The "), json.dumps({"error": {"message": echo}})]),
        Reply(events=[chunk("The "), f"{{{KEY}"]),
        Reply(body=f"<html>{echo}</html>"),
        refused(404, echo, "model_not_found"),
        said("fine"),
    )[n % 9]


_asked: list[Request] = []


def test_no_error_no_log_and_no_repr_has_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "openai", "langchain_core", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    _asked.clear()
    seen = []
    with serving(faults) as server:
        model = open_model("openai:m", api_base=server.url, api_key=KEY)
        for _ in range(9):
            try:
                seen += [repr(piece) for piece in model.stream(PROMPT)]
            except ModelError as error:
                link: BaseException | None = error
                while link is not None:  # the whole chain, as a traceback would show it
                    seen += [str(link), repr(link), repr(getattr(link, "params", ""))]
                    link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        seen += [repr(model), model.name, repr(vars(model)), caplog.text]
        assert len(server.chats) >= 9
        assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    assert len(caplog.records) > 9  # the loggers did speak
    assert not [line for text in seen for line in text.splitlines() if KEY in line]


def test_no_setting_that_is_shown_has_it() -> None:
    settings = load_settings({"model": "openai:m"}, {"PAGEWISE_API_KEY": KEY})
    own = Own("openai:b", "http://127.0.0.1:1/v1", KEY)
    shown = [repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump()), repr(own)]
    shown += [repr(connection("openai:b", settings, own)), repr(connection("openai:m", settings, None))]
    assert not [text for text in shown if KEY in text] and settings.api_key.get_secret_value() == KEY


@pytest.mark.parametrize("reply", [said("The bridge opened in 1884 [1]."), refused(401, f"no: {KEY}")])
def test_neither_what_is_printed_nor_what_is_stored_has_it(
    reply: Reply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from app import wiring

    monkeypatch.setattr(wiring, "embedder", lambda settings: HashingEmbedder())
    make_pdf(tmp_path / "bridge.pdf", ["The bridge was opened in 1884. It crosses the river."])
    with serving([reply], llama_cpp("m", 4096)) as server:
        monkeypatch.setenv("PAGEWISE_API_BASE", server.url)
        monkeypatch.setenv("PAGEWISE_API_KEY", KEY)
        monkeypatch.setenv("PAGEWISE_MODEL", "openai:m")
        assert cli.main(["ingest", str(tmp_path / "bridge.pdf"), "--json"]) == 0
        code = cli.main(["ask", "When was the bridge opened?", "--json"])
        assert cli.main(["models", "--json"]) == 0
        assert code == (0 if reply.status == 200 else 1) and server.chats
        assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    printed = capfd.readouterr()
    assert KEY not in printed.out + printed.err and '"answer"' in printed.out
    assert not holding(tmp_path)


def test_no_conversation_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import asking, wiring
    from app.jobs import Jobs

    monkeypatch.setattr(wiring, "embedder", lambda settings: HashingEmbedder())
    make_pdf(tmp_path / "bridge.pdf", ["The bridge was opened in 1884. It crosses the river."])
    store = Conversations(tmp_path / "library")
    for reply in (said("In 1884 [1]."), refused(400, f"no: {KEY}")):
        with serving([reply], llama_cpp("m", 4096)) as server:
            settings = Settings.model_validate(
                {"data": tmp_path / "library", "model": "openai:m", "api_base": server.url, "api_key": KEY}
            )
            with wiring.library(settings) as library:
                from ingest.load import Limits
                from ingest.pipeline import Upload, ingest

                list(ingest([Upload("bridge.pdf", tmp_path / "bridge.pdf")], library, Limits()))
                model = wiring.model(settings, library.embedder)
                entry = Entry(f"{reply.status:016}", "question", "When was the bridge opened?", "stuff", "openai:m")
                way = partial(ask, "When was the bridge opened?", library, model)
                asking.start(Jobs(), store, "c" * 16, entry, way).join(60)
    entries = store.entries("c" * 16)
    assert len(entries) == 2 and entries[0].answer is not None and entries[1].problem is not None
    assert not holding(tmp_path)


# Chroma's index writes memory that it never filled into these files, and so whatever the process held there before.
# SECURITY.md says so; they are files of the library's folder, which only its owner can read.
UNFILLED = ("length.bin", "data_level0.bin")


def holding(folder: Path) -> list[Path]:
    """The files that hold the key, in whatever form it may have been written."""
    forms = [KEY.encode(), KEY.encode("utf-16-le"), re.sub(r"[^a-z0-9]", "", KEY).encode()]
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in UNFILLED and any(form in path.read_bytes() for form in forms)
    ]


def test_a_key_is_found_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "planted").write_bytes(b"\0" + KEY.encode() + b"\0")
    assert holding(tmp_path)
