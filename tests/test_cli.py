"""The command line: JSON as the README tells it, --from, the library, and a stdout that holds nothing else."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Run, command, value
from tests.support.harbour import HARBOUR, harbour_pdfs
from tests.support.pdfs import PICTURE, encrypted_pdf, make_pdf
from tests.test_docs import shapes


@pytest.fixture(scope="module")
def pdfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harbour_pdfs(tmp_path_factory.mktemp("pdfs"))


@pytest.fixture
def pagewise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    return command(monkeypatch, capfd)


@pytest.fixture
def filled(pagewise: Run, pdfs: Path) -> Run:
    code, _, err = pagewise("ingest", pdfs)
    assert code == 0, err
    return pagewise


def test_ingest_lists_every_pdf_that_it_found_and_ends_with_1_where_one_failed(pagewise: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "deeper"
    folder.mkdir(parents=True)
    make_pdf(folder / "one.pdf", HARBOUR)
    make_pdf(folder / "twin.PDF", HARBOUR)
    make_pdf(tmp_path / "in" / "scan.pdf", [PICTURE, "A page of words, and one that is a picture."])
    encrypted_pdf(tmp_path / "in" / "locked.pdf")
    (tmp_path / "in" / "notes.txt").write_text("no PDF")
    said = value(pagewise("ingest", tmp_path / "in", "--json"), code=1)
    assert set(said) == {"documents", "seconds"}
    by_name = {one["document"]: one for one in said["documents"]}
    assert {name: one["status"] for name, one in by_name.items()} == {
        "one.pdf": "added",
        "twin.PDF": "already there",
        "scan.pdf": "partial",
        "locked.pdf": "failed",
    }
    assert by_name["one.pdf"]["id"] == by_name["twin.PDF"]["id"] and by_name["one.pdf"]["pages"] == 2
    assert by_name["scan.pdf"]["pages_without_text"] == 1 and "1" in by_name["scan.pdf"]["reason"]
    assert "password" in by_name["locked.pdf"]["reason"]


def test_list_shows_what_is_whole(filled: Run) -> None:
    documents = value(filled("list", "--json"))["documents"]
    assert [one["document"] for one in documents] == ["harbour.PDF", "report.pdf"]
    for one in documents:
        assert set(one) >= {"document", "id", "status", "pages", "pages_without_text", "chunks", "added"}
        assert one["status"] == "added" and one["added"].endswith("+00:00")
    code, out, _ = filled("list")
    assert code == 0 and "harbour.PDF" in out and documents[0]["id"][:8] in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("ingest", "{pdfs}"),
        ("list",),
        ("models",),
        ("health", "report.pdf"),
        ("search", "lighthouse"),
        ("ask", "公司2020年的营业收入是多少？"),
        ("compare", "公司2020年的营业收入是多少？"),
        ("summarize", "report.pdf"),
        ("summarize", "report.pdf", "--plan"),
        ("remove", "report.pdf"),
    ],
)
def test_what_is_printed_has_the_keys_that_the_readme_tells(
    filled: Run, pdfs: Path, arguments: tuple[str, ...]
) -> None:
    told = shapes()["plan" if "--plan" in arguments else arguments[0]]
    # What they share stands there once; every sentence here has its source.
    names = ("usage", "cost", "kept", "quotes", "citations", "figures")
    shared = {name: shapes()["ask"][name] for name in names} | {"unsourced": []}
    whole: dict[str, Any] = {"closest": []} if arguments[0] in ("ask", "compare") else {}  # they answer
    if arguments[0] == "compare":
        told |= {name: shared[name] for name in ("usage", "cost")}
        told["answers"][0] |= shared | whole
    if "--plan" in arguments:
        told |= {name: shared[name] for name in ("usage", "cost")}
    elif arguments[0] in ("ask", "summarize"):
        told |= shared | whole
    said = value(filled(*(argument.format(pdfs=pdfs) for argument in arguments), "--json"))
    assert _keys(said) == _keys(told)


def _keys(one: Any) -> Any:
    """The keys in their order, of all depths, of a list its first element's."""
    if isinstance(one, dict):
        return [(key, _keys(inner)) for key, inner in one.items()]
    return [_keys(one[0])] if isinstance(one, list) and one and isinstance(one[0], dict) else None


