"""Sets of questions whose right pages are known, in two forms, and what is wrong with a file that has neither.

`questions.jsonl`: a line {"id", "question", "document": the PDF's name, "pages": [from 1], "answerable"?} a question.
SQuAD form: {"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "is_impossible"?}]}]}]}; an
article is read as a document and each of its passages as a page.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.document import Document, Page
from ingest.errors import PagewiseError


@dataclass(frozen=True)
class Question:
    """A question and where its answer stands."""

    id: str
    text: str
    document: str  # the document's name
    pages: tuple[int, ...]  # any of them is right


class NoQuestions(PagewiseError):
    text = "{file} is no set of questions: {detail}."
    remedy = "It takes SQuAD's JSON, or a line of JSON a question: id, question, document, pages."


def read(file: Path, per_passage: int) -> tuple[list[Question], list[Document]]:
    """The answerable questions of a set, and its documents where the set itself has their text (SQuAD form).

    `per_passage`: how many questions of each SQuAD passage are taken; 0 is all. Raises NoQuestions.
    """
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".jsonl":
            return [_line(json.loads(line)) for line in text.splitlines() if _answerable(line)], []
        articles = json.loads(text)["data"]
        documents = [_document(number, article) for number, article in enumerate(articles)]
        return [
            Question(str(qa["id"]), str(qa["question"]), document.name, (page,))
            for document, article in zip(documents, articles, strict=True)
            for page, passage in enumerate(article["paragraphs"], 1)
            for qa in [qa for qa in passage["qas"] if not qa.get("is_impossible")][: per_passage or None]
        ], documents
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoQuestions(file=file, detail=f"{type(error).__name__}: {error}") from error


def _answerable(line: str) -> bool:
    return bool(line.strip()) and bool(json.loads(line).get("answerable", True))


def _line(value: dict[str, Any]) -> Question:
    return Question(
        str(value["id"]), str(value["question"]), str(value["document"]), tuple(int(page) for page in value["pages"])
    )


def _document(number: int, article: dict[str, Any]) -> Document:
    passages: Sequence[str] = [str(passage["context"]) for passage in article["paragraphs"]]
    title = str(article.get("title") or f"article {number}").replace("_", " ")
    pages = tuple(Page(n, str(n), text) for n, text in enumerate(passages, 1))
    # The number keeps two articles of one title apart.
    return Document(hashlib.sha256(content(title, pages)).hexdigest(), f"{title} {number}", title, pages)


def content(title: str, pages: Sequence[Page]) -> bytes:
    """What stands for the bytes of a file, of which a document's id is the digest."""
    return "\f".join([title, *(page.text for page in pages)]).encode("utf-8", "replace")
