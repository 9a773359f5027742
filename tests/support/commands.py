"""The `pagewise` command in this process, for tests of what it prints."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.cli import main
from tests.support.fakes import HashingEmbedder

CHAINS = ("stuff", "map_reduce", "refine", "map_rerank")

SUMMARIES = ("stuff", "map_reduce", "refine", "recursive")

Run = Callable[..., tuple[int, str, str]]


def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """For a fixture: the command in this process, with a small embedder; (exit code, stdout, stderr)."""
    monkeypatch.setattr("app.composition.open_embedder", lambda *_, **__: HashingEmbedder())

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        try:
            code = main.main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    return run


def value(done: tuple[int, str, str], code: int = 0) -> Any:
    """The one JSON value on stdout."""
    assert done[0] == code, done
    assert done[1].count("\n") == 1 and done[1].endswith("\n")
    return json.loads(done[1])
