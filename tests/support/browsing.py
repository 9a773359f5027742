"""The app as a server process, and a browser to look at it with."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.conftest import CHROMIUM

FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
WAIT = 120_000  # milliseconds: a busy machine is no failure


@dataclass(frozen=True)
class App:
    url: str
    log: Path
    process: "subprocess.Popen[bytes]"


@contextmanager
def running(folder: Path, environment: Mapping[str, str]) -> Iterator[App]:
    """The app, its library and log in `folder`; stopped on leaving."""
    port, log = _free_port(), folder / "log"
    with log.open("ab") as out:
        command = [sys.executable, "-m", "app.cli.main", "run", "--port", str(port)]
        everything = {**os.environ, "PAGEWISE_DATA": str(folder / "library"), **environment}
        server = subprocess.Popen(command, cwd=folder, env=everything, stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                try:
                    with urllib.request.urlopen(f"{url}/health", timeout=2):
                        break
                except OSError:
                    assert server.poll() is None, log.read_text()
                    time.sleep(0.2)
            else:
                raise AssertionError(f"the app did not start: {log.read_text()}")
            yield App(url, log, server)
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """`flags`: further ones of Chromium's command line."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS.split(), *flags])
        yield started
        started.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
