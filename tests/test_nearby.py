"""Model servers on this machine: found in half a second whatever they do, and asked nothing that could hurt."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.cli import main
from app.cli.arguments import parser
from app.model_discovery import FRESH, Offers, command, offers_lines
from chains.models import open_model
from chains.models.remote import discovery
from chains.models.remote.discovery import Offer, cached, servers
from tests.support.asking import KEY, read
from tests.support.servers import Reply, Scripted, llama_cpp, ollama, said, serving

EVER = 60.0  # seconds; a machine may be busy


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found must not depend on how busy the machine is; how long it takes is tried by itself."""
    search = discovery.servers
    monkeypatch.setattr(discovery, "servers", lambda *given, **how: search(*given, **{**how, "seconds": EVER}))


def port(server: Scripted) -> int:
    return urlsplit(server.root).port or 0


def found(*asked: Scripted, **how: str) -> list[Offer]:
    return servers(ports=[port(server) for server in asked], seconds=EVER, **how)


def test_an_ollama_with_its_models_and_their_windows() -> None:
    there = {"qwen3:8b": 40960, "nomic-embed-text": 2048, "gpt-oss:120b-cloud": 131072}  # the last runs elsewhere
    with serving([said("x")], ollama(there, loaded={"qwen3:8b": 16384})) as up:
        assert found(up) == [Offer("openai:qwen3:8b", up.url, "Ollama", 16384)]


def test_a_llama_cpp_server() -> None:
    with serving([said("x")], llama_cpp("model.gguf", 3000)) as up:
        assert found(up) == [Offer("openai:model.gguf", up.url, "llama.cpp", 3000)]


def test_all_that_are_up_are_found_and_each_can_be_asked() -> None:
    with (
        serving([said("from ollama")], ollama({"a": 4096})) as one,
        serving([said("from llama.cpp")], llama_cpp("b", 2048)) as other,
    ):
        offers = found(one, other)
        texts = [read(open_model(offer.model, api_base=offer.api_base))[0] for offer in offers]
    assert texts == ["from ollama", "from llama.cpp"]


def test_nobody_is_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert servers(ports=[free.getsockname()[1]]) == []


NOTHING: Mapping[str, Reply] = {
    "html": Reply(body="<html>It works!</html>"),
    "not a list": Reply(body={"data": {"id": "x"}}),
    "no entries": Reply(body={"data": [5, None, {}, {"id": 7}, {"id": ""}, {"id": "a\x1b[31m"}, {"id": "x" * 500}]}),
    "an error": Reply(status=500, body={"data": [{"id": "x"}]}),
    "cut": Reply(body={"data": [{"id": "x"}]}, cut=True),
    "endless": Reply(body="[" * 3_000_000),
    "deep": Reply(body="[" * 200_000),
}


@pytest.mark.parametrize("name", NOTHING)
def test_one_that_answers_nonsense_is_not_offered(name: str) -> None:
    with serving([said("x")], {"/v1/models": NOTHING[name]}) as odd, serving([said("x")], ollama({"a": 4096})) as up:
        assert [offer.model for offer in found(odd, up)] == ["openai:a"]


@pytest.mark.parametrize("how", ["silent", "slow", "listens only"])
def test_one_that_hangs_holds_up_nothing(how: str) -> None:
    slow = {
        "silent": Reply(body={"data": []}, before=600),
        "slow": Reply(events=["{" for _ in range(1000)], pause=0.1),
        "listens only": Reply(),
    }[how]
    with serving([said("x")], {"/v1/models": slow}) as hung, socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        asked = mute.getsockname()[1] if how == "listens only" else port(hung)
        before = time.monotonic()
        assert servers(ports=[asked]) == []
        assert time.monotonic() - before < 5  # half a second, on a machine that does something else as well
        until = time.monotonic() + 30
        while any(thread.name == "nearby" for thread in threading.enumerate()):
            assert time.monotonic() < until  # what asked has ended too
            time.sleep(0.02)


def test_no_redirect_is_followed() -> None:
    with serving([said("x")], ollama({"stolen": 4096})) as other:
        there = Reply(status=302, headers={"location": f"{other.url}/models"}, body={})
        with serving([said("x")], {"/v1/models": there}) as up:
            assert found(up) == [] and not other.requests


