"""Opens files that a person named, so that nothing but a regular file is ever read, and no more of it than allowed.

A name says nothing about what stands behind it a moment later: a PDF that was listed may be a pipe when it is opened,
and opening a pipe waits until somebody writes to it. So the checks are made on the open file, not on the name.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from ingest.errors import EmptyFile, FileUnreadable, OutsideLinkError, TooLarge

_PIECE = 1 << 20  # bytes


class NotRegularFileError(OSError):
    """A folder, a pipe, a socket or a device."""


def open_regular_file(path: Path) -> BufferedReader:
    """Open for reading without waiting. Raises OSError, as `open` does, and NotRegularFileError."""
    try:
        _require_regular(os.stat(path))  # opening a device can already set it to work
        # Without O_NONBLOCK, opening a pipe that took the file's place would wait for a writer.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error)) from error
    try:
        _require_regular(os.fstat(handle))
        os.set_blocking(handle, True)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def open_document(path: Path, max_mb: int | None = None, folder: Path | None = None) -> BinaryIO:
    """A document, open for reading. Raises FileUnreadable, EmptyFile, TooLarge or OutsideLinkError.

    `max_mb`: None inside a worker, whose memory and time are limited instead. `folder`: what the file must lie in,
    wherever links lead; None: anywhere.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_regular_file(path))
            about = os.fstat(file.fileno())
            if folder is not None and not _is_same_file_inside(about, path, folder):
                raise OutsideLinkError(link=path)
        except OSError as error:
            raise FileUnreadable(detail=error.strerror or str(error)) from error
        if about.st_size == 0:
            raise EmptyFile()
        if max_mb is not None and about.st_size > max_mb * 1_000_000:
            raise TooLarge(megabytes=about.st_size / 1_000_000, limit=max_mb)
        stack.pop_all()
        return file


def leads_outside(path: Path, folder: Path) -> bool:
    """Whether `path`, with every link followed, does not lie in `folder`."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_pieces(file: BinaryIO, max_mb: int) -> Iterator[bytes]:
    """The rest of the file in pieces. Raises FileUnreadable, and TooLarge if it has grown past `max_mb`."""
    left = max_mb * 1_000_000
    while True:
        try:
            piece = file.read(_PIECE)
        except OSError as error:
            raise FileUnreadable(detail=error.strerror or str(error)) from error
        if not piece:
            return
        left -= len(piece)
        if left < 0:
            raise TooLarge(megabytes=os.fstat(file.fileno()).st_size / 1_000_000, limit=max_mb)
        yield piece


def hash_file(file: BinaryIO, max_mb: int) -> str:
    """SHA-256 in hex. Raises as `read_pieces` does."""
    digest = hashlib.sha256()
    for piece in read_pieces(file, max_mb):
        digest.update(piece)
    return digest.hexdigest()


def _is_same_file_inside(about: os.stat_result, path: Path, folder: Path) -> bool:
    """Whether the open file lies in `folder`. A link may have been changed since, so its inode decides."""
    return not leads_outside(path, folder) and os.path.samestat(os.lstat(os.path.realpath(path)), about)


def _require_regular(about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise NotRegularFileError(errno.EINVAL, "it is not a regular file")
