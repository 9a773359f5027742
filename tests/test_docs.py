"""What the README says is so: settings, commands, shapes, exit codes, files and links."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.cli.arguments import parser
from app.cli.jsonl_input import INTERRUPTED
from settings import Settings, allowed, variable

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def section(name: str) -> str:
    """What stands between the README's comments of that name."""
    found = re.search(rf"<!-- {name}\b.*?-->\n(.*?)<!-- /{name} -->", README, re.DOTALL)
    assert found, name
    return found[1]


def settings_table() -> str:
    """The README's table, from the settings themselves."""
    rows = ["| setting | default | what it is | allowed |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = {"data": "the system's folder for user data", "api_key": ""}.get(name, str(default))
        code = f"`{shown}`" if shown and name != "data" else shown
        rows.append(f"| `{variable(name)}` | {code} | {field.description} | {allowed(name)} |")
    return "\n".join(rows) + "\n"


def test_the_table_of_settings_is_that_of_the_settings() -> None:
    assert section("settings") == settings_table(), "put this into README.md:\n" + settings_table()


def commands() -> list[str]:
    """Every `pagewise …` that the documents show, as a person would type it."""
    found = []
    for page in PAGES:
        for line in re.findall(r"^    (?:\$ )?(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            command = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", line)
            if command.startswith("pagewise ") and not re.search(r"[\[…A-Z]{2}|COMMAND|DOCUMENT|PATH|  ", command):
                found.append(command)
    return found


@pytest.mark.parametrize("command", commands())
def test_every_command_that_is_shown_can_be_typed(command: str) -> None:
    parser().parse_args(shlex.split(command)[1:])


def test_every_setting_that_a_page_names_is_there() -> None:
    there = set(map(variable, Settings.model_fields))
    for page in PAGES:
        for name in re.findall(r"\bPAGEWISE_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")):
            assert name in there, f"{page.name}: {name}"


def test_every_way_to_a_model_has_its_page_and_no_page_is_lost() -> None:
    index = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    ways = sorted(ROOT.glob("docs/models/*.md"))
    assert len(ways) == 5 and "(docs/models.md)" in README
    for way in ways:
        assert f"(models/{way.name})" in index
        text = way.read_text(encoding="utf-8")
        assert "pagewise" in text and "\n## What goes wrong\n" in text, way.name


def test_what_goes_wrong_is_said_in_the_words_of_the_program() -> None:
    """Each row of such a table begins with a message; what stands for a name or a figure is left open."""

    def opened(text: str) -> str:
        text = re.sub(r"\{\w+:n ([\w ]+)\}", r"… \1s", text)  # of a number, in the plural
        text = re.sub(r"\{[^{}]*\}|'[^' ]*…'|http\S+|\d[\d.,]*", "…", text.replace('"\n        f"', ""))
        return re.sub(r"…(\s*…)*", "…", text)

    sources = [ROOT / "chains/errors.py", *ROOT.glob("chains/models/**/*.py")]
    said = opened("\n".join(source.read_text(encoding="utf-8") for source in sources))
    rows = 0
    for way in ROOT.glob("docs/models/*.md"):
        table = way.read_text(encoding="utf-8").split("\n## What goes wrong\n")[1]
        for message in re.findall(r"^\| (.+?) \|", table, re.MULTILINE)[1:]:
            assert opened(message).strip(" …") in said, f"{way.name}: {message}"
            rows += 1
    assert rows > 15


def test_there_are_commands_to_try() -> None:
    assert len(commands()) >= 5


@pytest.mark.parametrize(
    "command",
    [
        *("run", "ingest", "list", "health", "remove", "search", "ask", "compare", "summarize", "models", "prices"),
        "settings",
    ],
)
def test_the_readme_tells_every_option_that_help_tells(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args([command, "--help"])
    assert end.value.code == 0
    help_text = capsys.readouterr().out
    for option in set(re.findall(r"(?<![\w-])(--?[a-z-]+)\b", help_text)) - {"-h", "--help"}:
        assert option in README, option
    assert f"pagewise {command}" in README


def test_every_exit_code_is_told() -> None:
    for code in (0, 1, 2, INTERRUPTED):
        assert f"\n| {code} | " in README


def shapes() -> dict[str, Any]:
    """The JSON of each command as the README has it, null for values; tests/test_cli.py compares what is printed."""
    parts = re.split(r"^    (\w+) +(?=\{)", section("shapes"), flags=re.MULTILINE)[1:]
    return {name: json.loads(_as_json(shape)) for name, shape in zip(parts[::2], parts[1::2], strict=True)}


def test_every_command_with_json_has_its_shape() -> None:
    commands = {"search", "ask", "compare", "summarize", "models", "prices", "list", "health", "ingest", "remove"}
    assert set(shapes()) == commands | {"repair", "settings", "plan"}  # plan: that of summarize --plan


def _as_json(shape: str) -> str:
    """{"a", "b": [{"c d"}]} → {"a": null, "b": [{"c d": null}]}"""
    return re.sub(r'("[\w ]+")(?=\s*[,}])', r"\1: null", shape)


def test_every_room_of_the_code_is_on_the_map_and_no_other() -> None:
    told = set(re.findall(r"^    ([\w/]+)/ ", section("map"), re.MULTILINE))
    files = [file for name in ("ingest", "chains", "app") for file in (ROOT / name).glob("**/*.py")]
    assert told >= {str(file.parent.relative_to(ROOT)) for file in files}
    assert all((ROOT / folder).is_dir() for folder in told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        found = page.parent / file if file else page
        assert found.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}, (
                target
            )


def test_every_dependency_has_its_reason() -> None:
    pages = [ROOT / "DECISIONS.md", *ROOT.glob("docs/decisions/*.md")]
    reasons = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    wanted += project["optional-dependencies"]["ocr"] + project["optional-dependencies"]["local"]
    for name in {re.split(r"[\[>=]", requirement)[0] for requirement in wanted}:
        assert name in reasons, name


def test_every_pin_satisfies_and_none_names_a_build_of_torch() -> None:
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"
    )
    assert pins["torch"] == "2.13.0"
    assert not [name for name, version in pins.items() if "+" in version or "@" in version]
