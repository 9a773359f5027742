"""A key goes into one header of one server, and is found nowhere else: a planted one is looked for everywhere."""

import json
import logging
import re
from functools import partial
from pathlib import Path

import pytest

from app.cli import main
from app.conversations import Conversations, Entry
from app.model_choice import Own, choice, connection, destination, entered, label, place
from app.model_discovery import command, offers_json, offers_lines
from chains.answer import ask
from chains.errors import ModelError
from chains.models import open_model
from chains.models.remote.discovery import servers
from ingest import server_url
from ingest.embedding.embedder import open_embedder
from ingest.errors import EmbedderError
from settings import Settings, SettingsError, load_settings
from tests.support.asking import KEY, PROMPT
from tests.support.fakes import HashingEmbedder
from tests.support.pdfs import make_pdf
from tests.support.servers import Reply, Request, chunk, llama_cpp, refused, said, serving


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
    from app import composition

    monkeypatch.setattr(composition, "embedder", lambda settings: HashingEmbedder())
    make_pdf(tmp_path / "bridge.pdf", ["The bridge was opened in 1884. It crosses the river."])
    with serving([reply], llama_cpp("m", 4096)) as server:
        monkeypatch.setenv("PAGEWISE_API_BASE", server.url)
        monkeypatch.setenv("PAGEWISE_API_KEY", KEY)
        monkeypatch.setenv("PAGEWISE_MODEL", "openai:m")
        assert main.main(["ingest", str(tmp_path / "bridge.pdf"), "--json"]) == 0
        code = main.main(["ask", "When was the bridge opened?", "--json"])
        assert main.main(["models", "--json"]) == 0
        assert code == (0 if reply.status == 200 else 1) and server.chats
        assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    printed = capfd.readouterr()
    assert KEY not in printed.out + printed.err and '"answer"' in printed.out
    assert not holding(tmp_path)


def test_no_conversation_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import composition, question_job
    from app.background_jobs import Jobs

    monkeypatch.setattr(composition, "embedder", lambda settings: HashingEmbedder())
    make_pdf(tmp_path / "bridge.pdf", ["The bridge was opened in 1884. It crosses the river."])
    store = Conversations(tmp_path / "library")
    for reply in (said("In 1884 [1]."), refused(400, f"no: {KEY}")):
        with serving([reply], llama_cpp("m", 4096)) as server:
            settings = Settings.model_validate(
                {"data": tmp_path / "library", "model": "openai:m", "api_base": server.url, "api_key": KEY}
            )
            with composition.library(settings) as library:
                from ingest.pdf.extract_worker import Limits
                from ingest.pipeline import Upload, ingest

                list(ingest([Upload("bridge.pdf", tmp_path / "bridge.pdf")], library, Limits()))
                model = composition.model(settings, library.embedder)
                entry = Entry(f"{reply.status:016}", "question", "When was the bridge opened?", "stuff", "openai:m")
                way = partial(ask, "When was the bridge opened?", library, model)
                question_job.start(Jobs(), store, "c" * 16, entry, way).join(60)
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


PASSWORD = "s3cr/tP@ss"
QUOTED = "s3cr%2FtP%40ss"
SIGNED = "Basic YW5uOnMzY3IvdFBAc3M="  # ann:s3cr/tP@ss


def signed(url: str) -> str:
    return url.replace("://", f"://ann:{QUOTED}@")


def hidden(*texts: str) -> bool:
    return not [word for word in (PASSWORD, QUOTED, "ann:", "ann@", SIGNED[6:]) for text in texts if word in text]


