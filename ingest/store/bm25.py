"""Keyword search: an inverted index in SQLite, and BM25 over it. Knows tokens and chunks' numbers, no text.

SQLite's FTS5 scores row by row; here the places of a word are one array, and adding up a question's arrays costs a
hundredth of that: the best are the best of all chunks, not of a few candidates. Postings lie in buckets, by a
hash of their word. A document adds one row to each bucket, in the transaction that it comes in, so that its words do
not go to as many pages of the file; a search reads the buckets of its words and picks their postings out.
"""

import hashlib
import json
import math
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SCHEMA = """
CREATE TABLE postings (place INTEGER PRIMARY KEY, entries BLOB NOT NULL);
CREATE TABLE lengths ("first" INTEGER PRIMARY KEY, tokens BLOB NOT NULL);
"""
# A row of `postings` is one document's share of a bucket: its place is the bucket and the number of the document's
# first chunk, as one number. An entry says that a word is in a chunk, in 8 bytes: 28 bits of the word's hash, 28 of the
# chunk's number, 8 of how often it is there. `lengths` has the number of tokens of each chunk.
_BUCKETS = 256
_ENTRY, _LENGTH = np.dtype("<u8"), np.dtype("<u4")
_FIRST_BITS, _HASH_BITS, _NUMBER_BITS, _COUNT_BITS = 40, 28, 28, 8
_OWN_BITS = _NUMBER_BITS + _COUNT_BITS
_MOST = 2**_COUNT_BITS - 1
_K1, _B = 1.2, 0.75  # as in FTS5 and most others
_LEAST = 1e-6  # the weight of a word that more than half of the chunks have: none, but it makes them a result

_KEPT = 2_000_000  # entries of postings that are kept, of 12 bytes

Numbers = NDArray[np.int64]
Scores = NDArray[np.float32]
Postings = tuple[Numbers, Scores]
"""The chunks that have a token, by number, and how often."""


