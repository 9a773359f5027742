"""One process has a folder's vectors open; this is how it answers for the others of the same user, and how they ask.

A Unix socket beside the library's lock, open to its owner alone, and the other side's user is asked of the system. A
message is a length, a header of JSON and rows of float32 as they are: nothing that arrives is ever run. While an
answer takes long the owner says so every few seconds, so a silence means that it hangs, and nobody waits for that.
Knows neither Chroma nor the catalogue.
"""

import json
import os
import queue
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ingest import errors
from ingest.errors import LibraryError, PagewiseError, StorageFailed, WrongEmbedder

SILENCE = 30.0  # seconds without a word, after which the owner counts as hanging
_PULSE = 5.0  # seconds
_PROTOCOL = 1
_FRAME = struct.Struct("!II")  # bytes of the header, bytes of the rows
_MOST = 1 << 30  # bytes of either
_LONGEST_ADDRESS = 100  # bytes; the system's own limit is 104 or 108
POSSIBLE = hasattr(socket, "AF_UNIX")

Rows = NDArray[np.float32]
_NO_ROWS = np.zeros((0, 0), np.float32)


class Store(Protocol):
    """What is shared: the part of ingest/store/chroma.py that a library uses when it is open."""

    def add(self, ids: Sequence[str], document: str, vectors: Rows) -> None: ...
    def remove_document(self, document: str) -> None: ...
    def remove(self, ids: Sequence[str]) -> None: ...
    def count(self) -> int: ...
    def count_document(self, document: str) -> int: ...
    def ids(self) -> set[str]: ...
    def nearest(self, vector: Rows, k: int, documents: Sequence[str] | None = None) -> list[tuple[str, float]]: ...
    def close(self) -> None: ...


class OwnerGone(Exception):
    """The process that had the vectors open has ended, or closed them."""


class OwnerSilent(LibraryError):
    text = "The Pagewise that has the library in {folder} open has said nothing for {seconds:n second}."
    remedy = "Stop that program, then try again; nothing that was stored is lost."


