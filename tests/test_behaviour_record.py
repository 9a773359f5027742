"""The record of what the program prints takes out what differs between two runs, and nothing that a change changes."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.behaviour_cases import Case, list_cases
from tests.support.behaviour_documents import make_documents
from tests.support.behaviour_record import TIME, diff_records, main, normalize, open_workspace, parse_output

PRINTED = {
    "answer": "It took 12 s.",
    "score": 0.51,
    "kept": 0,
    "pages": [1, None, True],
    "seconds": 1.25,
    "plan": {"seconds": None, "calls": 3},
    "documents": [{"added": "2026-12-01T10:00:00+00:00", "chunks": 4}],
}


def test_only_the_times_of_a_value_are_taken_out() -> None:
    assert parse_output(json.dumps(PRINTED)) == {
        **PRINTED,
        "seconds": TIME,
        "documents": [{"added": TIME, "chunks": 4}],
    }


def test_each_line_of_json_is_a_value() -> None:
    assert parse_output('{"id": 1, "seconds": 0.1}\n{"id": 2}\n') == [{"id": 1, "seconds": TIME}, {"id": 2}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("took 2 model calls, 31 tokens, 0.4 s, no cost", "took 2 model calls, 31 tokens, <time>, no cost"),
        ("about 12 s", "about <time>"),
        ("about 2 h 10 min, 3 min", "about <time>, <time>"),
        ("4 passages, added 2026-12-01", "4 passages, added <time>"),
        ("refine  2 of 2    3   932   70      0.1  0.02 EUR", "refine  2 of 2    3   932   70<time>  0.02 EUR"),
        ("openai:scripted     0.5     1.5  EUR", "openai:scripted     0.5     1.5  EUR"),
        (
            "time not known yet, 3 sources, 5 minutes, on 2026-12-01",
            "time not known yet, 3 sources, 5 minutes, on 2026-12-01",
        ),
    ],
)
def test_only_the_times_of_a_text_are_taken_out(text: str, expected: str) -> None:
    assert parse_output(text) == expected


def test_only_the_paths_and_ports_of_a_run_are_replaced() -> None:
    value = {"file": "/home/one/library/a.toml", "other": "/home/two", "n": [1, "http://127.0.0.1:81/v1"], "none": None}
    assert normalize(value, {"/home/one": "<folder>", "http://127.0.0.1:81": "<server>"}) == {
        "file": "<folder>/library/a.toml",
        "other": "/home/two",
        "n": [1, "<server>/v1"],
        "none": None,
    }


def test_a_text_of_several_lines_is_told_from_a_list_of_them() -> None:
    assert normalize("one\ntwo\n", {}) == ["one\n", "two\n", ""]
    assert normalize("one\ntwo", {}) != normalize(["one", "two"], {})


def test_every_changed_value_is_reported_and_no_other() -> None:
    before = {"first": {"code": 0, "stdout": PRINTED}, "second": {"code": 0}, "third": {"code": 0}}
    assert list(diff_records(before, json.loads(json.dumps(before)))) == []
    after = {"first": {"code": 0, "stdout": {**PRINTED, "score": 0.52}}, "second": {"code": 0}, "fourth": {"code": 1}}
    [changed, gone, new] = diff_records(before, after)
    assert "first" in changed and '\n-  "score": 0.51,\n+  "score": 0.52,\n' in changed and "It took" in changed
    assert "third" in gone and '\n- "code": 0' in gone
    assert "fourth" in new and '\n+ "code": 1' in new


def test_a_change_of_type_alone_is_reported() -> None:
    assert len(list(diff_records({"a": {"kept": 0}}, {"a": {"kept": False}}))) == 1


def test_two_runs_of_a_command_print_the_same() -> None:
    cases = [
        Case("prices", ("prices", "--json")),
        Case("wrong setting", ("list", "--json"), {"PAGEWISE_PASSAGES": "0"}),
        Case("wrong use", ("ask",)),
        Case("unknown document", ("health", "nothing", "--json")),
    ]
    records = []
    for _ in range(2):
        with open_workspace() as workspace:
            records.append({case.name: workspace.run(case) for case in cases})
    assert list(diff_records(*records)) == []
    assert records[0]["prices"]["stdout"]["file"] == "<folder>/prices.toml"
    assert [records[0][case.name]["code"] for case in cases] == [0, 2, 2, 1]
    assert "PAGEWISE_PASSAGES='0'" in records[0]["wrong setting"]["stderr"][0]


def test_a_crash_of_a_command_is_recorded() -> None:
    with open_workspace() as workspace:
        printed = workspace.run(Case("a crash", (1,)))  # type: ignore[arg-type]
    assert printed["code"] == 1 and any("TypeError: " in line for line in printed["stderr"])


def test_cases_have_names_of_their_own() -> None:
    names = [case.name for case in list_cases()]
    assert len(set(names)) == len(names) > 250


def test_the_documents_have_the_same_bytes_on_each_run(tmp_path: Path) -> None:
    once, again = (
        [hashlib.sha256(file.read_bytes()).hexdigest() for file in make_documents(tmp_path / name)]
        for name in ("once", "again")
    )
    assert once == again


def test_a_record_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--file", str(tmp_path / "none.json")]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "--update makes it" in printed.err
