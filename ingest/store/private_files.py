"""The library's files are for their owner alone: 0600, folders 0700, whatever the umask was when they were made.

Only what Pagewise itself writes is touched. A person may have put the library into a folder with other things in it,
or may have named one, such as a home folder or /tmp, that must stay as it is.
"""

import os
import re
import stat
from pathlib import Path

_OTHERS = 0o077
_OURS = re.compile(
    r"(catalogue|places|replies|vectors)\.sqlite3.*|conversations\.db.*|catalogue\.mark|chroma|chroma\.seal|files|incoming"
    r"|(write\.)?lock(\.owner|\.socket(\.new)?)?|vectors\.sock|speeds\.json|prices\.toml"
)
_STORED = re.compile(r"[0-9a-f]{64}\.(pdf|json)|incoming-.*\.part")


def make_private(folder: Path) -> tuple[bool, bool]:
    """Takes the rights of others away from the library's files in `folder`, and from itself if it holds nothing else.

    Returns whether anything was open to others, and whether the folder still is. Raises OSError.
    """
    names = os.listdir(folder)
    was_open = False
    for name in names:
        if _OURS.fullmatch(name):
            was_open |= _close_to_others(folder / name)
            if name == "files":
                for stored in filter(_STORED.fullmatch, os.listdir(folder / name)):
                    was_open |= _close_to_others(folder / name / stored)
            elif name in ("chroma", "incoming"):
                was_open |= _close_tree(folder / name)
    found = folder.stat()
    if not found.st_mode & _OTHERS:
        return was_open, False
    is_ours = found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX and all(map(_OURS.fullmatch, names))
    if is_ours:
        folder.chmod(0o700)
    return True, not is_ours


def _close_tree(folder: Path) -> bool:
    was_open = False
    for parent, folders, files in os.walk(folder):  # follows no link
        for name in (*folders, *files):
            was_open |= _close_to_others(Path(parent) / name)
    return was_open


def _close_to_others(path: Path) -> bool:
    """Whether others had a right to it, which they have no more."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or not found.st_mode & _OTHERS or found.st_uid != os.geteuid():
            return False
        path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
    except FileNotFoundError:  # a log of SQLite, which comes and goes
        return False
    return not stat.S_ISSOCK(found.st_mode)
