"""Near-copies of one text, in one document or hundreds, do not take the places of other passages."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chains.question.gather import beside, in_turn
from chains.retrieval.hybrid import find
from chains.retrieval.merge import arrange
from chains.retrieval.near_copies import CopyGroups, Fingerprint, split_copies
from ingest.document import Chunk, Passage, Span
from ingest.store.library import Library
from tests.support.books import make_book
from tests.support.fakes import HashingEmbedder
from tests.support.flooding import (
    CHINESE_OTHERS,
    CHINESE_QUESTION,
    CHINESE_TEXT,
    MANNERS,
    OTHERS,
    QUESTION,
    TEXT,
    make_copies,
)

PLACES = 8


def make_passage(text: str, document: str) -> Passage:
    chunk = Chunk(f"{document}-{text[:20]}", document, 0, 0, len(text), text, "", (Span(1, "1", 0, len(text)),))
    return Passage(chunk, f"{document}.pdf", document)


def never(first: Chunk, second: Chunk) -> None:
    return None


def arranged(texts: Sequence[tuple[str, str]], k: int = PLACES, named: Sequence[str] = ()) -> list[str]:
    """The documents of the result, of (text, document) in the order of their scores."""
    ranked = [make_passage(text, document) for text, document in texts]
    return [one.passage.document for one in arrange(ranked, k, never, spread=False, named=named).passages]


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize(("text", "others"), [(TEXT, OTHERS), (CHINESE_TEXT, CHINESE_OTHERS)], ids=["en", "zh"])
def test_copies_made_in_any_manner_get_two_places_at_most(
    manner: str, text: str, others: dict[str, Sequence[str]]
) -> None:
    copies = [(copy, f"copy{n}") for n, copy in enumerate(make_copies(text, 800, {manner: MANNERS[manner]}))]
    pages = [(page, name) for name, each in others.items() for page in each]
    found = arranged([*copies, *pages])
    assert 1 <= sum(name.startswith("copy") for name in found[:PLACES]) <= 2
    assert set(others) >= {name for name in found if not name.startswith("copy")}
    assert len(found) == PLACES


@pytest.mark.parametrize(
    ("question", "text", "others"),
    [(QUESTION, TEXT, OTHERS), (CHINESE_QUESTION, CHINESE_TEXT, CHINESE_OTHERS)],
    ids=["en", "zh"],
)
def test_other_documents_are_found_below_800_copies(
    question: str, text: str, others: dict[str, Sequence[str]], tmp_path: Path
) -> None:
    embedder = HashingEmbedder()
    copies = make_copies(text, 800)
    with Library(tmp_path / "library", embedder) as library:
        for name, pages in others.items():
            make_book(tmp_path / "files", name, pages, embedder).put(library)
        for number in range(0, 800, 20):
            make_book(tmp_path / "files", f"flood{number}.pdf", copies[number : number + 20], embedder).put(library)
        found = find(question, library, PLACES)
        names = [one.passage.name for one in found]
        assert len(found) == PLACES and sum(name in others for name in names) >= PLACES - 2
        assert max(one.why.folded for one in found) > 700
        again = find(question, library, PLACES)
        assert [one.passage.chunk.id for one in again] == [one.passage.chunk.id for one in found]


def test_a_library_of_copies_alone_still_fills_the_result(tmp_path: Path) -> None:
    embedder = HashingEmbedder()
    with Library(tmp_path / "library", embedder) as library:
        copies = make_copies(TEXT, 150, {"counter": MANNERS["counter"]})
        make_book(tmp_path / "files", "flood.pdf", copies, embedder).put(library)
        assert len(find(QUESTION, library, PLACES)) == PLACES


FORM = "In {year} the company employed {staff} people in three plants and paid each of them a share of the profit."


def test_a_near_copy_with_other_figures_gets_the_second_place_and_the_third_comes_last() -> None:
    years = [(FORM.format(year=2018 + n, staff=900 + n), f"report{n}") for n in range(3)]
    assert arranged([*years, ("Something else.", "other")]) == ["report0", "report1", "other", "report2"]


def test_a_near_copy_with_other_names_gets_the_second_place() -> None:
    text = "The bridge over the river was built by {name}, who also paid for the road and the two houses beside it."
    both = [(text.format(name="Pemberton"), "one"), (text.format(name="Gardiner"), "two"), ("Another.", "other")]
    assert arranged(both) == ["one", "two", "other"]


def test_a_near_copy_with_the_same_figures_and_names_comes_last_and_is_not_lost() -> None:
    text = "The bridge over the river was {how} by Gardiner, who also paid for the road and the two houses beside it."
    both = [(text.format(how="built"), "one"), (text.format(how="sold"), "two"), ("Another.", "other")]
    assert arranged(both) == ["one", "other", "two"]


def test_a_longer_text_that_holds_another_is_no_copy_of_it() -> None:
    short, long = Fingerprint("The toll was two pence a head."), Fingerprint(f"The toll was two pence a head. {TEXT}")
    assert short.is_near_copy_of(long) and not long.is_near_copy_of(short)


def test_two_texts_about_one_matter_are_no_copies() -> None:
    texts = [Fingerprint(page) for pages in [*OTHERS.values(), *CHINESE_OTHERS.values()] for page in pages]
    assert not any(a.is_near_copy_of(b) for a in texts for b in texts if a is not b)


def test_each_document_that_the_question_names_brings_its_own_near_copy() -> None:
    years = [(FORM.format(year=2018 + n, staff=900 + n), f"report{n}") for n in range(5)]
    ranked = [*years, ("Something else.", "other")]
    assert arranged(ranked, named=["report2", "report4"])[:4] == ["report0", "report1", "report2", "report4"]


def test_a_named_document_has_no_fewer_places_than_another() -> None:
    years = [(FORM.format(year=2018 + n, staff=900 + n), "report") for n in range(3)]
    ranked = [*years, ("Something else.", "other")]
    assert arranged(ranked, named=["report"]) == arranged(ranked) == ["report", "report", "other", "report"]


def test_named_documents_with_the_same_figures_bring_one_near_copy_and_all_of_them_half_the_places() -> None:
    same = [(f"{TEXT} {'again ' * n}", f"copy{n}") for n in range(6)]
    other = [(f"{word} {word}s {word}ed.", word) for word in ["one", "two", "three", "four", "five", "six"]]
    named = [document for _, document in same]
    assert arranged([*same, *other], named=named) == ["copy0", "one", "two", "three", "four", "five", "six", "copy1"]
    counted = [(f"{TEXT} Copy {n}.", f"copy{n}") for n in range(6)]
    assert sum(name.startswith("copy") for name in arranged([*counted, *other], named=named)) == PLACES // 2


def test_a_question_s_documents_are_found_among_reports_of_one_form(tmp_path: Path) -> None:
    embedder = HashingEmbedder()
    with Library(tmp_path / "library", embedder) as library:
        for n in range(6):
            text = FORM.format(year=2015 + n, staff=900 + n)
            make_book(tmp_path / "files", f"ACME_{2015 + n}_10K.pdf", [text], embedder).put(library)
        found = find("How many people did Acme employ in FY2018?", library, 3)
        assert found[0].passage.name == "ACME_2018_10K.pdf"
        words = ("anchor", "barrel", "candle", "dagger", "engine", "fiddle", "garnet", "hammer")
        notes = [f"{word} {word}s people {' '.join(f'{word}{n}' for n in range(20))}." for word in words]
        make_book(tmp_path / "files", "notes.pdf", notes, embedder).put(library)
        reports = {library.find(f"ACME_{year}_10K.pdf").id for year in (2015, 2016, 2017, 2018)}
        chosen = [*reports, library.find("notes.pdf").id]
        found = find("How many people did the company employ in its plants?", library, PLACES, chosen)
        assert reports < {one.passage.document for one in found}


def test_copies_of_a_long_document_have_its_share_together() -> None:
    """A document takes half of the places. Its copies do not take the other half."""
    words = ["anchor", "barrel", "candle", "dagger", "engine", "fiddle", "garnet", "hammer"]
    pages = [" ".join(f"{word}{n}" for n in range(30)) for word in words]
    ranked = [make_passage(page, f"copy{(n + turn) % 9}") for n, page in enumerate(pages) for turn in range(9)]
    ranked += [make_passage(f"{word} {word}s {word}ed.", word) for word in ("one", "two", "three", "four")]
    found = [one.passage.document for one in arrange(ranked, PLACES, never, spread=True).passages]
    assert sum(name.startswith("copy") for name in found) == PLACES // 2


class Counting:
    """A re-ranker that keeps the order, and what it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def scores(self, question: str, texts: Sequence[str], found: Sequence[float]) -> list[float]:
        self.given = list(texts)
        return list(found)


