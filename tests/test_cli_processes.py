"""The command in processes of its own: the app it serves, the real embedder, and signals."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.harbour import harbour_pdfs

CHAINS = ("stuff", "map_reduce", "refine", "map_rerank")


@pytest.fixture(scope="module")
def pdfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harbour_pdfs(tmp_path_factory.mktemp("pdfs"))


def test_run_serves_the_app_on_loopback_and_stops_with_ctrl_c(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("pagewise"), "run", "--port", str(port)], stdout=out, stderr=out
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as r,
            ):
                assert r.status == 200 and "content-security-policy" in r.headers
                break
            time.sleep(0.2)
        assert f"Pagewise: http://127.0.0.1:{port} " in log.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0 and "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(900)  # it loads torch twice, which a busy machine makes long
def test_the_command_in_processes_of_its_own_with_the_real_embedder(pdfs: Path, tmp_path: Path) -> None:
    """Ingest, list, ask by every chain, search a file of questions, remove: as a script would, nothing replaced."""

    def run(*arguments: object, stdin: str = "") -> Any:
        done = subprocess.run(
            [Path(sys.executable).with_name("pagewise"), *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    data = ("--data", tmp_path / "real", "--json")
    [added] = run("ingest", pdfs, *data)
    assert [one["status"] for one in added["documents"]] == ["added", "added"]
    [listed] = run("list", *data)
    assert {one["id"] for one in listed["documents"]} == {one["id"] for one in added["documents"]}
    for chain in CHAINS:
        [said] = run("ask", "公司2020年的营业收入是多少？", "--chain", chain, *data)
        assert "3.2亿元" in said["answer"] and said["citations"][0]["verified"] is True
    questions = '{"id": 1, "question": "Who looked after the light?"}\n{"id": 2, "question": "董事长"}\n'
    found = run("search", "--from", "-", *data[:2], stdin=questions)
    assert [line["passages"][0]["document"] for line in found] == ["harbour.PDF", "report.pdf"]
    [gone] = run("remove", "harbour.PDF", *data)
    assert gone["removed"] is True and len(run("list", *data)[0]["documents"]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_signal_ends_a_running_command_with_130(pdfs: Path, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("pagewise")
    process = subprocess.Popen(
        [command, "search", "--from", "-", "--data", tmp_path / "real"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write('{"id": 1, "question": "营业收入"}\n')
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1  # a pipe is answered line by line
    time.sleep(0.2)  # now it waits for the next line
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    process.stdin.close()
    process.stdout.close()
