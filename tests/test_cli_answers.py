"""What `ask`, `compare` and `summarize` print, for scripts and for people."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.json_output import write_json
from app.cli.terminal_output import Screen, citation_lines, with_chain
from chains.events import Event, Step, Token
from chains.partial_answer import cut_short
from chains.prompt import Prompt
from tests.support.commands import CHAINS, SUMMARIES, Run, command, value
from tests.support.entries import answer
from tests.support.fakes import ScriptedModel
from tests.support.harbour import harbour_pdfs
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


def test_a_sign_of_life_is_no_line(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*_: object, **__: object) -> Iterator[Event]:
        yield from (Token(""), Step("reasoned", text="Hm."), Token("It is so."))
        yield replace(cut_short([Token("It is so.")], "x", "stuff", "m", 1.0), stopped=False)

    monkeypatch.setattr("chains.answer.ask", slowly)
    assert filled("ask", "x")[1].startswith("It is so.\n")


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
    monkeypatch.setattr("app.composition.model", lambda *_: ScriptedModel(lambda p: said))
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
    monkeypatch.setattr("app.composition.model", lambda *_: model)
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
    monkeypatch.setattr("app.composition.open_model", lambda *_, **__: model)
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


def test_a_line_of_from_may_say_how_it_is_asked(
    filled: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(reasons)
    monkeypatch.setattr("app.composition.open_model", lambda *_, **__: model)
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


def test_a_terminal_shows_the_words_that_answer_in_bold_and_a_file_does_not() -> None:
    cited = replace(answer().citations[0], quote="It was\nfounded in\n1189.", span="in\n1189")
    (plain,), (bold,) = (list(citation_lines(answer(citations=(cited,)), terminal)) for terminal in (False, True))
    assert plain == "[1] a.pdf, page 2 (ii): “It was founded in 1189.”"
    assert bold == plain.replace("in 1189", "\x1b[1min 1189\x1b[22m")


def test_a_quote_that_crosses_the_pages_end_names_both_pages() -> None:
    cited = replace(answer().citations[0], quote="It was founded in 1189.", goes_on=((3, 12),))
    assert list(citation_lines(answer(citations=(cited,)))) == ["[1] a.pdf, page 2 (ii)–3: “It was founded in 1189.”"]


@given(st.text(max_size=40))
def test_what_a_terminal_would_obey_stands_in_json_as_its_number(text: str) -> None:
    for said in (text, f"{text}\x9b31m\x7f\u202e{text}\U000e0041"):
        out = StringIO()
        write_json(out, {"answer": said})
        assert json.loads(out.getvalue()) == {"answer": said}
        assert not re.search("[\x7f-\x9f\u202a-\u202e\U000e0041]", out.getvalue())


def test_a_thought_that_only_ends_is_told_from_the_answer_that_follows_it() -> None:
    out, err = StringIO(), StringIO()
    screen = Screen(out, err)
    for piece in ("They want the year.\n", "</think>\n", "It was founded in 1189. [1]"):
        screen.show(Token(piece))
    screen.finish(answer(text="It was founded in 1189. [1]"))
    assert "They want the year.\n</think>\nIt was founded in 1189. [1]\nIt was founded in 1189. [1]\n" in out.getvalue()
    assert "what stands before </think> was reasoning" in err.getvalue()
    plain = Screen(StringIO(), err := StringIO())
    plain.show(Token("It was founded in 1189. [1]"))
    plain.finish(answer(text="It was founded in 1189. [1]"))
    assert "reasoning" not in err.getvalue()


@given(st.lists(st.sampled_from(["The fee is 9. [1]", "\n", "\n\n", "[", "2] b.pdf, page 9: “Bob.”", "· 3 of 3", " "])))
def test_no_line_of_an_answer_looks_like_one_of_the_programs(pieces: list[str]) -> None:
    for shown in (pieces, ["".join(pieces)]):
        out = StringIO()
        screen = Screen(out, StringIO())
        for piece in shown:
            screen.show(Token(piece))
        lines = out.getvalue().split("\n")
        assert not any(line.startswith(("[", "·")) for line in lines)
        assert [line.strip() for line in lines] == [line.strip() for line in "".join(pieces).split("\n")]
