"""The suite's own guard: nothing but loopback can be reached, here and in every Python process that is started."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TRY = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"  # TEST-NET-1: nobody's address


def _forget_the_attempt() -> None:
    Path(os.environ["OFFLINE_GUARD"]).write_text("")  # this attempt was meant


def test_this_process_reaches_no_network() -> None:
    with pytest.raises(OSError, match="loopback only"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(OSError, match="loopback only"):
        socket.getaddrinfo("example.com", 80)
    _forget_the_attempt()


def test_a_started_process_reaches_no_network_and_is_told_on() -> None:
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "loopback only" in done.stderr
    assert "192.0.2.1" in Path(os.environ["OFFLINE_GUARD"]).read_text()
    _forget_the_attempt()


def test_loopback_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_no_setting_or_home_of_the_person_who_runs_the_suite() -> None:
    assert sorted(name for name in os.environ if name.startswith("PAGEWISE_")) == ["PAGEWISE_DATA", "PAGEWISE_OCR"]
    assert "pagewise-tests-" in os.path.expanduser("~")
