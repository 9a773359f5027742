"""Write requirements.lock and requirements-cuda.lock: what constraints.txt pins, with the hashes of all its files.

    make lock        (needs the network)

Versions come from constraints.txt, hashes from the package index for every platform. torch is the exception: its CPU
build may lie on an index of its own, so that the hash of the build which pip chooses here is added, and hashes that
the present lock has for the same version are kept. requirements-cuda.lock has what only torch's CUDA build needs.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK, CUDA_LOCK = ROOT / "requirements.lock", ROOT / "requirements-cuda.lock"
CUDA_PACKAGES = ("cuda-", "nvidia-", "triton==")
HEADER = "# Made by `make lock` from pyproject.toml and constraints.txt; read by `make exact`. Do not edit.\n"
COMPILE = (
    *("uv", "pip", "compile", "pyproject.toml", "--extra", "dev", "--constraint", "constraints.txt", "--quiet"),
    *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"),
)


def main() -> None:
    compiled = subprocess.run(COMPILE, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    entries = re.split(r"^(?=\S)", compiled, flags=re.MULTILINE)[1:]
    kept = LOCK.read_text() if LOCK.exists() else ""
    entries = [add_hashes(entry, kept) if entry.startswith("torch==") else entry for entry in entries]
    LOCK.write_text(HEADER + "".join(entry for entry in entries if not entry.startswith(CUDA_PACKAGES)))
    CUDA_LOCK.write_text(HEADER + "".join(entry for entry in entries if entry.startswith(CUDA_PACKAGES)))


def add_hashes(entry: str, kept: str) -> str:
    """torch's entry with the hashes of `kept` for the same version, and of the build that pip chooses here."""
    requirement = entry.split()[0]
    former = re.search(rf"^{re.escape(requirement)}[ \\].*\n(?: .*\n)*", kept, re.MULTILINE)
    hashes = set(re.findall(r"sha256:\w{64}", entry + (former[0] if former else "")))
    with tempfile.TemporaryDirectory() as folder:
        download = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement)
        subprocess.run(download, check=True)
        for wheel in Path(folder).iterdir():
            with wheel.open("rb") as file:
                hashes.add(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
    return " \\\n    ".join([requirement, *(f"--hash={value}" for value in sorted(hashes))]) + "\n"


if __name__ == "__main__":
    main()