def test_a_second_look_is_not_spent_on_copies(tmp_path: Path) -> None:
    embedder, reranker = HashingEmbedder(), Counting()
    with Library(tmp_path / "library", embedder) as library:
        make_book(tmp_path / "files", "flood.pdf", make_copies(TEXT, 60), embedder).put(library)
        for name, pages in OTHERS.items():
            make_book(tmp_path / "files", name, pages, embedder).put(library)
        find(QUESTION, library, PLACES, reranker=reranker)
        others = {page for pages in OTHERS.values() for page in pages}
        assert len(set(reranker.given) & others) == len(others)


@pytest.mark.parametrize("joined", [in_turn, lambda found, k: beside(found[0], found[1], k, 4)], ids=["split", "wider"])
def test_searches_for_parts_of_a_question_do_not_add_their_copies_up(
    joined: Callable[[list[list[Passage]], int], list[Passage]],
) -> None:
    found = [
        [make_passage(f"{TEXT} {'again ' * n}", f"copy{n}"), make_passage(f"{word} alone.", word)]
        for n, word in enumerate(["one", "two"])
    ]
    assert [passage.document for passage in joined(found, 3)] == ["copy0", "one", "two"]


def test_every_passage_is_in_one_of_both_parts() -> None:
    passages = [make_passage(copy, f"copy{n}") for n, copy in enumerate(make_copies(TEXT, 30))]
    first, rest = split_copies(passages, 20)
    assert len(first) == 2 and sorted(map(id, first + rest)) == sorted(map(id, passages))
    assert CopyGroups(8).find(Fingerprint(TEXT)) is None