def test_names_of_either_script_stand_in_columns(pagewise: Run, tmp_path: Path) -> None:
    for name, text in (("年度报告.pdf", "The harbour is old."), ("a.pdf", "The harbour is new.")):
        make_pdf(tmp_path / name, [text])
        assert pagewise("ingest", tmp_path / name)[0] == 0
    assert [line.split("  ", 1)[1].split("1 page")[0] for line in pagewise("list")[1].splitlines()] == [
        f"a.pdf{' ' * 7}  ",
        "年度报告.pdf  ",
    ]


def test_an_empty_library_says_what_to_do(pagewise: Run) -> None:
    assert pagewise("list")[1] == "The library is empty. Add PDFs: pagewise ingest FILE_OR_FOLDER\n"
    assert value(pagewise("list", "--json")) == {"documents": []}
    assert value(pagewise("search", "lighthouse", "--json"))["passages"] == []
    assert value(pagewise("ask", "Who kept the lighthouse?", "--json"))["refused"] is True


def test_search_explains_why_each_passage_is_there(filled: Run) -> None:
    plain = value(filled("search", "lighthouse", "--json"))["passages"]
    explained = value(filled("search", "lighthouse", "--json", "--explain"))["passages"]
    assert [p["text"] for p in explained] == [p["text"] for p in plain]
    assert set(explained[0]) - set(plain[0]) == {"explain"}
    why = explained[0]["explain"]
    assert why["score"] == explained[0]["score"]
    assert "lighthous" in why["matched"]
    assert "score " in filled("search", "lighthouse", "--explain")[1]


def test_search_and_ask_keep_to_pages_and_years(filled: Run) -> None:
    for page in (1, 2):
        found = value(filled("search", "lighthouse 营业收入", "--pages", page, "--json"))["passages"]
        assert {p["page"] for p in found} <= {page}
    assert value(filled("search", "lighthouse", "--since", 2990, "--json"))["passages"] == []
    late = ("ask", "When was the new lighthouse finished?", "--until", 1000)
    assert value(filled(*late, "--json"))["refused"] and "pages and years asked about fits" in filled(*late)[1]


def test_search_gives_passages_with_their_pages(filled: Run) -> None:
    said = value(filled("search", "When was the new lighthouse finished?", "-k", 1, "--json"))
    [passage] = said["passages"]
    assert set(said) == {"question", "passages"}
    assert set(passage) == {"document", "page", "last_page", "page_label", "score", "text"}
    assert (passage["document"], passage["last_page"]) == ("harbour.PDF", 2) and "1934" in passage["text"]
    assert "harbour.PDF, page" in filled("search", "lighthouse")[1]


def test_document_restricts_by_name_or_id(filled: Run) -> None:
    ids = {one["document"]: one["id"] for one in value(filled("list", "--json"))["documents"]}
    for name in ("report.pdf", ids["report.pdf"], ids["report.pdf"][:8]):
        found = value(filled("search", "lighthouse 营业收入", "--document", name, "--json"))["passages"]
        assert {passage["document"] for passage in found} == {"report.pdf"}
    both = value(
        filled("search", "lighthouse 营业收入", "--document", "report.pdf", "--document", "harbour.PDF", "--json")
    )
    assert {passage["document"] for passage in both["passages"]} == {"report.pdf", "harbour.PDF"}


def test_what_is_not_there_fails_with_its_json(filled: Run) -> None:
    for arguments in (
        ("search", "x", "--document", "reprot.pdf"),
        ("summarize", "reprot.pdf"),
        ("remove", "reprot.pdf"),
    ):
        said = value(filled(*arguments, "--json"), code=1)
        assert "'reprot.pdf'" in said["error"] and "nearest there is: report.pdf" in said["error"]
        assert filled(*arguments)[:2] == (1, "")


