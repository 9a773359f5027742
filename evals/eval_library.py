"""The library that is searched in an evaluation: filled once, used again while its folder and the files stay."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from evals.datasets import Question, content
from ingest.chunk import split
from ingest.document import Document
from ingest.errors import LibraryError
from ingest.pdf.extract import read
from ingest.pdf.sandbox import Limits
from ingest.pipeline import Result, find_pdfs, ingest
from ingest.store.library import Library


class OtherDocuments(LibraryError):
    text = "The library in {folder} holds documents that are not of this set: {names}."
    remedy = "They would be found too; give --data a folder of its own for each set."


def fill(library: Library, documents: Sequence[Document], pdfs: Path | None, limits: Limits) -> list[str]:
    """Puts in what is not there yet; what could not be read is returned, a line each.

    Raises OtherDocuments where more is there than the set has.
    """
    wanted = set(_add(library, documents))
    failed = []
    for result in ingest(find_pdfs([pdfs], follow_links=True), library, limits) if pdfs else ():
        if isinstance(result, Result):
            print(f"· {result.name}: {result.status}", file=sys.stderr)
            wanted.add(result.id)
            if result.status == "failed":
                failed.append(f"{result.name}: {result.reason}")
    others = [record.name for record in library.records() if record.id not in wanted]
    if others:
        raise OtherDocuments(folder=library.folder, names=", ".join(others[:3]))
    return failed


def pages(questions: Sequence[Question], pdfs: Path, limits: Limits) -> dict[tuple[str, int], str]:
    """(document's name, page) → text, of the pages that the questions are about; without those that cannot be read."""
    files = {upload.path.name: upload.path for upload in find_pdfs([pdfs], follow_links=True)}
    found = {}
    for name in dict.fromkeys(question.document for question in questions):
        if name in files:
            document = read(files[name], name, limits)
            found.update({(name, page.number): page.text for page in document.pages})
            print(f"· {name}", file=sys.stderr)
    return found


def _add(library: Library, documents: Sequence[Document]) -> Iterator[str]:
    embedder = library.embedder
    with tempfile.TemporaryDirectory() as folder:
        for n, document in enumerate(documents, 1):
            if library.holds(document.id) is None:
                chunks = split(document, embedder.count, embedder.window)
                texts = [library.indexed_text(document.title, chunk) for chunk in chunks]
                file = Path(folder, document.id)
                file.write_bytes(content(document.title, document.pages))
                library.add(document, chunks, embedder.documents(texts), file)
                print(f"· {n} of {len(documents)}: {document.name}", file=sys.stderr)
            yield document.id
