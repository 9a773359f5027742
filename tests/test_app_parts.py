"""The app's parts that need no screen: choices, uploads, the server's options."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app import model_choice
from app import uploads as uploads_module
from app.views import upload
from app.web.streamlit_options import options
from ingest.pipeline import Progress, Result
from ingest.store.incoming import LOCK, MANIFEST
from settings import Settings

FOLDER = Path("nowhere")


@pytest.mark.parametrize(
    ("spec", "base", "host"),
    [
        ("extractive", "https://a.example", ""),
        ("local:/models/x", "https://a.example", ""),
        ("openai:gpt", "", "api.openai.com"),
        ("openai:gpt", "https://a.example/v1", "a.example"),
        ("openai:gpt", "http://10.1.2.3:8000/v1", "10.1.2.3:8000"),
        ("openai:gpt", "http://127.0.0.1:11434/v1", ""),
        ("openai:gpt", "http://[::1]:1/v1", ""),
        ("openai:gpt", "http://localhost:1/v1", ""),
        ("openai:gpt", "http://localhost.evil.example/v1", "localhost.evil.example"),
        ("openai:gpt", "http://127.0.0.1.evil.example/v1", "127.0.0.1.evil.example"),
        ("other:x", "", "other"),
    ],
)
def test_where_text_goes_is_said(spec: str, base: str, host: str) -> None:
    assert model_choice.destination(spec, base) == host


def test_the_settings_key_goes_to_the_settings_address_alone() -> None:
    settings = Settings.model_validate(
        {"data": FOLDER, "model": "openai:a", "api_base": "https://ours.example/v1", "api_key": "planted-key"}
    )
    own = model_choice.Own("openai:b", "https://theirs.example/v1")
    assert model_choice.connection("openai:a", settings, own).api_key == "planted-key"
    assert model_choice.connection("openai:b", settings, own).api_key == ""
    assert model_choice.connection("openai:b", settings, replace(own, api_key="mine")).api_key == "mine"
    assert (
        model_choice.connection("openai:b", settings, replace(own, api_base=settings.api_base)).api_key == "planted-key"
    )
    elsewhere = replace(own, spec="anthropic:b", api_base=settings.api_base)
    assert model_choice.connection("anthropic:b", settings, elsewhere).api_key == ""
    assert "planted-key" not in repr(model_choice.connection("openai:a", settings, own))


def test_every_model_is_offered_once() -> None:
    settings = Settings.model_validate({"data": FOLDER})
    assert model_choice.models(settings, None) == ["extractive"]
    assert model_choice.models(settings, model_choice.Own("openai:b")) == ["extractive", "openai:b"]


@dataclass
class Sent:
    name: str
    content: bytes

    def getbuffer(self) -> memoryview:
        return memoryview(self.content)


@pytest.mark.parametrize(
    "name", ["../../x.pdf", "..\\x.pdf", "/etc/passwd", "a\x00b.pdf", "n" * 300 + ".pdf", "年报\u202e.pdf", "CON", ""]
)
def test_a_name_is_never_a_path(name: str, tmp_path: Path) -> None:
    uploads = uploads_module.receive([Sent(name, b"%PDF-1"), Sent(name, b"%PDF-1")], tmp_path / "in")
    assert [upload.name for upload in uploads] == [name, name]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    beside = [path for path in written if path.name in (LOCK, MANIFEST)]
    assert sorted(written) == sorted([*beside, *(upload.path for upload in uploads)]) and len(beside) == 2
    assert all(path.parent.parent == tmp_path / "in" for path in written)


def test_how_far_it_is_only_grows() -> None:
    done = Result("a", "1", "added", 2, (), 1)
    events: list[Progress | Result] = []
    shares = [0.0]
    told: list[Progress | Result] = [
        *(Progress("a", "reading", n, 2) for n in (0, 1, 2)),
        *(Progress("a", "embedding", n, 3) for n in (0, 3)),
        Progress("a", "storing", 0, 1),
        done,
        Progress("b", "reading", 0, 0),
        done,
    ]
    for event in told:
        events.append(event)
        shares.append(uploads_module.state(events, 2).share)
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_pages_are_named_in_ranges() -> None:
    assert upload.ranges((1, 2, 3, 7, 9, 10)) == "1–3, 7, 9–10"
    assert upload.ranges(tuple(range(1, 99, 2)), 3) == "1, 3, 5…"


def test_the_server_is_started_closed() -> None:
    found = options(Settings.model_validate({"data": FOLDER, "max_file_mb": 7}))
    assert found["server.address"] == "127.0.0.1"
    assert found["server.maxUploadSize"] == "7"
    assert found["server.enableXsrfProtection"] == found["server.enableCORS"] == "true"
    assert found["browser.gatherUsageStats"] == "false"
    assert found["client.showErrorDetails"] == "none"
    assert found["server.fileWatcherType"] == "none"
