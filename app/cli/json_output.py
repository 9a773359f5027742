"""What the command line prints for scripts: JSON, and a stdout that holds nothing else.

terminal_output.py has the rest.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from app.cli.cost_output import cost_json
from chains.events import Answer, Citation, Figure
from chains.retrieval.hybrid import Found
from ingest.document import Page, Passage, Record
from ingest.store.library import Receipt
from ingest.terminal_text import dump_json, protect_stream


@contextlib.contextmanager
def only_ours() -> Iterator[TextIO]:
    """A stdout for the caller alone: whatever else prints there meanwhile, down to C libraries, lands on stderr.

    It is protected: no control characters of others come out.
    """
    visible = sys.stdout
    visible.flush()
    try:
        real = visible.fileno() == 1
    except (OSError, ValueError):  # not a file: a test's, or a notebook's
        real = False
    if not real:
        with contextlib.redirect_stdout(sys.stderr):
            yield protect_stream(visible)
        return
    kept = os.dup(1)
    os.dup2(2, 1)
    own = os.fdopen(os.dup(kept), "w", encoding="utf-8", errors="backslashreplace")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield protect_stream(own)
    finally:
        with contextlib.suppress(BrokenPipeError):  # whoever read us has gone; the caller was told when it wrote
            own.close()
        os.dup2(kept, 1)
        os.close(kept)


def write_json(out: TextIO, value: object) -> None:
    """One value on one line, at once: a reader of --from sees each line when it is done."""
    out.write(dump_json(value))
    out.flush()


def passage_json(passage: Passage) -> dict[str, object]:
    return {
        "document": passage.name,
        "page": passage.page,
        "last_page": passage.last_page,
        "page_label": passage.page_label,
        "score": passage.score,
        "text": passage.text,
    }


def search_json(question: str, found: Sequence[Found], explain: bool = False) -> dict[str, object]:
    return {
        "question": question,
        "passages": [passage_json(one.passage) | ({"explain": why_json(one)} if explain else {}) for one in found],
    }


def why_json(found: Found) -> dict[str, object]:
    """Why a passage is there; `null` for what was not asked."""
    why = found.why
    return {
        "score": found.passage.score,
        "words": why.words,
        "matched": list(found.matched),
        "cosine": why.meaning,
        "figures": why.figures,
        "document": why.document,
        "named_by": list(why.named_by),
        "reranked": why.reranked,
        "joined": why.joined,
        "folded": why.folded,
    }


def _citation_json(citation: Citation) -> dict[str, object]:
    return {
        "n": citation.n,
        "document": citation.name,
        "page": citation.page,
        "page_label": citation.page_label,
        "quote": citation.quote,
        "span": citation.span,
        "verified": citation.verified,
        "match": citation.match,
    }


def _figure_json(figure: Figure) -> dict[str, object]:
    """`n` and `page` are null, and `formula` too, where there is none."""
    return {
        "text": figure.text,
        "start": figure.start,
        "end": figure.end,
        "status": figure.status,
        "n": figure.n or None,
        "page": figure.page or None,
        "formula": figure.formula or None,
    }


def how_json(answer: Answer) -> dict[str, object]:
    """What an answer and a summary say alike. `reasoning`, `cut`, `language` (another one than was asked for),
    `stopped` and `error` stand there only where there is such."""
    usage = {"input_tokens": answer.usage.input_tokens, "output_tokens": answer.usage.output_tokens}
    return {
        "chain": answer.chain,
        "model": answer.model,
        "calls": answer.calls,
        "seconds": round(answer.seconds, 3),
        "usage": usage,
        "cost": cost_json(answer.cost),
        "kept": answer.kept,
        "quotes": {
            "verified": answer.verified,
            "near": answer.near,
            "total": len(answer.citations),
            "dropped": answer.dropped,
        },
        "citations": [_citation_json(citation) for citation in answer.citations],
        "unsourced": [{"text": answer.text[start:end], "start": start, "end": end} for start, end in answer.unsourced],
        "figures": [_figure_json(figure) for figure in answer.figures],
        **({"reasoning": list(answer.reasoning)} if answer.reasoning else {}),
        **({"cut": True} if answer.cut else {}),
        **({"language": answer.foreign} if answer.foreign else {}),
        **({"stopped": True} if answer.stopped else {}),
        **({"error": str(answer.error)} if answer.error else {}),
    }


def answer_json(question: str, answer: Answer) -> dict[str, object]:
    return {"question": question, **said_json(answer)}


def said_json(answer: Answer) -> dict[str, object]:
    """`closest`: of a refusal the closest passages, all that were found; else none."""
    closest = [passage_json(source.passage) for source in answer.sources] if answer.refused else []
    return {"answer": answer.text, "refused": answer.refused, "closest": closest, **how_json(answer)}


def summary_json(document: str, answer: Answer) -> dict[str, object]:
    return {"document": document, "summary": answer.text, **how_json(answer)}


def list_json(records: Sequence[Record]) -> dict[str, object]:
    return {
        "documents": [
            {
                "document": record.name,
                "id": record.id,
                "status": record.status,
                "pages": record.pages,
                "pages_without_text": len(record.without_text),
                "without_text": list(record.without_text),
                "chunks": record.chunks,
                "added": record.added.isoformat(timespec="seconds"),
                "health": dict(record.health),
            }
            for record in records
        ]
    }


def receipt_json(receipt: Receipt) -> dict[str, object]:
    return {
        "document": receipt.record.name,
        "id": receipt.record.id,
        "removed": True,
        "rows": receipt.rows,
        "vectors": receipt.vectors,
        "tokens": receipt.tokens,
        "left": receipt.left,
    }


def health_json(record: Record, pages: Sequence[Page]) -> dict[str, object]:
    return {
        "document": record.name,
        "id": record.id,
        "health": dict(record.health),
        "pages": [
            {
                "number": page.number,
                "label": page.label,
                "health": page.health,
                "why": page.problem,
                "characters": len(page.text),
                "duplicate_of": page.duplicate_of or None,
            }
            for page in pages
        ],
    }
