"""The command line's promises: shapes, exit codes, a stdout that holds nothing else, and that it stops when told to."""

import io
import json
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import cli
from app.terminal import with_chain
from chains.answer import cut_short
from chains.compare import Compared, Of
from chains.events import Answer, Event, Step, Token
from chains.prompts import Prompt
from tests.fakes import HashingEmbedder, ScriptedModel
from tests.harbour import HARBOUR, harbour_pdfs
from tests.pdfs import PICTURE, encrypted_pdf, make_pdf
from tests.test_docs import shapes

CHAINS = ("stuff", "map_reduce", "refine", "map_rerank")
SUMMARIES = ("stuff", "map_reduce", "refine", "recursive")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def pdfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harbour_pdfs(tmp_path_factory.mktemp("pdfs"))


@pytest.fixture
def pagewise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command in this process, with a small embedder; (exit code, stdout, stderr)."""
    monkeypatch.setattr("app.wiring.open_embedder", lambda *_, **__: HashingEmbedder())

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def filled(pagewise: Run, pdfs: Path) -> Run:
    code, _, err = pagewise("ingest", pdfs)
    assert code == 0, err
    return pagewise


def value(done: tuple[int, str, str], code: int = 0) -> Any:
    """The one JSON value on stdout."""
    assert done[0] == code, done
    assert done[1].count("\n") == 1 and done[1].endswith("\n")
    return json.loads(done[1])


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


def test_a_sign_of_life_is_no_line(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*_: object, **__: object) -> Iterator[Event]:
        yield from (Token(""), Step("reasoned", text="Hm."), Token("It is so."))
        yield replace(cut_short([Token("It is so.")], "x", "stuff", "m", 1.0), stopped=False)

    monkeypatch.setattr("chains.answer.ask", slowly)
    assert filled("ask", "x")[1].startswith("It is so.\n")


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


@pytest.mark.parametrize("chain", CHAINS)
def test_ask_answers_by_every_chain_with_a_verified_page(filled: Run, chain: str) -> None:
    said = value(filled("ask", "公司2020年的营业收入是多少？", "--chain", chain, "--json"))
    assert list(said) == [
        *("question", "answer", "refused", "closest", "chain", "model", "calls", "seconds", "usage", "cost", "kept"),
        *("quotes", "citations", "unsourced", "figures"),
    ]
    assert said["quotes"]["verified"] == said["quotes"]["total"] > 0 == said["quotes"]["near"]
    assert said["unsourced"] == []
    assert "3.2亿元" in said["answer"] and said["chain"] == chain and said["model"] == "extractive"
    assert set(said["usage"]) == {"input_tokens", "output_tokens"} and said["refused"] is False
    [citation, *_] = said["citations"]
    assert set(citation) == {"n", "document", "page", "page_label", "quote", "span", "verified", "match"}
    assert citation["span"] in citation["quote"]
    assert (citation["document"], citation["page"], citation["verified"]) == ("report.pdf", 1, True)
    assert {"text": "3.2亿", "status": "found", "page": 1}.items() <= said["figures"][0].items()


@pytest.mark.parametrize(("way", "more"), [("answer", 0), ("score", 1)])
def test_ask_weighs_passages_in_the_way_that_is_asked_for(filled: Run, way: str, more: int) -> None:
    how = ("--chain", "map_rerank", "--rerank", way, "-k", 1)
    said = value(filled("ask", "公司2020年的营业收入是多少？", *how, "--json"))
    assert said["calls"] == 1 + more and "3.2亿元" in said["answer"]


def test_ask_for_a_person_prints_the_answer_and_where_it_stands(filled: Run) -> None:
    code, out, err = filled("ask", "公司董事长是谁？")
    assert code == 0 and "王小明" in out and "[1] report.pdf, page 1: “" in out
    assert "· found" in err and "· " not in out  # steps are no part of the answer
    _, out, err = filled("ask", "公司2020年的营业收入是多少？")
    assert "1 of 1 figure found on the cited pages" in out and "figure" not in err


def test_a_sentence_without_a_source_and_a_near_quote_are_told_apart(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "The new lighthouse was finished in 1934 [1]. A new lighthouse was completed in 1934 [1]. The moon is green."
    monkeypatch.setattr("app.wiring.model", lambda *_: ScriptedModel(lambda p: said))
    question = ("When was the new lighthouse finished?", "--document", "harbour.PDF")
    one = value(filled("ask", *question, "--json"))
    assert one["quotes"] == {"verified": 1, "near": 1, "total": 2, "dropped": 0}
    assert [citation["match"] for citation in one["citations"]] == ["exact", "near"]
    at = said.index("The moon")
    assert one["unsourced"] == [{"text": "The moon is green.", "start": at, "end": len(said)}]
    assert [set(each) for each in one["unsourced"]] == [set(shapes()["ask"]["unsourced"][0])]
    _, out, err = filled("ask", *question)
    assert "1 of 2 quotes found word for word on their pages, 1 nearly" in err
    assert "1 sentence has no source:\n- The moon is green.\n" in out
    _, out, err = filled("compare", *question)
    assert "stuff: 1 of 2 quotes found word for word on their pages, 1 nearly" in err
    assert "  1 sentence has no source:\n  - The moon is green.\n" in out and "1 of 2, 1 nearly" in out


def test_what_did_not_fit_is_said_with_the_command_that_reads_it(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    question = "When was the new lighthouse 'Harbour' finished?"
    model = ScriptedModel(lambda p: "It is so [1].", context=460)
    monkeypatch.setattr("app.wiring.model", lambda *_: model)
    code, out, err = filled("ask", question, "--chain", "stuff", "-k", 9)
    [line] = [line for line in err.splitlines() if line.startswith("To read all passages: ")]
    assert code == 0 and "passages fit the model's window; --chain map_reduce reads all" in err and "To read" not in out
    command = shlex.split(line.partition(": ")[2])
    assert command[:2] == ["pagewise", "ask"] and question in command and command[-2:] == ["--chain", "map_reduce"]
    code, out, err = filled(*command[1:])
    assert code == 0 and "To read all" not in err and [p.role for p in model.prompts].count("map") > 1


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        (["ask", "Why?"], "pagewise ask 'Why?' --chain map_reduce"),
        (["--data", "a b", "ask", "Why?", "--chain=stuff"], "pagewise --data 'a b' ask 'Why?' --chain map_reduce"),
        (["ask", "--chain", "stuff", "--", "-Why?"], "pagewise ask --chain map_reduce -- '-Why?'"),
    ],
)
def test_a_command_is_told_again_with_another_chain(typed: list[str], command: str) -> None:
    assert with_chain(typed, "map_reduce") == command


BOTH_ASKED = "When was the harbour founded and who was the lighthouse keeper?"


def reasons(prompt: Prompt) -> str:
    """A model that does what each way asks of it."""
    if prompt.role == "split":
        return "When was the harbour founded?\nWho was the lighthouse keeper?"
    if prompt.role == "broaden":
        return "What is the history of the harbour and its lighthouse?"
    thought = "<reasoning>Source 1\nsays so.</reasoning>" if prompt.reasoning else ""
    score = "Score: 90" if prompt.role == "rerank" else ""
    return f'{thought}It was founded in 1874 [1: "founded in 1874"].\n{score}'


@pytest.mark.parametrize("command", ["ask", "compare"])
def test_the_ways_to_ask_are_options_whose_steps_are_told(
    filled: Run, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(reasons)
    monkeypatch.setattr("app.wiring.open_model", lambda *_, **__: model)
    (tmp_path / "e.jsonl").write_text('{"question": "Who?", "answer": "Holm."}\n')
    options = ("--step-back", "--think", "--split", "--examples", tmp_path / "e.jsonl")
    code, out, err = filled(command, BOTH_ASKED, *options)
    assert code == 0 and "It was founded in 1874" in out and "Source 1 says so." not in out
    assert "searching for 2 parts: When was the harbour founded? Who was the lighthouse keeper?" in err
    assert "searching for this too: What is the history of the harbour and its lighthouse?" in err
    assert "shows 1 of 1 example\n" in err and "reasoned: Source 1 says so." in err
    said = value(filled(command, BOTH_ASKED, *options, "--json"))
    for one in said.get("answers", [said]):
        assert one["reasoning"] and set(one["reasoning"]) == {"Source 1\nsays so."}
    monkeypatch.setenv("PAGEWISE_THINK", "on")
    assert "reasoning" in filled(command, BOTH_ASKED, "--json")[1]
    model.prompts.clear()
    monkeypatch.setenv("PAGEWISE_THINK", "off")
    assert "reasoning" not in filled(command, BOTH_ASKED, "--json")[1]
    assert {prompt.role for prompt in model.prompts} <= {"answer", "map", "reduce", "refine", "rerank"}


@pytest.mark.parametrize("command", ["ask", "compare", "run"])
def test_wrong_examples_are_wrong_use_that_names_file_and_line(
    pagewise: Run, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"question": "Who?", "answer": "Holm."}\n{"question": "Who?"}\n')
    for name, says in (("bad.jsonl", "line 2"), ("none.toml", "No such file")):
        monkeypatch.setenv("PAGEWISE_EXAMPLES", name)  # in the current folder
        code, out, err = pagewise(command, *(["Who?", "--json"] if command != "run" else ["--port", "1"]))
        assert code == 2 and out == "" and name in err and says in err and not Path("library").exists()


def test_a_line_of_from_may_say_how_it_is_asked(
    filled: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(reasons)
    monkeypatch.setattr("app.wiring.open_model", lambda *_, **__: model)
    lines = [
        {"id": 1, "question": BOTH_ASKED, "split": True, "think": False},
        {"id": 2, "question": BOTH_ASKED},
        {"id": 3, "question": BOTH_ASKED, "step_back": "yes"},
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, lines)))
    code, out, _ = filled("ask", "--think", "--from", tmp_path / "q.jsonl")
    first, second, third = map(json.loads, out.splitlines())
    assert code == 1 and "reasoning" not in first and "reasoning" in second and "step_back" in third["error"]
    assert [prompt.role for prompt in model.prompts] == ["split", "answer", "answer"]


def test_compare_gives_every_chains_answer_and_where_they_agree(filled: Run) -> None:
    said = value(filled("compare", "公司2020年的营业收入是多少？", "-k", 1, "--json"))
    assert [one["chain"] for one in said["answers"]] == list(CHAINS)
    for one in said["answers"]:
        assert "3.2亿元" in one["answer"] and one["quotes"]["verified"] == one["quotes"]["total"] > 0
        assert {citation["document"] for citation in one["citations"]} == {"report.pdf"}
    assert said["calls"] == sum(one["calls"] for one in said["answers"])
    agreed = said["agreement"]
    assert agreed["share"] == sum(pair["share"] for pair in agreed["pairs"]) / 6
    assert agreed["pages"] == [{"document": "report.pdf", "page": 1, "page_label": "1", "chains": list(CHAINS)}]
    assert {"figure": "3.2", "chains": list(CHAINS)} in agreed["figures"]


def test_compare_for_a_person_ends_with_a_line_for_each_chain(filled: Run) -> None:
    code, out, err = filled("compare", "公司董事长是谁？")
    assert code == 0 and out.count("王小明") >= 4 and "[1] report.pdf, page 1: “" in out
    head, *rows = out.splitlines()[-5:]
    assert head.split() == ["chain", "quotes", "found", "calls", "tokens", "in", "out", "seconds", "cost"]
    assert [row.split()[0] for row in rows] == list(CHAINS)
    assert "In common: " in out and "report.pdf, page 1: cited by all 4" in out
    assert "map_rerank: at most" in err and "at most" not in out


def test_compare_keeps_to_documents_pages_and_years(filled: Run) -> None:
    asked = "公司2020年的营业收入是多少？"
    for option in (("--document", "harbour.PDF"), ("--pages", "7"), ("--since", "2990"), ("--until", "1000")):
        said = value(filled("compare", asked, *option, "--json"))
        assert all(one["refused"] for one in said["answers"]), option
    said = value(filled("compare", asked, "--document", "nowhere.pdf", "--json"), code=1)
    assert said["question"] == asked and "nowhere.pdf" in said["error"]


def test_a_refusal_is_no_failure_and_shows_the_closest_passages(filled: Run) -> None:
    question = "月球离地球有多远？"
    said = value(filled("ask", question, "--json"))
    assert said["refused"] is True and said["citations"] == []
    found = value(filled("search", question, "--json"))["passages"]
    assert said["closest"] == found and [set(one) for one in found] == [set(shapes()["ask"]["closest"][0])] * len(found)
    code, out, _ = filled("ask", question)
    assert code == 0 and "The closest passages:\n- " in out
    both = value(filled("compare", question, "--json"))
    assert [one["closest"] for one in both["answers"]] == [found] * 4
    assert filled("compare", question)[1].count("The closest passages:\n- ") == 1


@pytest.mark.parametrize(
    "question", ["公司董事长是谁？Answer in English.", "When was the new lighthouse finished? 请用中文回答"]
)
def test_a_model_that_only_quotes_says_so_where_another_language_was_asked_for(filled: Run, question: str) -> None:
    code, out, err = filled("ask", question)
    assert code == 0 and ("王小明" in out or "1934" in out)
    wanted = "English" if "English" in question else "Chinese"
    assert err.count("quotes the documents in their own language") == 1 and f"would write in {wanted}" in err
    assert "their own language" not in filled("ask", "公司董事长是谁？")[2]
    assert "their own language" in filled("summarize", "report.pdf", "--language", "en")[2]


WRONG_MODELS = (
    ({"MODEL": "nobody:m"}, "Providers are"),
    ({"MODEL": "openai:m", "API_KEY": ""}, "needs a key"),
    ({"MODEL": "local:./nowhere"}, "config.json"),
    ({"MODEL": "local:."}, "config.json"),
    ({"MODEL": "openai:m", "API_BASE": "http://127.0.0.1:9/v1", "MAX_COST": "1"}, "prices.toml"),
)


@pytest.mark.parametrize("command", [("ask", "lighthouse"), ("compare", "lighthouse"), ("summarize", "report.pdf")])
def test_a_model_that_cannot_be_opened_is_a_wrong_setting_and_nothing_is_searched(
    filled: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for settings, says in WRONG_MODELS:
        for name, setting in settings.items():
            monkeypatch.setenv(f"PAGEWISE_{name}", setting)
        code, out, err = filled(*command, "--json")
        assert (code, out) == (2, "") and says in err and "· found" not in err, settings


@pytest.mark.parametrize("chain", SUMMARIES)
def test_summarize_names_the_document(filled: Run, chain: str) -> None:
    said = value(filled("summarize", "report.pdf", "--chain", chain, "--json"))
    assert list(said) == [
        *("document", "summary", "chain", "model", "calls", "seconds", "usage", "cost", "kept", "quotes", "citations"),
        *("unsourced", "figures"),
    ]
    assert said["cost"] == {"amount": 0.0, "currency": ""}
    assert {figure["status"] for figure in said["figures"]} == {"found"}
    assert said["document"] == "report.pdf" and said["summary"]
    assert {citation["document"] for citation in said["citations"]} <= {"report.pdf"}


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


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("search",),
        ("search", "x", "--from", "y"),
        ("search", "--from", "no.jsonl"),
        ("ask", "--from", "."),
        ("search", " "),
        ("search", "x", "--pages", "0"),
        ("search", "x", "--pages", "3-2"),
        ("ask", "x", "--pages", "x"),
        ("ask", "x", "--chain", "stuf"),
        ("compare",),
        ("compare", " "),
        ("compare", "x", "--chain", "stuff"),
        ("ask", "x", "-k", "0"),
        ("ask", "x", "-k", "many"),
        ("summarize", "x", "--chain", "map_rerank"),
        ("run", "--port", "0"),
        ("ingest",),
    ],
)
def test_wrong_use_ends_with_2_and_begins_nothing(pagewise: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = pagewise(*arguments)
    assert code == 2 and out == "" and err
    assert not (tmp_path / "library").exists()


def test_an_unknown_setting_ends_with_2(pagewise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEWISE_MODLE", "extractive")
    code, out, err = pagewise("list", "--json")
    assert (code, out) == (2, "") and "'PAGEWISE_MODEL'" in err


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
import chains.retrieve

def noisy(*_):
    print("a library's chatter")
    os.write(1, b"a C library's chatter\\n")
    return []

chains.retrieve.find = noisy
from app.cli import main
sys.exit(main(["search", "x", "--json"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"question": "x", "passages": []}), done.stderr
    assert "a library's chatter" in done.stderr and "a C library's chatter" in done.stderr


def _answered_then_interrupted(*_: object, **__: object) -> Iterator[Event]:
    yield Step("planned", total=1)
    yield Token("The lighthouse ")
    raise KeyboardInterrupt


def test_ctrl_c_keeps_what_had_come_and_ends_with_130(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chains.answer.ask", _answered_then_interrupted)
    said = value(filled("ask", "x", "--json"), code=130)
    assert said["stopped"] is True and said["answer"].strip() == "The lighthouse"
    code, out, err = filled("ask", "x")
    assert code == 130 and out.startswith("The lighthouse") and "Stopped" in err


def test_a_broken_answer_keeps_its_text_and_ends_with_1(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from chains.errors import StreamCut

    def broken(*_: object, **__: object) -> Iterator[Event]:
        yield Token("Half an ans")
        whole = cut_short([Token("Half an ans")], "x", "stuff", "m", 1.0)
        yield Answer(**{**vars(whole), "stopped": False, "error": StreamCut(detail="reset")})

    monkeypatch.setattr("chains.answer.ask", broken)
    said = value(filled("ask", "x", "--json"), code=1)
    assert said["answer"] == "Half an ans" and "broke off" in said["error"]
    assert "broke off" in filled("ask", "x")[2]


def _compared_then_interrupted(*_: object, **__: object) -> Iterator[Compared]:
    yield Step("searched")
    yield Of("stuff", replace(cut_short([Token("It is so.")], "x", "stuff", "m", 1.0), stopped=False), 1.0)
    yield Of("refine", Token("It may "), 0.5)
    raise KeyboardInterrupt


def test_ctrl_c_keeps_the_chains_that_are_done_and_what_had_come(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chains.compare.compare", _compared_then_interrupted)
    said = value(filled("compare", "x", "--json"), code=130)
    assert said["stopped"] is True
    assert [one["answer"].strip() for one in said["answers"]] == ["It is so.", "", "It may", ""]
    assert ["stopped" in one for one in said["answers"]] == [False, True, True, True]
    code, out, err = filled("compare", "x")
    assert code == 130 and "It is so." in out and "It may" in out and "Stopped" in err


def test_a_chain_that_fails_ends_with_1_and_the_others_are_printed(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chains.errors import StreamCut

    model = ScriptedModel(lambda prompt: "Score: 90\nIt is so [1].", fails={1: StreamCut(detail="reset")})
    monkeypatch.setattr("app.wiring.model", lambda *_: model)
    said = value(filled("compare", "lighthouse", "-k", 1, "--json"), code=1)
    assert ["error" in one for one in said["answers"]] == [True, False, False, False]
    assert all("It is so" in one["answer"] for one in said["answers"][1:])


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys, app.cli\ntry: app.cli.main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'chromadb', 'streamlit', 'langchain', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0


def test_a_port_in_use_is_said_before_anything_starts(pagewise: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, out, err = pagewise("run", "--port", port)
    assert (code, out) == (1, "") and f"Port {port} on 127.0.0.1 is already in use" in err
