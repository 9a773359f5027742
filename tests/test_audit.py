"""The audit of what is pinned: what is known and not accepted fails it, and it says so where it cannot look."""

import datetime
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci/audit.py"
LOCK = "torch==2.13.0 \\\n    --hash=sha256:00\nhttpx2[http2]==1.5 ; sys_platform != 'x' \\\n    --hash=sha256:11\n"
TODAY = datetime.date.today()


class Database(BaseHTTPRequestHandler):
    """OSV's two calls, over loopback. `known`: package → vulnerability."""

    known: dict[str, dict[str, Any]] = {}  # noqa: RUF012  one server a test
    asked: list[Any] = []  # noqa: RUF012
    status = 200
    broken: str = ""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        results = []
        for query in body["queries"]:
            found = self.known.get(query["package"]["name"])
            results.append({"vulns": [{"id": found["id"], "modified": "2026"}]} if found else {})
        self.reply({"results": results})

    def do_GET(self) -> None:
        self.reply(next(each for each in self.known.values() if self.path == f"/v1/vulns/{each['id']}"))

    def reply(self, value: Any) -> None:
        content = self.broken.encode() or json.dumps(value).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in (("known", {}), ("asked", []), ("status", 200), ("broken", "")):
        monkeypatch.setattr(Database, name, value)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def audit(folder: Path, database: str, risks: str = "", lock: str = LOCK) -> tuple[int, str]:
    (folder / "some.lock").write_text(lock)
    (folder / "risks.toml").write_text(risks)
    options = ["--database", database, "--lock", str(folder / "some.lock"), "--risks", str(folder / "risks.toml")]
    ended = subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, text=True, timeout=60)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def risk(id: str = "CVE-2026-1", days: int = 10, package: str = "torch", reason: str = "It is not reached.") -> str:
    until = TODAY + datetime.timedelta(days)
    return f'[[risk]]\nid = "{id}"\npackage = "{package}"\nreason = "{reason}"\naccepted = {TODAY}\nexpires = {until}\n'


HOLE = {"id": "GHSA-aaaa", "aliases": ["CVE-2026-1"], "summary": "A hole"}


def test_every_pinned_version_is_looked_up_and_nothing_known_passes(tmp_path: Path, database: str) -> None:
    code, said = audit(tmp_path, database)
    assert (code, said) == (0, "2 packages looked up, 0 known vulnerabilities\n")
    assert Database.asked == [
        {
            "queries": [
                {"package": {"ecosystem": "PyPI", "name": "torch"}, "version": "2.13.0"},
                {"package": {"ecosystem": "PyPI", "name": "httpx2"}, "version": "1.5"},
            ]
        }
    ]


def test_a_vulnerability_that_is_not_accepted_fails_the_audit(tmp_path: Path, database: str) -> None:
    Database.known["torch"] = HOLE
    for risks in ("", risk("CVE-2026-2"), risk(package="httpx2")):
        code, said = audit(tmp_path, database, risks)
        assert code == 1 and "VULNERABLE  torch 2.13.0: CVE-2026-1, GHSA-aaaa: A hole" in said


@pytest.mark.parametrize("id", ["CVE-2026-1", "GHSA-aaaa"])
def test_an_accepted_risk_passes_until_it_expires(tmp_path: Path, database: str, id: str) -> None:
    Database.known["torch"] = HOLE
    code, said = audit(tmp_path, database, risk(id, days=0))
    assert code == 0 and "accepted    torch 2.13.0" in said and "It is not reached." in said
    code, said = audit(tmp_path, database, risk(id, days=-1))
    assert code == 1 and "EXPIRED     torch 2.13.0" in said


def test_a_risk_that_is_gone_is_said_to_be_no_longer_needed(tmp_path: Path, database: str) -> None:
    Database.known["torch"] = {**HOLE, "withdrawn": "2026-11-01T00:00:00Z"}
    code, said = audit(tmp_path, database, risk())
    assert code == 0 and "no longer needed: torch CVE-2026-1" in said


@pytest.mark.parametrize("status", [429, 503])
def test_a_database_that_cannot_answer_is_said_so_and_stops_nobody(tmp_path: Path, database: str, status: int) -> None:
    Database.status = status
    code, said = audit(tmp_path, database)
    assert code == 0 and f"the audit could not look ({database}/v1/querybatch answers {status})" in said


def test_a_database_that_is_not_there_is_said_so_and_stops_nobody(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}"
        for database in (nowhere, ""):  # nobody listens; none is named
            code, said = audit(tmp_path, database)
            assert code == 0 and "the audit could not look" in said and "2 packages is open" in said


@pytest.mark.parametrize("broken", ["<html>", "[]", '{"results": []}', '{"results": [{}, 7]}', '{"results": null}'])
def test_a_reply_that_makes_no_sense_does_not_pass(tmp_path: Path, database: str, broken: str) -> None:
    Database.broken = broken
    code, said = audit(tmp_path, database)
    assert code == 2 and "the audit failed" in said


@pytest.mark.parametrize(
    ("risks", "lock"),
    [
        ("[[risk]]\nid = 'CVE-2026-1'\n", LOCK),
        (risk(reason=" "), LOCK),
        (risk().replace(f"expires = {TODAY + datetime.timedelta(10)}", "expires = 'never'"), LOCK),
        ("no toml", LOCK),
        ("", "# nothing is pinned\n"),
    ],
)
def test_a_risk_without_reason_or_dates_and_a_lock_without_pins_do_not_pass(
    tmp_path: Path, database: str, risks: str, lock: str
) -> None:
    code, said = audit(tmp_path, database, risks, lock)
    assert code == 2 and "the audit failed" in said
