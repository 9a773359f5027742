"""What is installed: no version below its first safe one, and the locks hold exactly what the suite was run with."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
# The first versions without a hole that matters here. torch, chromadb: what is pinned now, since their newest fixes
# came with no release that an advisory names.
FLOORS = {
    "chromadb": "1.5.9",
    "jinja2": "3.1.6",  # sandbox escapes, CVE-2025-27516
    "langchain-core": "1.7",  # CVE-2025-68664 and CVE-2026-34070 are older
    "pillow": "12.3",
    "pypdf": "7.0",  # about 40 fixes since 6.0
    "python-multipart": "0.0.31",  # CVE-2026-24486 and later
    "sentence-transformers": "6.0",  # CVE-2026-68770
    "starlette": "1.3",  # CVE-2026-54282
    "torch": "2.13",
    "transformers": "5.10",  # CVE-2026-9856
}


def project() -> dict[str, Requirement]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return {canonicalize_name(each.name): each for each in map(Requirement, told)}


def pins(file: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;\\]+)", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("name", FLOORS)
def test_every_floor_stands_in_the_project_and_under_the_pins(name: str) -> None:
    lowest = [each.version for each in project()[name].specifier if each.operator in (">=", "==")]
    assert len(lowest) == 1 and Version(lowest[0]) >= Version(FLOORS[name])
    for file in ("constraints.txt", "requirements.lock"):
        assert Version(pins(file)[name]) >= Version(lowest[0]), file


def test_every_pin_satisfies_the_project() -> None:
    pinned = pins("constraints.txt")
    for name, requirement in project().items():
        assert requirement.specifier.contains(pinned[name]), name


# What only other systems than the suite's install.
ELSEWHERE = {"colorama": "os_name == 'nt'", "httpx2-jsfetch": "sys_platform == 'emscripten'"}


def test_the_lock_pins_what_the_suite_was_run_with() -> None:
    locked = pins("requirements.lock")
    assert {name: version for name, version in locked.items() if name not in ELSEWHERE} == pins("constraints.txt")
    text = (ROOT / "requirements.lock").read_text()
    for name, condition in ELSEWHERE.items():
        assert re.search(rf"^{name}==.*{re.escape(condition)}", text, re.MULTILINE)


def test_the_lock_of_cuda_pins_only_what_the_cpu_build_of_torch_needs_not() -> None:
    names = pins("requirements-cuda.lock")
    assert names and all(name.startswith(("cuda-", "nvidia-")) or name == "triton" for name in names)
    assert not names.keys() & pins("requirements.lock").keys()


@pytest.mark.parametrize("file", ["requirements.lock", "requirements-cuda.lock"])
def test_every_entry_of_a_lock_has_a_hash_and_no_address(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[^\s#])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(file))
    for entry in entries:
        head, *hashes = entry.rstrip().split(" \\\n    --hash=")
        assert "==" in head and hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), head
    assert "//" not in text and "--index" not in text and "@" not in text


def test_both_builds_of_torch_are_in_the_lock() -> None:
    """The CPU build that the suite is run with lies on an index of its own; the others are those of the index."""
    entry = re.search(r"^torch==.*\n(?: .*\n)*", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert entry
    assert "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b" in entry[0]  # +cpu, CPython 3.11, x86-64
    assert entry[0].count("sha256:") > 20