def test_a_part_of_a_name_finds_the_names_that_have_it(filled: Run) -> None:
    assert "nearest there is: harbour.PDF." in filled("summarize", "HARB")[2]


def test_a_removed_document_is_gone(filled: Run) -> None:
    said = value(filled("remove", "report.pdf", "--json"))
    assert said["removed"] is True and said["left"] == 0 and said["vectors"] == 1
    assert said["rows"] > 4 and said["tokens"] > 10, "the document, its page, its passage, and what its words need"
    assert [one["document"] for one in value(filled("list", "--json"))["documents"]] == ["harbour.PDF"]
    found = value(filled("search", "营业收入", "--json"))["passages"]
    assert {passage["document"] for passage in found} <= {"harbour.PDF"}


FROM = "\n".join(
    [
        '{"id": "q1", "question": "公司董事长是谁？", "answer": "ignored", "page": 7}',
        "",
        "this is no JSON",
        '{"id": {"any": 3}, "question": "营业收入", "documents": ["harbour.PDF"]}',
        '{"id": 4}',
        '{"id": 5, "question": "营业收入", "documents": ["nowhere.pdf"]}',
        '{"id": 6, "question": "营业收入", "documents": "report.pdf"}',
        '{"id": 7, "question": "营业收入", "documents": []}',
        '["a list"]',
        '{"id": 8, "question": "half a pair: \\ud800 lighthouse"}',
    ]
)


@pytest.mark.parametrize("command", ["search", "ask"])
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_from_answers_every_line_and_a_bad_line_costs_that_line(
    filled: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, way: str
) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(FROM)
    if way == "stdin":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FROM.encode())))
    code, out, _ = filled(command, "--from", file if way == "file" else "-")
    said = [json.loads(line) for line in out.splitlines()]
    assert code == 1  # some lines failed
    assert [line["id"] for line in said] == ["q1", None, {"any": 3}, 4, 5, 6, 7, None, 8]
    assert ["error" in line for line in said] == [False, True, False, True, True, True, True, True, False]
    assert "nowhere.pdf" in said[4]["error"] and "empty list" in said[6]["error"]
    if command == "search":
        assert said[0]["passages"][0]["document"] == "report.pdf"
        assert {passage["document"] for passage in said[2]["passages"]} <= {"harbour.PDF"}
    else:
        assert "王小明" in said[0]["answer"] and said[2]["refused"]


def test_from_ends_with_0_where_every_line_was_answered(filled: Run, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"id": 1, "question": "lighthouse"}\r\n')
    code, out, _ = filled("search", "--from", file)
    assert code == 0 and json.loads(out)["id"] == 1


def test_data_on_the_command_line_counts_before_the_environment(filled: Run, tmp_path: Path) -> None:
    assert value(filled("list", "--json", "--data", tmp_path / "other")) == {"documents": []}
    assert value(filled("--data", tmp_path / "other", "list", "--json")) == {"documents": []}
    assert (
        len(value(filled("--data", tmp_path / "other", "list", "--json", "--data", tmp_path / "library"))["documents"])
        == 2
    )


def test_what_libraries_print_stays_off_stdout() -> None:
    code = """
import os, sys
import chains.retrieval.hybrid

def noisy(*_):
    print("a library's chatter")
    os.write(1, b"a C library's chatter\\n")
    return []

chains.retrieval.hybrid.find = noisy
from app.cli.main import main
sys.exit(main(["search", "x", "--json"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"question": "x", "passages": []}), done.stderr
    assert "a library's chatter" in done.stderr and "a C library's chatter" in done.stderr


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys, app.cli.main\ntry: app.cli.main.main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'chromadb', 'streamlit', 'langchain', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0