@dataclass(frozen=True)
class Corpus:
    """What BM25 asks of all chunks together; it changes whenever a document comes or goes."""

    version: str
    chunks: int
    norms: Scores  # by the chunk's number: what its length adds to a word's count below the line
    # Words that more than half of the chunks have, as far as they were met. They take the most time and change no
    # score by more than a few millionths, so they are only asked for where the others do not find enough.
    common: set[str] = field(default_factory=set)
    # Postings of the words that were asked for last: a question is asked of all documents and of those that it names.
    kept: dict[str, Postings] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def put(db: sqlite3.Connection, first: int, tokens: Iterable[Sequence[str]]) -> None:
    """Indexes a document whose chunks are numbered from `first`. `tokens`: a list for each."""
    known: dict[str, int] = {}
    words: list[int] = []
    lengths: list[int] = []
    for found in tokens:
        words.extend([known.setdefault(token, len(known)) for token in found])
        lengths.append(len(found))
    if not lengths:
        return
    db.execute("INSERT INTO lengths VALUES (?, ?)", (first, np.array(lengths, _LENGTH).tobytes()))
    pairs = np.repeat(np.arange(len(lengths)), lengths) * len(known) + np.array(words, np.int64)
    pairs, counts = np.unique(pairs, return_counts=True)
    hashes = np.array([_hash(token) for token in known], np.int64)[pairs % max(1, len(known))]
    own = (first + pairs // max(1, len(known)) << _COUNT_BITS) + np.minimum(counts, _MOST)
    order = np.argsort(hashes >> _HASH_BITS, kind="stable")
    ends = np.searchsorted(hashes[order] >> _HASH_BITS, np.arange(_BUCKETS + 1))
    rows = ((hashes.astype(_ENTRY) << np.uint64(_OWN_BITS)) + own.astype(_ENTRY))[order]
    db.executemany(
        "INSERT INTO postings VALUES (?, ?)",
        (
            ((bucket << _FIRST_BITS) + first, rows[start:end].tobytes())
            for bucket, (start, end) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
            if start < end
        ),
    )


def drop(db: sqlite3.Connection, first: int) -> None:
    """Takes all of that document out."""
    places = [((bucket << _FIRST_BITS) + first,) for bucket in range(_BUCKETS)]
    db.executemany("DELETE FROM postings WHERE place = ?", places)
    db.execute('DELETE FROM lengths WHERE "first" = ?', (first,))


def held(db: sqlite3.Connection, first: int) -> tuple[int, int]:
    """What the index has of that document: its rows, and the tokens that they stand for."""
    lengths = db.execute('SELECT tokens FROM lengths WHERE "first" = ?', (first,)).fetchall()
    places = json.dumps([(bucket << _FIRST_BITS) + first for bucket in range(_BUCKETS)])
    (rows,) = db.execute(
        "SELECT count(*) FROM postings WHERE place IN (SELECT value FROM json_each(?))", (places,)
    ).fetchone()
    return int(rows) + len(lengths), sum(int(np.frombuffer(row[0], _LENGTH).sum()) for row in lengths)


def adopt(db: sqlite3.Connection) -> None:
    """Indexes anew what an earlier version kept in a table of FTS5: the tokens of a chunk, a space between two."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'words'").fetchone():
        return
    for statement in SCHEMA.split(";\n"):
        db.execute(statement)
    documents = db.execute("SELECT document, min(number), max(number) FROM chunks GROUP BY document").fetchall()
    for _, first, last in documents:
        rows = db.execute("SELECT tokens FROM words WHERE rowid BETWEEN ? AND ? ORDER BY rowid", (first, last))
        put(db, first, (str(row[0]).split(" ") for row in rows.fetchall()))
    db.execute("DROP TABLE words")


def corpus(db: sqlite3.Connection, version: str) -> Corpus:
    rows = db.execute('SELECT "first", tokens FROM lengths ORDER BY "first"').fetchall()
    parts = [(int(first), np.frombuffer(tokens, _LENGTH)) for first, tokens in rows]
    chunks = sum(len(part) for _, part in parts)
    average = sum(int(part.sum()) for _, part in parts) / max(1, chunks)
    norms = np.zeros(parts[-1][0] + len(parts[-1][1]) if parts else 0, np.float32)
    for first, part in parts:
        norms[first : first + len(part)] = _K1 * (1 - _B + _B * part / max(1.0, average))
    return Corpus(version, chunks, norms)


def search(
    db: sqlite3.Connection,
    about: Corpus,
    weights: Mapping[str, float],
    k: int,
    within: Sequence[tuple[int, int]] | None = None,
) -> list[tuple[int, float]]:
    """The best `k` chunks by BM25: (number, score), ties in order. `weights`: what each token counts, 1 as a rule.

    `within`: only chunks with numbers in one of these ranges [first, end); how rare a token is, all chunks say.
    """
    scores = np.zeros_like(about.norms)
    allowed = np.ones(len(scores), bool) if within is None else np.zeros(len(scores), bool)
    for first, end in within or ():
        allowed[first:end] = True

    def add(token: str, numbers: Numbers, counts: Scores) -> None:
        having = len(numbers)
        rarity = max(_LEAST, math.log((about.chunks - having + 0.5) / (having + 0.5)))
        shares = counts / (counts + about.norms[numbers])
        scores[numbers] += np.float32(weights[token] * rarity * (_K1 + 1)) * shares

    for token in [token for token in weights if token not in about.common]:
        numbers, counts = _kept_postings(db, about, token)
        if 2 * len(numbers) > about.chunks:
            about.common.add(token)
        else:
            add(token, numbers, counts)
    scores *= allowed
    if np.count_nonzero(scores) < k:
        for token in [token for token in weights if token in about.common]:
            add(token, *_kept_postings(db, about, token))
        scores *= allowed
    return _best(scores, k)


def _kept_postings(db: sqlite3.Connection, about: Corpus, token: str) -> Postings:
    with about.lock:
        found = about.kept.pop(token, None)
    if found is None:
        found = _postings(db, token)
    with about.lock:
        about.kept[token] = found  # now the last that was asked for
        while sum(len(numbers) for numbers, _ in about.kept.values()) > _KEPT:
            del about.kept[next(iter(about.kept))]
    return found


def _postings(db: sqlite3.Connection, token: str) -> Postings:
    bucket, hash = divmod(_hash(token), 2**_HASH_BITS)
    start = bucket << _FIRST_BITS
    rows = db.execute("SELECT entries FROM postings WHERE place >= ? AND place < ?", (start, start + 2**_FIRST_BITS))
    entries = np.frombuffer(b"".join([row[0] for row in rows]), _ENTRY)
    own = entries[entries >> np.uint64(_OWN_BITS) == hash].astype(np.int64)
    return own >> _COUNT_BITS & 2**_NUMBER_BITS - 1, (own & _MOST).astype(np.float32)


def _best(scores: Scores, k: int) -> list[tuple[int, float]]:
    found = np.flatnonzero(scores)
    if len(found) > k:
        least = np.partition(scores[found], -k)[-k]
        found = found[scores[found] >= least]
    best = found[np.lexsort((found, -scores[found]))[:k]]
    return [(int(number), float(scores[number])) for number in best]


@lru_cache(maxsize=100_000)
def _hash(token: str) -> int:
    """36 bits, the upper 8 for the bucket: among a million other words one is taken for it once in 70,000 questions."""
    digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=5).digest()
    return int.from_bytes(digest) >> 4
