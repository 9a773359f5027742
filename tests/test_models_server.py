"""The API model against a real server: `transformers serve` with a tiny model."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chains.errors import (
    UnknownModel,
)
from chains.model import Finish
from chains.models import open_model
from chains.prompt import Prompt
from tests.support.asking import PROMPT, broken, read
from tests.support.tiny import tiny


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """`transformers serve` with a tiny model on loopback: (its address, the model's name)."""
    folder = tiny(tmp_path_factory.mktemp("real") / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(folder)]
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder)},
        stdout=log,
        stderr=log,
    )
    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        process.kill()
        process.wait()
        log.close()


def test_a_real_server_streams_and_bills(real: tuple[str, str]) -> None:
    url, name = real
    model = open_model(f"openai:{name}", api_base=url)
    *pieces, last = model.stream(PROMPT)
    assert isinstance(last, Finish) and last.reason == "length"
    assert len([piece for piece in pieces if piece]) > 3
    assert last.usage.output_tokens == PROMPT.max_tokens and 0 < last.usage.input_tokens <= model.count(PROMPT)


def test_a_real_server_can_be_left_in_the_middle(real: tuple[str, str]) -> None:
    url, name = real
    model = open_model(f"openai:{name}", api_base=url)
    stream = model.stream(Prompt("answer", "question", "When?", "en", 500))
    assert next(piece for piece in stream if piece)
    stream.close()  # type: ignore[attr-defined]
    assert read(model)[1].reason == "length"


def test_a_real_server_refuses_an_unknown_model(real: tuple[str, str]) -> None:
    assert isinstance(broken(open_model("openai:nobody", api_base=real[0]))[1], UnknownModel)