def test_the_key_goes_to_its_own_address_alone() -> None:
    with serving([said("x")], ollama({"a": 4096})) as one, serving([said("x")], ollama({"b": 4096})) as own:
        offers = found(one, api_base=own.url, api_key=KEY)
        assert {offer.model for offer in offers} == {"openai:a", "openai:b"}
        assert KEY not in str([request.headers for request in one.requests])
        assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in own.requests)


def test_an_address_that_is_usual_too_is_asked_once() -> None:
    with serving([said("x")], ollama({"a": 4096})) as up:
        base = up.url.replace("127.0.0.1", "localhost")
        assert [offer.api_base for offer in found(up, api_base=base)] == [base]


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1/v1", True),
        ("http://127.8.8.8/v1", True),
        ("http://localhost.example.com/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://169.254.169.254/", False),
        ("https://api.openai.com/v1", False),
        ("http://0.0.0.0:8000", False),
    ],
)
def test_only_this_machine_is_asked(url: str, here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(discovery._Asker, "ask", lambda asker, until: asked.append(asker.base))
    servers(api_base=url, ports=[])
    assert (discovery.on_loopback(url), len(asked)) == (here, int(here))


# ---- the hub's cache


def cache(folder: Path, name: str, config: dict[str, Any], weights: str = "model.safetensors") -> None:
    repository = folder / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text(json.dumps(config))
    (snapshot / weights).write_bytes(b"0" * 1000)


def test_what_lies_in_the_hub_s_cache_and_writes(tmp_path: Path) -> None:
    cache(tmp_path, "Qwen/Qwen3-4B", {"architectures": ["Qwen3ForCausalLM"], "max_position_embeddings": 40960})
    cache(tmp_path, "BAAI/bge-m3", {"architectures": ["XLMRobertaModel"]})
    cache(tmp_path, "old/pickled", {"architectures": ["LlamaForCausalLM"]}, "pytorch_model.bin")
    (tmp_path / "models--half--there").mkdir()
    assert cached(tmp_path) == [Offer("local:Qwen/Qwen3-4B", context=40960, size=1000)]
    assert cached(tmp_path / "nothing") == []


# ---- the command, and looking without waiting


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A server in the place of all that may run on this machine."""
    with serving([said("fine")], ollama({"qwen3:8b": 40960})) as server:
        monkeypatch.setattr(discovery, "USUAL", {port(server): "Ollama"})
        yield server


def test_models_says_what_to_type(up: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["models"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("extractive  (picks and quotes sentences; no language model)\n")
    assert f'PAGEWISE_API_BASE={up.url} pagewise ask "…" --model openai:qwen3:8b' in out
    for typed in re.findall(r"pagewise (ask .*)", out):
        parser().parse_args([part.strip('"') for part in typed.split()])


def test_models_as_json(up: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["models"]
    assert listed[0] == {"model": "extractive", "api_base": "", "server": "", "context": 0, "size": 0}
    assert listed[1] == {
        "model": "openai:qwen3:8b",
        "api_base": up.url,
        "server": "Ollama",
        "context": 4096,
        "size": 0,
    }


def test_a_name_that_is_a_command_is_quoted() -> None:
    offer = Offer("openai:x; rm -rf ~ $(touch /tmp/x)", "http://127.0.0.1:1/v1", "")
    assert command(offer).endswith("--model 'openai:x; rm -rf ~ $(touch /tmp/x)'")
    assert offers_lines([offer])[1].strip() == command(offer)


def test_looking_never_waits_and_finds_what_came_meanwhile() -> None:
    go, searched = threading.Event(), []

    def search() -> list[Offer]:
        searched.append(1)
        assert go.wait(30)
        return [Offer("openai:a", "http://127.0.0.1:1/v1")]

    offers = Offers(search)
    assert offers.look() == () and offers.look() == () and offers.searching
    go.set()
    until = time.monotonic() + 30
    while offers.searching:
        assert time.monotonic() < until
        time.sleep(0.005)
    assert [offer.model for offer in offers.look()] == ["openai:a"] and searched == [1]
    offers._at -= FRESH
    offers.look()  # what is old is looked for again
    while len(searched) < 2:
        assert time.monotonic() < until
        time.sleep(0.005)
