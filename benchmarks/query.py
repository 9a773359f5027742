"""How long a question takes, by the size of the library: the program's own stores and its own `retrieve`, made-up text.

Only the embedder is a fake, which has a question's vector at once; what the real one takes is told apart. An answer
is all of it: embedding the question, searching, reading the first passages again, and the extractive model's sentence.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic_library import DIMENSIONS, Synthetic
from chains.answer import ask
from chains.models.extractive.model import Extractive
from chains.reader.neural import BUILT_IN, open_reader
from chains.reader.protocol import Reader, Reading
from chains.retrieval.hybrid import POOL, retrieve
from chains.retrieval.rerank import ReadAgain
from ingest.embedding.embedder import Embedder, open_embedder
from ingest.store.catalogue import Catalogue
from ingest.store.chroma import Vectors
from ingest.store.library import Library
from ingest.text.search_tokens import tokens

_MEGABYTE = 1024 * 1024
_K = 8  # passages asked for
_MEASURED = ("hybrid", "keywords", "vectors", "one_document", "half_of_the_documents", "embedding", "answer")
_TOKENS = 200  # of a real chunk, as MiniLM counts; made-up words have more each than real ones


class GivenVectors:
    """An Embedder that knows the questions' vectors beforehand."""

    def __init__(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        self.name = "synthetic"
        self.window = 256
        self.dimensions = DIMENSIONS
        self.languages: frozenset[str] | None = frozenset({"en"})
        self._vectors = vectors

    def count(self, text: str) -> int:
        return len(text.split())

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise AssertionError("the library lost vectors")  # it asks for those only

    def query(self, text: str) -> NDArray[np.float32]:
        return self._vectors[text]


class OfRealLength:
    """A Reader that is given as much of each text as a real chunk has."""

    def __init__(self, reader: Reader, embedder: Embedder) -> None:
        self.languages, self.threshold = reader.languages, reader.threshold
        self._reader, self._embedder = reader, embedder

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        return self._reader.read(question, [self._cut(text) for text in texts])

    def _cut(self, text: str) -> str:
        words = text.split(" ")
        share = min(1.0, _TOKENS / max(1, self._embedder.count(text)))
        return " ".join(words[: round(share * len(words))])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--chunks", default="10000,100000,1000000", help="sizes of the library, a comma between two")
    parser.add_argument("--questions", type=int, default=200, help="how many are asked of each (default 200)")
    parser.add_argument("--without-vectors", action="store_true", help="the keyword side alone: filling is much faster")
    parser.add_argument("--without-embedding", action="store_true", help="do not time the real embedder and answers")
    parser.add_argument("--keep", type=Path, help="keep the libraries in this folder, and use those that are there")
    parser.add_argument("--plot", type=Path, help="write how the time grows as an SVG picture to this file")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    sizes = [int(size) for size in args.chunks.split(",")]
    results = []
    with ExitStack() as stack:
        keep = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for size in sizes:
            folder = keep / str(size)
            _say(f"{size:,} chunks: filling")
            filled = fill(folder, size, not args.without_vectors)
            _say(f"{size:,} chunks: asking")
            results.append({"chunks": size, **filled, **measure(folder, size, args)})
    if args.plot:
        args.plot.write_text(plot(results), encoding="utf-8")
    print(json.dumps(results) if args.json else table(results))
    return 0


def fill(folder: Path, size: int, with_vectors: bool) -> dict[str, Any]:
    """Makes the library, or goes on with one that a run broke off. Seconds, of what this run itself filled."""
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = Catalogue(folder / "catalogue.sqlite3")
    catalogue.remember({"embedder": "synthetic", "library": "bench"})
    store = Vectors(folder / "chroma", "", "pagewise-bench") if with_vectors else None
    seconds = {"catalogue": 0.0, "vectors": 0.0}
    try:
        if store:
            store.open("synthetic", DIMENSIONS)
        embedded = store.count() if store else 0
        stored = 0
        for part in Synthetic(size).parts():
            stored += len(part.chunks)
            started = time.perf_counter()
            if store and stored > embedded:
                store.add([chunk.id for chunk in part.chunks], part.document.id, part.vectors)
            between = time.perf_counter()
            if catalogue.record(part.document.id) is None:
                catalogue.announce(part.document)
                catalogue.complete(part.document, part.chunks, part.tokens, part.vectors)
            seconds["vectors"] += between - started
            seconds["catalogue"] += time.perf_counter() - between
    finally:
        if store:
            store.close()
        catalogue.close()
    return {
        "fill_catalogue_s": round(seconds["catalogue"], 1),
        "fill_vectors_s": round(seconds["vectors"], 1),
        "catalogue_mb": _size(folder.glob("catalogue.sqlite3*")),
        "vectors_mb": _size((folder / "chroma").rglob("*")),
    }


def measure(folder: Path, size: int, args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds by what is measured (median, 95 of 100, most), and the memory of the process in MB."""
    made = Synthetic(size)
    questions = made.questions(args.questions)
    vectors = dict(zip(questions, made.asked_vectors(args.questions), strict=True))
    taken: dict[str, list[float]] = {name: [] for name in _MEASURED}
    with Library(folder, GivenVectors(vectors)) as library:
        ids = [record.id for record in library.records()]
        searches: dict[str, Callable[[str, int], object]] = {
            "keywords": lambda question, number: library.keywords(tokens(question), POOL)
        }
        if not args.without_embedding:
            real = open_embedder("all-MiniLM-L6-v2")
            searches["embedding"] = lambda question, number: real.query(question)
            opened = open_reader(BUILT_IN)
            if opened is not None and not args.without_vectors:
                reader = OfRealLength(opened, real)
                model, second = Extractive(real, reader=reader), ReadAgain(reader)

                def answer(question: str, number: int) -> object:
                    real.query(question)
                    return list(ask(question, library, model, k=_K, reranker=second))

                searches["answer"] = answer
        if not args.without_vectors:
            searches |= {
                "hybrid": lambda question, number: retrieve(question, library, _K),
                "vectors": lambda question, number: library.nearest(vectors[question], POOL),
                "one_document": lambda question, number: retrieve(question, library, _K, [ids[number % len(ids)]]),
                "half_of_the_documents": lambda question, number: retrieve(question, library, _K, ids[::2]),
            }
        for search in searches.values():
            search(questions[0], 0)  # loads weights and Chroma's index, and what is kept while nothing changes
        for name, search in searches.items():  # one after the other: what one has read is not ready for the next
            for number, question in enumerate(questions):
                started = time.perf_counter()
                search(question, number)
                taken[name].append(time.perf_counter() - started)
    return {
        **{name: _times(seconds) for name, seconds in taken.items() if seconds},
        "documents": len(ids),
        "questions": args.questions,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = ["| chunks | what | p50 ms | p95 ms | most ms |", "|---:|---|---:|---:|---:|"]
    for result in results:
        for name in _MEASURED:
            if name in result:
                times = result[name]
                what = name.replace("_", " ")
                lines.append(f"| {result['chunks']:,} | {what} | {times['p50']} | {times['p95']} | {times['max']} |")
    lines += ["", "| chunks | filling words, s | vectors, s | words, MB | vectors, MB | peak memory, MB |"]
    lines.append("|---:|---:|---:|---:|---:|---:|")
    columns = ("fill_catalogue_s", "fill_vectors_s", "catalogue_mb", "vectors_mb", "peak_rss_mb")
    for result in results:
        lines.append(f"| {result['chunks']:,} | " + " | ".join(str(result[column]) for column in columns) + " |")
    return "\n".join(lines)


def plot(results: Sequence[dict[str, Any]]) -> str:
    """An SVG: the p95 of each side over the number of chunks, both logarithmic."""
    shown = {"hybrid": "#1f5fbf", "keywords": "#2e8b57", "vectors": "#c0392b"}
    points = [(r["chunks"], r[name]["p95"]) for r in results for name in shown if name in r]
    xs, ys = np.log10([x for x, _ in points]), np.log10([y for _, y in points])
    left, right = np.floor(xs.min()), max(np.ceil(xs.max()), np.floor(xs.min()) + 1)
    low, high = np.floor(ys.min()), max(np.ceil(ys.max()), np.floor(ys.min()) + 1)

    def at(chunks: float, ms: float) -> tuple[float, float]:
        x = 60 + 420 * (np.log10(chunks) - left) / (right - left)
        return round(float(x), 1), round(float(260 - 230 * (np.log10(ms) - low) / (high - low)), 1)

    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 300" font-family="sans-serif" font-size="12">']
    parts.append('<rect width="600" height="300" fill="white"/>')
    for power in range(int(low), int(high) + 1):
        _, y = at(10**left, 10.0**power)
        parts.append(f'<path d="M60 {y}H480" stroke="#ddd"/><text x="52" y="{y + 4}" text-anchor="end">')
        parts.append(f"{10.0**power:g} ms</text>")
    for power in range(int(left), int(right) + 1):
        x, _ = at(10.0**power, 10**low)
        parts.append(f'<path d="M{x} 30V260" stroke="#ddd"/><text x="{x}" y="278" text-anchor="middle">')
        parts.append(f"{10**power:,}</text>")
    parts.append('<text x="270" y="295" text-anchor="middle">chunks</text>')
    parts.append('<text x="60" y="18">p95 of a question</text>')
    for row, (name, colour) in enumerate(shown.items()):
        line = [at(r["chunks"], r[name]["p95"]) for r in results if name in r]
        if not line:
            continue
        path = " ".join(f"{x},{y}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in line]
        parts.append(f'<text x="490" y="{60 + 18 * row}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _times(seconds: Sequence[float]) -> dict[str, float]:
    p50, p95, most = np.percentile(np.array(seconds) * 1000, [50, 95, 100])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(float(most), 1)}


def _size(files: Any) -> int:
    return int(sum(file.stat().st_size for file in files if file.is_file()) // _MEGABYTE)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