class Host:
    """Answers others until it is closed. `store` gives what to ask; `embedder` is the one that it was filled by."""

    def __init__(self, address: Path, store: Callable[[], Store], embedder: str) -> None:
        """`address`: the file that says where the socket is. Raises OSError."""
        self._address, self._store, self._embedder = address, store, embedder
        self._closing = False
        self._threads: dict[threading.Thread, socket.socket] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path = _bind(self._socket, address.with_name("vectors.sock"))
            self._socket.listen(64)
            new = address.with_name(f"{address.name}.new")
            new.write_bytes(os.fsencode(self._path))
            new.replace(address)
        except BaseException:
            self._socket.close()
            raise
        self._listener = threading.Thread(target=self._listen, name="pagewise-share", daemon=True)
        self._listener.start()

    def close(self) -> None:
        """Ends all conversations, after the answers that are being worked on."""
        self._closing = True
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            knock.connect(str(self._path))
        self._listener.join(SILENCE)
        self._socket.close()
        for thread, connection in list(self._threads.items()):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # it reads no more, and then ends by itself
            thread.join(SILENCE)
        for file in (self._address, self._path):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        if self._path.parent != self._address.parent:
            with suppress(OSError):
                self._path.parent.rmdir()

    def _listen(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if self._closing or not _same_user(connection):
                connection.close()
                continue
            thread = threading.Thread(target=self._talk, args=(connection,), name="pagewise-share", daemon=True)
            self._threads[thread] = connection
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, OwnerGone, ValueError):
            while not self._closing:
                asked, rows = _receive(connection, patient=True)
                stop = threading.Event()
                pulse = threading.Thread(target=_pulse, args=(connection, stop), daemon=True)
                pulse.start()
                try:
                    answer = self._answer(asked, rows)
                finally:
                    stop.set()
                    pulse.join()
                _send(connection, answer)
        self._threads.pop(threading.current_thread(), None)

    def _answer(self, asked: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
        try:
            return {"said": self._do(asked, rows)}
        except PagewiseError as error:
            params = {name: str(value) for name, value in error.params.items()}
            return {"error": error.key, "params": params, "text": str(error)}
        except Exception as error:  # a fault of ours is told, not hidden in a thread
            return {"error": "", "text": f"{type(error).__name__}: {error}"[:300]}

    def _do(self, asked: Mapping[str, Any], rows: Rows) -> Any:
        match asked["do"]:
            case "hello":
                if asked["embedder"] != self._embedder:
                    raise WrongEmbedder(stored=self._embedder, wanted=asked["embedder"])
                return _PROTOCOL
            case "add":
                return self._store().add(asked["ids"], asked["document"], rows)
            case "remove_document":
                return self._store().remove_document(asked["document"])
            case "remove":
                return self._store().remove(asked["ids"])
            case "count":
                return self._store().count()
            case "count_document":
                return self._store().count_document(asked["document"])
            case "ids":
                return sorted(self._store().ids())
            case "nearest":
                return self._store().nearest(rows[0], asked["k"], asked["documents"])
            case other:
                raise StorageFailed(folder=self._address.parent, detail=f"this Pagewise does not know {other!r}")


class Guest:
    """A Store that asks the owner. Safe for threads: each question has a connection for itself.

    Every method raises OwnerGone, OwnerSilent, and what the owner's own store raised.
    """

    def __init__(self, address: Path, embedder: str) -> None:
        """Raises OwnerGone where nobody answers, OwnerSilent, WrongEmbedder."""
        self._address, self._embedder = address, embedder
        self._idle: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._idle.put(self._connect())

    def add(self, ids: Sequence[str], document: str, vectors: Rows) -> None:
        self._ask({"do": "add", "ids": list(ids), "document": document}, vectors)

    def remove_document(self, document: str) -> None:
        self._ask({"do": "remove_document", "document": document})

    def remove(self, ids: Sequence[str]) -> None:
        self._ask({"do": "remove", "ids": list(ids)})

    def count(self) -> int:
        return int(self._ask({"do": "count"}))

    def count_document(self, document: str) -> int:
        return int(self._ask({"do": "count_document", "document": document}))

    def ids(self) -> set[str]:
        return set(self._ask({"do": "ids"}))

    def nearest(self, vector: Rows, k: int, documents: Sequence[str] | None = None) -> list[tuple[str, float]]:
        among = None if documents is None else list(documents)
        found = self._ask({"do": "nearest", "k": k, "documents": among}, vector[np.newaxis, :])
        return [(str(id), float(score)) for id, score in found]

    def close(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _ask(self, question: Mapping[str, Any], rows: Rows = _NO_ROWS) -> Any:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect()
        try:
            said = self._said(connection, question, rows)
        except PagewiseError:
            self._idle.put(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
        return said

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(SILENCE)
            connection.connect(os.fsdecode(self._address.read_bytes()))
            if not _same_user(connection):
                raise OwnerGone
            if self._said(connection, {"do": "hello", "embedder": self._embedder}, _NO_ROWS) != _PROTOCOL:
                raise OwnerGone
            return connection
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise OwnerGone from error
            raise

    def _said(self, connection: socket.socket, question: Mapping[str, Any], rows: Rows) -> Any:
        try:
            _send(connection, question, rows)
            answer, _ = _receive(connection)
        except TimeoutError as error:
            connection.shutdown(socket.SHUT_RDWR)
            raise OwnerSilent(folder=self._address.parent, seconds=SILENCE) from error
        except (OSError, ValueError) as error:
            raise OwnerGone from error
        if "error" in answer:
            kind = getattr(errors, str(answer["error"]), None)
            if isinstance(kind, type) and issubclass(kind, PagewiseError):
                raise kind(**answer["params"])
            raise StorageFailed(folder=self._address.parent, detail=str(answer["text"]))
        return answer["said"]


def _bind(listener: socket.socket, wanted: Path) -> Path:
    """At `wanted`, or in a private folder of its own where that is too long, or on a disk without sockets."""
    if len(os.fsencode(wanted)) <= _LONGEST_ADDRESS:
        wanted.unlink(missing_ok=True)  # of an owner that was killed: the lock is ours
        with suppress(OSError):
            listener.bind(str(wanted))
            wanted.chmod(0o600)
            return wanted
    path = Path(tempfile.mkdtemp(prefix="pagewise-")) / "vectors.sock"
    listener.bind(str(path))
    path.chmod(0o600)
    return path


def _same_user(connection: socket.socket) -> bool:
    """Whether the other side is a process of this user, by the system's word."""
    if hasattr(socket, "SO_PEERCRED"):
        _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    elif sys.platform == "darwin":
        _, user = struct.unpack("2I", connection.getsockopt(0, 1, 76)[:8])  # LOCAL_PEERCRED: struct xucred
    else:
        return True  # what guards it is the socket's own permissions
    return bool(user == os.geteuid())


def _pulse(connection: socket.socket, stop: threading.Event) -> None:
    while not stop.wait(_PULSE):
        with suppress(OSError):
            connection.sendall(_FRAME.pack(0, 0))


def _send(connection: socket.socket, header: Mapping[str, Any], rows: Rows = _NO_ROWS) -> None:
    body = np.ascontiguousarray(rows, "<f4").tobytes()
    head = json.dumps({**header, "shape": rows.shape}).encode()
    connection.sendall(_FRAME.pack(len(head), len(body)) + head + body)


def _receive(connection: socket.socket, patient: bool = False) -> tuple[dict[str, Any], Rows]:
    """The next message that is no pulse. `patient`: it may be long in coming, though not in arriving.

    Raises OwnerGone at the end, OSError, ValueError for what is no message.
    """
    while True:
        connection.settimeout(None if patient else SILENCE)
        head, body = _FRAME.unpack(_exactly(connection, _FRAME.size))
        connection.settimeout(SILENCE)
        if head:
            break
    if max(head, body) > _MOST:
        raise ValueError("too long a message")
    header, rows = json.loads(_exactly(connection, head)), np.frombuffer(_exactly(connection, body), "<f4")
    try:
        return header, rows.reshape(header["shape"]).astype(np.float32)
    except (KeyError, TypeError) as error:
        raise ValueError("no message of ours") from error


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = connection.recv(min(size - len(found), 1 << 20))
        if not piece:
            raise OwnerGone
        found += piece
    return bytes(found)
