"""Conversations, kept in the data folder so that they survive a reload and a restart. Knows nothing of Streamlit.

A conversation's id is random and long: who knows it may read it. What it lists is the one data folder's, which is one
person's as long as the app listens on this machine alone.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from chains.cost import Cost
from chains.events import Answer, Citation, Figure, Step
from chains.execution.limits import NO_CAPS, Caps
from chains.model import Usage
from chains.options import PLAIN, Ways
from chains.plan import Plan, Stage
from chains.prompt import Example, Source
from chains.retrieval.hybrid import ALL, Scope
from ingest.document import Chunk, Passage, Span
from ingest.errors import ConversationsSetAsideNotice, EntryUnreadableNotice, PagewiseError, StorageFailed
from ingest.notices import Notices
from ingest.store.sqlite_damage import check_regular, is_damage, set_aside

FILE = "conversations.db"
_TITLE = 80  # characters
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS conversations (id TEXT PRIMARY KEY, title TEXT NOT NULL, changed REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS entries"
    " (conversation TEXT NOT NULL, id TEXT NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL,"
    " PRIMARY KEY (conversation, id))",
)
# What decoding damaged JSON raises.
_NOT_OURS = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Problem:
    """An error as it is kept: enough to say it again in either language."""

    key: str
    text: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)

    @classmethod
    def of(cls, error: PagewiseError) -> "Problem":
        params = {k: v if isinstance(v, int | float) else str(v) for k, v in error.params.items()}
        return cls(error.key, str(error), params)


@dataclass(frozen=True)
class Entry:
    """One question and what came of it. Until it is `over` it is being answered, or was interrupted.

    A comparison has no answer of its own but `parts`: one entry a chain, of kind "question".
    """

    id: str
    kind: Literal["question", "summary", "compare"]
    asked: str  # the question; for a summary the document's name
    chain: str  # "" for a comparison
    model: str  # the string that chose it
    documents: tuple[str, ...] | None = None  # the ids that were asked about; None: all; a summary: the one
    scope: Scope = ALL  # the pages and years that were asked about
    ways: Ways = PLAIN  # how it was asked; of the examples those that suit it best
    steps: tuple[Step, ...] = ()  # without their sources, which are the answer's
    answer: Answer | None = None
    problem: Problem | None = None
    parts: tuple["Entry", ...] = ()
    caps: Caps = NO_CAPS  # the most that it may take

    @property
    def resumable(self) -> bool:
        """Whether it is a summary that ended before its end: what was finished of it need not be done again."""
        stopped = self.answer is not None and self.answer.stopped
        return self.kind == "summary" and (not self.over or stopped or self.problem is not None)

    @property
    def over(self) -> bool:
        return self.answer is not None or self.problem is not None or bool(self.parts)


@dataclass(frozen=True)
class Listed:
    id: str
    title: str
    changed: datetime  # UTC


def new_id() -> str:
    """128 random bits, fit for a URL."""
    return secrets.token_urlsafe(16)


def new_entry_id() -> str:
    return secrets.token_hex(6)


class Conversations:
    """The store. Every call opens the file for itself, so threads and processes may share it. Raises StorageFailed.

    A damaged file is kept under another name, a notice says so, and a new one is begun.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.notices = Notices()
        self._prepare()

    def _prepare(self) -> None:
        """Makes the tables. A damaged file, which reading all of it shows, is put aside first."""
        try:
            with self._connect() as db:
                db.execute("PRAGMA journal_mode=WAL")
                for statement in _SCHEMA:
                    db.execute(statement)
                (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise StorageFailed(folder=self._folder, detail=str(error)) from None
            found = str(error)
        except OSError as error:
            raise StorageFailed(folder=self._folder, detail=error.strerror or str(error)) from None
        if found != "ok":
            self._begin_anew(str(found))

    def _begin_anew(self, detail: str) -> None:
        file = self._folder / FILE
        try:
            aside = set_aside(file)
        except OSError as error:
            raise StorageFailed(folder=self._folder, detail=error.strerror or str(error)) from None
        with self._open() as db:
            for statement in _SCHEMA:
                db.execute(statement)
        self.notices.add(ConversationsSetAsideNotice(file=file, detail=detail, aside=aside.name))

    def put(self, conversation: str, entry: Entry) -> None:
        """Add the entry, or replace the one with its id. A conversation begins with its first entry."""
        now, body = datetime.now(UTC).timestamp(), to_json(entry)
        with self._open() as db:
            db.execute(
                "INSERT INTO conversations VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET changed = excluded.changed",
                (conversation, " ".join(entry.asked.split())[:_TITLE], now),
            )
            db.execute(
                "INSERT INTO entries VALUES (?, ?, (SELECT COALESCE(MAX(place), 0) + 1 FROM entries"
                " WHERE conversation = ?), ?) ON CONFLICT (conversation, id) DO UPDATE SET body = excluded.body",
                (conversation, entry.id, conversation, body),
            )

    def finish(self, conversation: str, entry: Entry) -> None:
        """Replace the entry, where it still is: an answer that comes after its conversation was deleted is not kept."""
        with self._open() as db:
            db.execute(
                "UPDATE entries SET body = ? WHERE conversation = ? AND id = ?",
                (to_json(entry), conversation, entry.id),
            )

    def entries(self, conversation: str) -> list[Entry]:
        """In the order they were asked; none for an id that is not known. One that cannot be read is told instead."""
        with self._open() as db:
            rows = db.execute("SELECT body FROM entries WHERE conversation = ? ORDER BY place", (conversation,))
            bodies = [body for (body,) in rows]
        entries = []
        for body in bodies:
            try:
                entries.append(from_json(body))
            except _NOT_OURS:
                self.notices.add(EntryUnreadableNotice(file=self._folder / FILE))
        return entries

    def listed(self, limit: int = 50) -> list[Listed]:
        """The last changed first."""
        with self._open() as db:
            rows = db.execute("SELECT id, title, changed FROM conversations ORDER BY changed DESC LIMIT ?", (limit,))
            return [Listed(id, title, datetime.fromtimestamp(changed, UTC)) for id, title, changed in rows]

    def delete(self, conversation: str) -> None:
        with self._open() as db:
            db.execute("DELETE FROM entries WHERE conversation = ?", (conversation,))
            db.execute("DELETE FROM conversations WHERE id = ?", (conversation,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connect() as db:
                yield db
        except (sqlite3.Error, OSError) as error:
            raise StorageFailed(folder=self._folder, detail=str(error)) from None

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        check_regular(self._folder / FILE)
        with closing(sqlite3.connect(self._folder / FILE, timeout=10)) as db, db:
            db.execute("PRAGMA secure_delete=ON")  # a deleted conversation leaves nothing readable in the file
            yield db


def to_json(entry: Entry) -> str:
    return json.dumps(asdict(_kept(entry)), ensure_ascii=False)


def _kept(entry: Entry) -> Entry:
    answer = entry.answer and replace(entry.answer, error=None)
    steps = tuple(replace(step, sources=()) for step in entry.steps)
    return replace(entry, answer=answer, steps=steps, parts=tuple(_kept(part) for part in entry.parts))


def from_json(body: str) -> Entry:
    return _entry(json.loads(body))


def _entry(d: dict[str, Any]) -> Entry:
    documents = d["documents"]
    return Entry(
        **{name: d[name] for name in ("id", "kind", "asked", "chain", "model")},
        documents=None if documents is None else tuple(documents),
        scope=_scope(d.get("scope")),
        ways=_ways(d.get("ways")),
        steps=tuple(_step(step) for step in d["steps"]),
        answer=d["answer"] and _answer(d["answer"]),
        problem=d["problem"] and Problem(**d["problem"]),
        parts=tuple(_entry(part) for part in d.get("parts", ())),  # older entries have none
        caps=Caps(**d.get("caps", {})),  # nor these
    )


def _step(d: dict[str, Any]) -> Step:
    """What was used until then stands in the answer."""
    return Step(d["name"], d["done"], d["total"], d["text"], plan=_plan(d.get("plan")), n=d.get("n", 0))


def _plan(d: dict[str, Any] | None) -> Plan | None:
    if d is None:
        return None
    return Plan(tuple(Stage(**stage) for stage in d["stages"]), d["seconds"], _cost(d["cost"]), d["kept"])


def _cost(d: dict[str, Any] | None) -> Cost | None:
    return None if d is None else Cost(**d)


def _scope(d: dict[str, Any] | None) -> Scope:
    """An entry of before there were scopes has none."""
    if d is None:
        return ALL
    return Scope(**{**d, "pages": tuple(d["pages"]) if d["pages"] else None})


def _ways(d: dict[str, Any] | None) -> Ways:
    """An entry of before there were ways was asked plainly."""
    return PLAIN if d is None else Ways(**{**d, "examples": tuple(Example(**example) for example in d["examples"])})


def _answer(d: dict[str, Any]) -> Answer:
    return Answer(
        **{
            **d,
            "citations": tuple(_citation(citation) for citation in d["citations"]),
            "sources": tuple(_source(source) for source in d["sources"]),
            "usage": Usage(**d["usage"]),
            "figures": tuple(Figure(**figure) for figure in d.get("figures", ())),  # older answers have none
            "unsourced": tuple((start, end) for start, end in d.get("unsourced", ())),  # nor these
            "reasoning": tuple(d.get("reasoning", ())),  # the same
            "cost": _cost(d.get("cost")),
        }
    )


def _citation(d: dict[str, Any]) -> Citation:
    return Citation(**{**d, "goes_on": tuple((page, start) for page, start in d.get("goes_on", ()))})  # older: none


def _source(d: dict[str, Any]) -> Source:
    passage = d["passage"]
    chunk = passage["chunk"]
    spans = tuple(Span(**span) for span in chunk["spans"])
    return Source(d["n"], Passage(**{**passage, "chunk": Chunk(**{**chunk, "spans": spans})}))
