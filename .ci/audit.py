"""Compare what requirements.lock pins with the known vulnerabilities of the OSV database.

    make audit       exit code 0: nothing but accepted risks is known, or it could not look, and says so
                     1: a vulnerability that .ci/accepted-risks.toml does not accept, or accepts no longer
                     2: the list of accepted risks, a lock or the reply of the database makes no sense

AUDIT_DATABASE says whom to ask, such as https://api.osv.dev; without it nobody is asked, which is what a machine
without a network needs. Only names and versions are sent. Plain Python, so that the audit itself adds nothing to audit.
"""

import argparse
import datetime
import json
import os
import re
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-cuda.lock")
RISKS = ROOT / ".ci/accepted-risks.toml"
SECONDS = 30.0


@dataclass(frozen=True)
class Risk:
    """One entry of accepted-risks.toml. `id`: of OSV, GitHub or CVE."""

    id: str
    package: str
    reason: str
    accepted: datetime.date
    expires: datetime.date


@dataclass(frozen=True)
class Vulnerability:
    package: str
    version: str
    ids: frozenset[str]  # its id and its aliases
    summary: str


class UnreachableError(Exception):
    """The database gave no answer."""


class AuditError(Exception):
    """A file or a reply makes no sense."""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--database", default=os.environ.get("AUDIT_DATABASE", ""))
    options.add_argument("--lock", action="append", type=Path)
    options.add_argument("--risks", default=RISKS, type=Path)
    chosen = options.parse_args()
    try:
        risks = read_risks(chosen.risks)
        pins = {name: version for lock in chosen.lock or LOCKS for name, version in read_pins(lock).items()}
        found = find_vulnerabilities(chosen.database, pins)
    except UnreachableError as error:
        print(f"the audit could not look ({error}); whether anything is known about the {len(pins)} packages is open")
        return 0
    except AuditError as error:
        print(f"the audit failed: {error}")
        return 2
    return report(found, risks, len(pins))


def report(found: list[Vulnerability], risks: list[Risk], packages: int) -> int:
    today = datetime.date.today()
    used: set[Risk] = set()
    failed = False
    for each in sorted(found, key=lambda each: (each.package, min(each.ids))):
        title = f"{each.package} {each.version}: {', '.join(sorted(each.ids))}: {each.summary}"
        risk = next((r for r in risks if r.package == each.package and r.id in each.ids), None)
        if risk is None:
            print(f"VULNERABLE  {title}")
        elif risk.expires < today:
            print(f"EXPIRED     {title} (accepted until {risk.expires}: {risk.reason})")
        else:
            print(f"accepted    {title} (until {risk.expires}: {risk.reason})")
        failed = failed or risk is None or risk.expires < today
        used |= {risk} if risk else set()
    for risk in risks:
        if risk not in used:
            print(f"no longer needed: {risk.package} {risk.id}; take it out of the accepted risks")
    end = ", not all accepted" if failed else ""
    print(f"{packages} packages looked up, {len(found)} known vulnerabilities{end}")
    return int(failed)


def read_risks(path: Path) -> list[Risk]:
    """Raises AuditError."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("risk", [])
        risks = [Risk(**entry) for entry in entries]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise AuditError(f"{path.name}: {error}") from error
    for risk in risks:
        dates = (risk.accepted, risk.expires)
        if not all(type(day) is datetime.date for day in dates) or not str(risk.reason).strip():
            raise AuditError(f"{path.name}: {risk.id} needs a reason, and two dates")
    return risks


def read_pins(path: Path) -> dict[str, str]:
    """Raises AuditError where it is not there, or pins nothing."""
    try:
        pins = dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", path.read_text(), re.MULTILINE))
    except OSError as error:
        raise AuditError(f"{path.name}: {error.strerror}") from error
    if not pins:
        raise AuditError(f"{path.name} pins nothing")
    return pins


def find_vulnerabilities(database: str, pins: Mapping[str, str]) -> list[Vulnerability]:
    """Raises UnreachableError, AuditError."""
    if not database:
        raise UnreachableError("no database is named; AUDIT_DATABASE=https://api.osv.dev make audit asks OSV's")
    queries = [{"package": {"ecosystem": "PyPI", "name": name}, "version": version} for name, version in pins.items()]
    results = ask(f"{database}/v1/querybatch", {"queries": queries}).get("results")
    if not isinstance(results, list) or len(results) != len(pins) or not all(isinstance(r, dict) for r in results):
        raise AuditError("the database did not answer for every package")
    found = []
    for (name, version), result in zip(pins.items(), results, strict=True):
        if result.get("next_page_token"):
            raise AuditError(f"the database knows too much of {name} for one reply")
        for entry in result.get("vulns") or []:
            if not re.fullmatch(r"[\w.:-]+", str(entry.get("id"))):
                raise AuditError(f"the database gave {name} a vulnerability without an id")
            details = ask(f"{database}/v1/vulns/{entry['id']}")
            if not details.get("withdrawn"):
                ids = frozenset(map(str, [entry["id"], *(details.get("aliases") or [])]))
                summary = " ".join(str(details.get("summary") or "no summary").split())[:100]
                found.append(Vulnerability(name, version, ids, summary))
    return found


def ask(url: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON object at `url`. Raises UnreachableError, AuditError."""
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:
            value = json.load(reply)
    except urllib.error.HTTPError as error:
        if error.code == 429 or error.code >= 500:
            raise UnreachableError(f"{url} answers {error.code}") from error
        raise AuditError(f"{url} answers {error.code}") from error
    except ValueError as error:  # before OSError: a reply that is no JSON
        raise AuditError(f"{url} gave no JSON") from error
    except OSError as error:  # no name, no route, refused, too late
        raise UnreachableError(f"{url}: {getattr(error, 'reason', error)}") from error
    if not isinstance(value, dict):
        raise AuditError(f"{url} gave no object")
    return value


if __name__ == "__main__":
    sys.exit(main())
