"""The files that settings are read from: whose they are, and which of a stranger's the person has agreed to.

A folder that somebody got from elsewhere may hold a `pagewise.toml`. It may tune, and it may choose where text goes or
what reads it only after the person agreed to exactly these bytes at exactly this place.
"""

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ingest.text_file import TOML_BYTES, decode_text, open_input, parse_toml, read_bounded

FILE = "pagewise.toml"
_AGREED = "agreed-files.json"  # in the user's configuration folder: {absolute path: SHA-256 of the bytes}


@dataclass(frozen=True)
class SettingsFile:
    """A file as it was read, once: `values` were parsed from the very bytes that `sha256` is of."""

    path: Path  # absolute
    values: Mapping[str, object]
    sha256: str
    private: bool  # in the user's configuration folder, and nobody else can write it


def config_folder() -> Path:
    """The user's own configuration folder, which may not be there yet."""
    return Path(platformdirs.user_config_dir("pagewise", appauthor=False)).absolute()


def user_file() -> Path:
    """The user's own settings file, which may not be there."""
    return config_folder() / FILE


def read_settings_file(path: Path) -> SettingsFile:
    """Read and parse a file. Raises TextFileError."""
    folder = path.parent.resolve()
    with open_input(path) as file:
        content = read_bounded(file, TOML_BYTES)
        status = os.fstat(file.fileno())
    return SettingsFile(
        folder / path.name,
        parse_toml(decode_text(content)),
        hashlib.sha256(content).hexdigest(),
        folder == config_folder().resolve() and _is_private(status),
    )


def is_agreed(file: SettingsFile) -> bool:
    """Whether the person agreed to this file as it is now."""
    return _read_agreed().get(str(file.path)) == file.sha256


def agree_to(file: SettingsFile) -> None:
    """Remember the agreement, in place of an older one to a file of this path. Raises OSError."""
    folder = config_folder()
    folder.mkdir(0o700, parents=True, exist_ok=True)
    agreed = {**_read_agreed(), str(file.path): file.sha256}
    handle, name = tempfile.mkstemp(dir=folder, prefix=f".{_AGREED}.")  # 0600
    try:
        with open(handle, "w", encoding="utf-8") as written:
            json.dump(agreed, written, indent=1, sort_keys=True)
            written.flush()
            os.fsync(written.fileno())
        os.replace(name, folder / _AGREED)
    except BaseException:
        os.unlink(name)
        raise


def _read_agreed() -> dict[str, str]:
    """The agreements; none where the file cannot be read, or where somebody else could have written it."""
    try:
        with (config_folder() / _AGREED).open("rb") as file:
            found = json.load(file) if _is_private(os.fstat(file.fileno())) else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(path): str(sha256) for path, sha256 in found.items()} if isinstance(found, dict) else {}


def _is_private(status: os.stat_result) -> bool:
    """Whether only this user can write it. Windows keeps no such bits: there the user's profile is trusted."""
    if os.name != "posix":
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
