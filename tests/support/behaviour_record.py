"""Record what the program prints, and print what a change changes.

    python -m tests.support.behaviour_record --file FILE --update    write FILE: before a change
    python -m tests.support.behaviour_record --file FILE             print the differences to FILE: after it

Some 300 command lines over small PDFs in English and Chinese: every chain with the extractive model and with a scripted
model server on loopback, `search --explain`, `summarize`, `compare`, `health`, `list`, and errors. Of each it keeps
the exit code, stdout, stderr, and the prompts that the server received. Only times and the paths and ports of the run
are taken out. It takes 80 seconds of processor time. It calls the program by the `pagewise` command alone, so modules
and functions can be renamed.

It does not cover the web app and what only the app has (follow-up questions), text recognition, re-ranking models,
other embedders, `local:` models, calls in parallel, a shared vector store, and the commands `run`, `models`, `repair`
and `ingest --watch`.

Exit codes: 0 no difference; 1 differences, each as a unified diff, and nothing else, on stdout; 2 FILE cannot be read.

FILE belongs to one machine and one set of installed packages, so it is not committed: the embedder and the reader
run in the precision that the processor is fastest with, and their scores differ on another one. Make it from the commit
before the change, on the same machine.
"""

import argparse
import contextlib
import difflib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli.main import main as pagewise  # the only name of the program that is used here
from tests.support.behaviour_cases import Case, list_cases, reply_to, routes, write_inputs
from tests.support.behaviour_documents import make_documents
from tests.support.servers import Scripted, serving

Record = dict[str, Any]  # the name of a case → what it printed

TIME = "<time>"
# Keys of the JSON whose value is a time: how long something took, or when it was.
TIME_KEYS = frozenset({"seconds", "added"})
# The same in what is printed for people: with a unit, as a date, and in the rows of `compare`.
TIME_TEXT = re.compile(
    r"\b\d+(?:\.\d+)? (?:s|min)\b|\b\d+ h \d+ min\b|(?<=added )\d{4}-\d\d-\d\d\b"
    r"|(?P<row>^\w+ +\d+ of \d+ .*?\d) +\d+\.\d(?=  )",
    re.MULTILINE,
)
# One call at a time: the prompts then come in the order in which the chain sends them, on each run.
SETTINGS = {"PAGEWISE_PARALLEL": "1", "PAGEWISE_OCR": "off", "PAGEWISE_API_KEY": "none", "COLUMNS": "100"}
FOREIGN = ("PAGEWISE_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")


@dataclass(frozen=True)
class Workspace:
    """Where cases run: a library, a model server, and what to record in place of this run's paths and addresses."""

    server: Scripted
    settings: Mapping[str, str]  # environment variables
    replacements: Mapping[str, str]  # path or address → placeholder

    def run(self, case: Case) -> dict[str, Any]:
        """Run one command line in this process; what it printed, without times, paths and ports."""
        out, err = io.StringIO(), io.StringIO()
        before = len(self.server.chats)
        environment = set_environment({**self.settings, **case.settings})
        with environment, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = _run_command(case.arguments)
        printed: dict[str, Any] = {"arguments": list(case.arguments), "code": code}
        printed["stdout"] = parse_output(out.getvalue())
        printed["stderr"] = remove_times(err.getvalue())
        if prompts := [request.body for request in self.server.chats[before:]]:
            printed["prompts"] = prompts
        result: dict[str, Any] = normalize(printed, self.replacements)
        return result


def _run_command(arguments: Sequence[str]) -> int:
    """The exit code. A crash prints its traceback on stderr and ends with 1, so that it hides no other case."""
    try:
        return pagewise(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)


def parse_output(text: str) -> object:
    """The JSON value, or the list of those of several lines; where it is none, the text. All without times."""
    try:
        values = [_without_times(json.loads(line)) for line in text.splitlines()]
    except ValueError:
        return remove_times(text)
    return values[0] if len(values) == 1 else values or ""


