"""A whole document as a task and its sources."""

from collections.abc import Sequence
from dataclasses import dataclass

from chains import tongue
from chains.errors import ContextTooSmall
from chains.models.base import Model
from chains.parts import parts
from chains.prompts import Language, Source
from chains.tasks import Task
from ingest.document import Record
from ingest.errors import UnknownDocument
from ingest.library import Library


@dataclass(frozen=True)
class Whole:
    record: Record
    task: Task
    sources: tuple[Source, ...]


def whole(document: str, library: Library, model: Model, language: Language | None) -> Whole:
    """`document` is an id; `language` None is the document's. Raises UnknownDocument."""
    record = library.holds(document)
    if record is None:
        raise UnknownDocument(name=document)
    passages = library.all_passages(document)
    task = Task("summary", record.title, language or tongue.of(" ".join(passage.text for passage in passages[:20])))
    try:
        pages = [library.page(document, number) for number in range(1, record.pages + 1)]
        sources = parts(passages, pages, task, model)
    except ContextTooSmall:  # for the chain as well, which says so in its Answer
        sources = tuple(Source(n, passage) for n, passage in enumerate(passages, 1))
    return Whole(record, task, sources)


def documents(sources: Sequence[Source]) -> list[str]:
    """The ids of the documents that the sources are from."""
    return sorted({source.passage.document for source in sources})
