"""A file that asks for a password → a copy that asks for none, which is what the library then keeps.

The password goes to a worker (see sandbox.py) through its stdin and is kept nowhere.
"""

import base64
import binascii
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ingest.errors import FileUnreadable, ReaderCrashed, ReadError, StorageFailed, WrongPassword
from ingest.pdf.sandbox import Casualty, Limits, in_worker
from ingest.safe_open import open_document, read_pieces
from ingest.text_file import PASSWORDS_BYTES, TextFileError, decode_text, open_input, read_bounded

_PIECE = 4_000_000  # bytes; in base64 within a worker's longest line
_ENCRYPT = b"/Encrypt"


def read_passwords(file: Path) -> list[tuple[str, str]]:
    """(name of a file, "" for any; password), from lines "password" or "name<TAB>password". Raises FileUnreadable.

    `file`: "-" is standard input.
    """
    try:
        with open_input(file) as opened:
            lines = decode_text(read_bounded(opened, PASSWORDS_BYTES)).splitlines()
    except TextFileError as error:
        raise FileUnreadable(detail=f"{file}: {error}") from error
    parts = [line.partition("\t") for line in lines if line]
    return [(name, password) if tab else ("", name) for name, tab, password in parts]


def passwords_for(name: str, known: Sequence[tuple[str, str]]) -> list[str]:
    """Those to try on a file of this name: its own first."""
    own = [password for given, password in known if given == name]
    return list(dict.fromkeys(own + [password for given, password in known if not given]))


def is_encrypted(path: Path, limits: Limits) -> bool:
    """Whether the file says that it is; most that do ask for no password. Cheap, and without reading it as a PDF."""
    end = b""  # of the piece before: the word may stand across the two
    try:
        with open_document(path, limits.file_mb) as file:
            for piece in read_pieces(file, limits.file_mb):
                if _ENCRYPT in end + piece:
                    return True
                end = piece[-len(_ENCRYPT) :]
    except ReadError:  # whoever reads it says what is wrong
        pass
    return False


def unlock(path: Path, passwords: Sequence[str], limits: Limits, folder: Path) -> Path | None:
    """A copy without the password, new in `folder`; None for a file that asks for none, or that is no sound PDF.

    Raises WrongPassword where none of them opens it, ReadError, StorageFailed; then no copy is left.
    """
    arguments = {"path": str(path.absolute()), "passwords": list(passwords)}
    copy: Path | None = None
    try:
        with closing(in_worker("ingest.pdf.decrypt:serve", arguments, limits)) as replies:
            for reply in replies:
                piece = base64.b64decode(str(reply.get("piece", "")), validate=True)
                if copy is None:
                    folder.mkdir(0o700, parents=True, exist_ok=True)
                    handle, name = tempfile.mkstemp(dir=folder, prefix="unlocked-", suffix=".pdf")
                    os.close(handle)
                    copy = Path(name)
                with copy.open("ab") as file:
                    file.write(piece)
        return copy
    except BaseException as error:
        if copy is not None:
            copy.unlink(missing_ok=True)
        if isinstance(error, Casualty):
            raise error.error from error
        if isinstance(error, binascii.Error):
            raise ReaderCrashed(detail="its reply made no sense") from error
        if isinstance(error, OSError):
            raise StorageFailed(folder=folder, detail=error.strerror or str(error)) from error
        raise


def serve(path: str, passwords: Sequence[str]) -> Iterator[dict[str, Any]]:
    """In the worker: the copy in pieces of base64; nothing where the file asks for no password."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    from ingest.pdf.backends import open_pdfium

    for password in (None, *passwords):
        try:
            document = open_pdfium(Path(path), password)
        except pypdfium2.PdfiumError as error:
            if error.err_code == pdfium.FPDF_ERR_PASSWORD:
                continue
            return
        if password is None:
            return
        buffer = io.BytesIO()
        document.save(buffer, flags=pdfium.FPDF_REMOVE_SECURITY)
        content = buffer.getvalue()
        for at in range(0, len(content), _PIECE):
            yield {"piece": base64.b64encode(content[at : at + _PIECE]).decode("ascii")}
        return
    raise WrongPassword()
