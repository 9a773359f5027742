"""Sets of questions whose right pages are known, in two forms, and what is wrong with a file that has neither.

`questions.jsonl`: a line {"id", "question", "document": the PDF's name, "pages": [from 1], "answer"? or "answers"?: the
gold ones, "answerable"?} a question; one that is not answerable needs no pages.
SQuAD form: {"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers"?: [{"text"}],
"is_impossible"?}]}]}]}; an article is read as a document and each of its passages as a page.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
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
    answers: tuple[str, ...] = ()  # the gold ones, each of them right; () where they are not known
    answerable: bool = True


class NoQuestions(PagewiseError):
    text = "{file} is no set of questions: {detail}."
    remedy = "It takes SQuAD's JSON, or a line of JSON a question: id, question, document, pages."


def read(file: Path, per_passage: int, unanswerable: bool = False) -> tuple[list[Question], list[Document]]:
    """The answerable questions of a set, and its documents where the set itself has their text (SQuAD form).

    `per_passage`: how many questions of each SQuAD passage are taken; 0 is all. `unanswerable`: those too that the
    document does not answer, as many of each passage again. Raises NoQuestions.
    """
    kinds = (True, False) if unanswerable else (True,)
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".jsonl":
            values = [json.loads(line) for line in text.splitlines() if line.strip()]
            return [_line(value) for value in values if bool(value.get("answerable", True)) in kinds], []
        articles = json.loads(text)["data"]
        documents = [_document(number, article) for number, article in enumerate(articles)]
        return [
            Question(str(qa["id"]), str(qa["question"]), document.name, (page,), _gold(qa), kind)
            for document, article in zip(documents, articles, strict=True)
            for page, passage in enumerate(article["paragraphs"], 1)
            for kind in kinds
            for qa in [qa for qa in passage["qas"] if kind != bool(qa.get("is_impossible"))][: per_passage or None]
        ], documents
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoQuestions(file=file, detail=f"{type(error).__name__}: {error}") from error


def sample(questions: Sequence[Question], limit: int, seed: int) -> list[Question]:
    """`limit` of them by chance, in their order, the same for the same `seed`; all where there are no more, or 0."""
    if not 0 < limit < len(questions):
        return list(questions)
    return [questions[i] for i in sorted(random.Random(seed).sample(range(len(questions)), limit))]


def _line(value: dict[str, Any]) -> Question:
    answerable = bool(value.get("answerable", True))
    pages = value["pages"] if answerable else value.get("pages", ())
    answers = value.get("answers", value.get("answer"))
    return Question(
        str(value["id"]),
        str(value["question"]),
        str(value["document"]),
        tuple(int(page) for page in pages),
        _texts(answers if isinstance(answers, list) else [answers]),
        answerable,
    )


def _gold(qa: dict[str, Any]) -> tuple[str, ...]:
    return _texts(answer["text"] for answer in qa.get("answers", ()))


def _texts(answers: Iterable[object]) -> tuple[str, ...]:
    """Each once, because annotators often agree; what is null or empty is none."""
    return tuple(dict.fromkeys(str(answer) for answer in answers if answer is not None and str(answer).strip()))


def _document(number: int, article: dict[str, Any]) -> Document:
    passages: Sequence[str] = [str(passage["context"]) for passage in article["paragraphs"]]
    title = str(article.get("title") or f"article {number}").replace("_", " ")
    pages = tuple(Page(n, str(n), text) for n, text in enumerate(passages, 1))
    # The number keeps two articles of one title apart.
    return Document(hashlib.sha256(content(title, pages)).hexdigest(), f"{title} {number}", title, pages)


def content(title: str, pages: Sequence[Page]) -> bytes:
    """What stands for the bytes of a file, of which a document's id is the digest."""
    return "\f".join([title, *(page.text for page in pages)]).encode("utf-8", "replace")
