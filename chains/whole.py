"""A whole document as a task and its sources, and what each chain would take to sum it up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chains.errors import ContextTooSmall
from chains.memory import scope
from chains.models.base import Model
from chains.parts import parts
from chains.plan import Plan
from chains.prompts import Language, Source
from chains.spending import Spending
from chains.tasks import Task
from ingest.document import Record
from ingest.errors import UnknownDocument
from ingest.library import Library
from ingest.tokens import language as language_of


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
    task = Task("summary", record.title, language or language_of(" ".join(passage.text for passage in passages[:20])))
    try:
        pages = [library.page(document, number) for number in range(1, record.pages + 1)]
        sources = parts(passages, pages, task, model)
    except ContextTooSmall:  # for the chain as well, which says so in its Answer
        sources = tuple(Source(n, passage) for n, passage in enumerate(passages, 1))
    return Whole(record, task, sources)


def documents(sources: Sequence[Source]) -> list[str]:
    """The ids of the documents that the sources are from."""
    return sorted({source.passage.document for source in sources})


def announced(plan: Plan, chain: str, task: Task, sources: Sequence[Source], model: Model, spending: Spending) -> Plan:
    """The plan with the seconds and the money that it takes at most, where these are known, and what is there of it."""
    speed = spending.speeds.of(model.name) if spending.speeds else None
    price = spending.price
    kept = 0
    if spending.replies is not None and not spending.again and plan.calls > 1:
        kept = spending.replies.count(scope(chain, task, model.name, spending.variant, documents(sources)))
    return replace(
        plan,
        seconds=speed.seconds(plan.stages, model.parallel) if speed else None,
        cost=price.cost(plan.usage) if price else None,
        kept=min(kept, plan.calls),
    )