def test_a_password_of_an_address_goes_to_its_server_and_stands_in_no_error_no_log_and_no_repr(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "openai", "langchain_core", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    seen: list[str] = []
    replies: list[Reply] = []
    with serving(lambda request: replies[0]) as server:
        base = signed(server.url)
        echo = f"no {SIGNED} {PASSWORD} {base}"
        model = open_model("openai:m", api_base=base, api_key=KEY)
        for reply in (
            refused(401, echo, "invalid_api_key"),
            refused(429, f"{echo} insufficient_quota"),
            refused(400, echo),
            refused(404, echo, "model_not_found"),
            Reply(status=307, headers={"location": "http://127.0.0.1:9/"}, body={}),
            Reply(events=[chunk("The "), json.dumps({"error": {"message": echo}})]),
            said("fine"),
        ):
            replies[:] = [reply]
            try:
                seen += [repr(piece) for piece in model.stream(PROMPT)]
            except ModelError as error:
                seen += [str(error), repr(error.params)]
        assert {request.headers["authorization"] for request in server.requests} == {SIGNED}
    for spec in ("openai:m", "ollama:m"):
        try:
            list(open_model(spec, api_base=base, api_key=KEY).stream(PROMPT))
        except ModelError as error:
            seen.append(str(error))
    seen += [repr(model), repr(vars(model)), caplog.text]
    assert "No model server answers at http://127" in "".join(seen) and len(caplog.records) > 9
    assert hidden(*seen), [line for text in seen for line in text.splitlines() if not hidden(line)]


def test_no_setting_no_choice_and_no_offer_shows_a_password(tmp_path: Path) -> None:
    with serving([said("x")], llama_cpp("m", 4096)) as server:
        base = signed(server.url)
        settings = load_settings({"model": "openai:m"}, {"PAGEWISE_API_BASE": base, "PAGEWISE_CHROMA_URL": base})
        [offer] = servers(base, KEY, ports=[], seconds=60)
    own, chosen = Own("openai:b", base), choice(offer)
    opened = connection(chosen, settings, None)
    assert (opened.api_base, opened.api_key) == (settings.api_base, settings.api_key.get_secret_value())
    shown = [repr(settings), str(settings), repr(own), repr(offer), chosen, label(chosen), repr(opened)]
    shown += [place(base), destination("openai:m", base.replace("127.0.0.1", "example.org"))]
    shown += [json.dumps(offers_json([offer])), *offers_lines([offer]), command(offer)]
    for value in (f"ftp://ann:{QUOTED}@h", f"http://ann:{QUOTED}@h /v1"):
        for name in ("PAGEWISE_API_BASE", "PAGEWISE_CHROMA_URL"):
            with pytest.raises(SettingsError) as wrong:
                load_settings({}, {name: value})
            shown.append(str(wrong.value))
    assert hidden(*shown), [text for text in shown if not hidden(text)]
    assert entered(server_url.shown(base), settings, None) == entered(server_url.shown(base), Settings(), own) == base


def test_neither_what_is_printed_nor_what_is_stored_has_a_password_of_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from app import composition

    monkeypatch.setattr(composition, "embedder", lambda settings: HashingEmbedder())
    make_pdf(tmp_path / "bridge.pdf", ["The bridge was opened in 1884. It crosses the river."])
    with serving([said("The bridge opened in 1884 [1]."), refused(401, "no")], llama_cpp("m", 4096)) as server:
        monkeypatch.setenv("PAGEWISE_API_BASE", signed(server.url))
        monkeypatch.setenv("PAGEWISE_MODEL", "openai:m")
        assert main.main(["ingest", str(tmp_path / "bridge.pdf")]) == 0
        for more in ([], [], ["--json"]):
            main.main(["ask", "When was the bridge opened?", *more])
        assert main.main(["models"]) == main.main(["models", "--json"]) == 0
        assert server.chats and all(request.headers["authorization"] == SIGNED for request in server.requests)
    main.main(["ask", "When was the bridge opened?"])
    printed = capfd.readouterr()
    assert "refused the key" in printed.err and "No model server answers" in printed.err and server.url in printed.out
    assert hidden(printed.out, printed.err)
    stored = [p.read_bytes().decode("latin-1") for p in tmp_path.rglob("*") if p.is_file() and p.name not in UNFILLED]
    assert hidden(*stored)


def test_an_embedder_s_server_gets_the_password_and_no_sentence_does() -> None:
    vectors = {"data": [{"index": 0, "embedding": [1.0, 0.0], "object": "embedding"}], "object": "list", "model": "m"}
    with serving([said("x")], {"/v1/embeddings": vectors}) as server:
        base = signed(server.url)
        assert open_embedder("openai:m", api_base=base, api_key=KEY).query("text").shape == (2,)
        assert [request.headers["authorization"] for request in server.requests] == [SIGNED] * 2
    refusing = {"/v1/embeddings": refused(401, f"no {base} {SIGNED}")}
    with serving([said("x")], refusing) as server, pytest.raises(EmbedderError) as wrong:
        open_embedder("openai:m", api_base=signed(server.url), api_key=KEY).query("text")
    assert hidden(str(wrong.value))


@pytest.mark.parametrize(
    ("base", "shown"),
    [
        ("http://ann:pw@host:8000/v1", "http://host:8000/v1"),
        ("https://pw@[::1]:8000/v1/", "https://[::1]:8000/v1/"),
        ("http://ann:p/w@host/v1", "http://host/v1"),
        ("http://ann:p@w@host", "http://host"),
        ("http://ann:p#w?x@host/v1", "http://host/v1"),
        ("ann:pw@localhost:1/v1", "localhost:1/v1"),
        ("http://ann:pw@/v1", "http:///v1"),
        ("https://host/v1?api-key=pw", "https://host/v1"),
        ("https://host/models/@cf/llama", "https://host/models/@cf/llama"),
        ("http://localhost:11434/v1", "http://localhost:11434/v1"),
        ("", ""),
    ],
)
def test_what_is_shown_of_an_address(base: str, shown: str) -> None:
    assert server_url.shown(base) == shown and "pw" not in server_url.place(base)
    assert server_url.full(base).endswith(base) and not server_url.basic(shown)