def remove_times(text: str) -> str:
    """A text for people without its times."""
    return TIME_TEXT.sub(lambda match: f"{match['row'] or ''}{TIME}", text)


def _without_times(value: Any) -> Any:
    """null stays: that a time is not known is no time."""
    if isinstance(value, dict):
        return {
            key: TIME if key in TIME_KEYS and inner is not None else _without_times(inner)
            for key, inner in value.items()
        }
    return [_without_times(inner) for inner in value] if isinstance(value, list) else value


def normalize(value: Any, replacements: Mapping[str, str]) -> Any:
    """Replace the paths and ports of this run; make a list of lines of each text that has several, for the diffs."""
    if isinstance(value, dict):
        return {key: normalize(inner, replacements) for key, inner in value.items()}
    if isinstance(value, list):
        return [normalize(inner, replacements) for inner in value]
    if isinstance(value, str):
        for text, name in replacements.items():
            value = value.replace(text, name)
        lines = value.split("\n")
        return value if len(lines) == 1 else [f"{line}\n" for line in lines[:-1]] + lines[-1:]
    return value


@contextlib.contextmanager
def set_environment(settings: Mapping[str, str]) -> Iterator[None]:
    """These environment variables, and no other that the program or its libraries take for a setting."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(FOREIGN) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def open_workspace() -> Iterator[Workspace]:
    """An empty library and a scripted server, in a temporary folder that is the current one meanwhile."""
    with tempfile.TemporaryDirectory(prefix="behaviour-") as made, serving(reply_to, routes()) as server:
        folder = Path(made).resolve()
        settings = {**SETTINGS, "PAGEWISE_DATA": str(folder / "library"), "PAGEWISE_API_BASE": server.url}
        write_inputs(folder)
        with contextlib.chdir(folder):
            yield Workspace(server, settings, {str(folder): "<folder>", server.root: "<server>"})


def record_behaviour(cases: Sequence[Case]) -> Record:
    """Add all documents to a new library, then run the cases. No two of them have the same name."""
    record: Record = {}
    with open_workspace() as workspace:
        files = make_documents(Path("pdfs").resolve())
        adding = [Case(f"ingest: {file.name}", ("ingest", str(file), "--json")) for file in files]
        for case in (*adding, *cases):
            if case.name in record:
                raise ValueError(f"two cases are named {case.name!r}")
            record[case.name] = workspace.run(case)
    return record


def diff_records(before: Record, after: Record) -> Iterator[str]:
    """One unified diff for each case that differs. Lines of JSON are compared: in Python, 0 equals False."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = _json_lines(before.get(name)), _json_lines(after.get(name))
        if old != new:
            yield "\n".join(difflib.unified_diff(old, new, f"{name} (recorded)", f"{name} (now)", n=2, lineterm=""))


def _json_lines(value: object) -> list[str]:
    """None: no case of that name."""
    return [] if value is None else json.dumps(value, ensure_ascii=False, indent=1).split("\n")


def main(argv: Sequence[str] | None = None) -> int:
    about = "Record what the program prints, and print what a change changes."
    parser = argparse.ArgumentParser(prog="python -m tests.support.behaviour_record", description=about)
    parser.add_argument("--file", type=Path, required=True, help="the record")
    parser.add_argument("--update", action="store_true", help="write it, instead of comparing with it")
    args = parser.parse_args(argv)
    file: Path = args.file.resolve()
    before: Record = {}
    if not args.update:
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            print(f"{file} cannot be read ({error}). --update makes it.", file=sys.stderr)
            return 2
    after = record_behaviour(list_cases())
    if args.update:
        file.write_text(json.dumps(after, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return 0
    differences = list(diff_records(before, after))
    for difference in differences:
        print(difference)
    return int(bool(differences))


if __name__ == "__main__":
    os.environ["OFFLINE_GUARD"] = os.devnull  # on, and without a log: a refused connection is seen in what is printed
    import tests.guard.sitecustomize  # noqa: F401

    sys.exit(main())
