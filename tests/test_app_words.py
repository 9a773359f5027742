"""The interface's words: both languages, errors, numbers."""

import re
import string
from collections.abc import Iterator

import pytest

import app.background_jobs
import app.cached_resources
import chains.errors
import ingest.errors
import settings as settings_module
from app.i18n import TEXTS, Words, preferred, zh
from app.views.answer import step_line
from chains.errors import ModelTimeout
from chains.events import Step
from ingest.errors import PagewiseError
from ingest.plural import filled


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, text in TEXTS["en"].items():
        assert fields(text) == fields(TEXTS["zh"][key]), key
        assert text.strip() and TEXTS["zh"][key].strip(), key


COUNTED = {
    *("n", "done", "total", "calls", "count", "limit", "seconds", "read", "megabytes", "page", "pages", "free"),
    "needed",
}


def test_one_of_a_thing_is_said_in_the_singular() -> None:
    """Every text with a number in it, for the number 1."""
    said = {key: text for key, text in TEXTS["en"].items() if not key.endswith((".other", ".facts.tokens"))}
    said |= {error.__name__: f"{error.text} {error.remedy}" for error in errors()}
    wrong = {}
    for key, text in said.items():
        one = filled(text, **{name: 1 if name in COUNTED else "X" for name in fields(text)})
        if many := re.findall(r"(?<![.\d])1 (?!(?:is|has|was|s)\b)[a-z]+s\b", one):
            wrong[key] = many
    assert not wrong


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_reasons_and_languages_are_said_in_the_reader_s_words(lang: str) -> None:
    words, reasons = Words(lang), ("unchanged", "refused", "empty", "sources lost")  # type: ignore[arg-type]
    lines = [step_line(words, Step("kept", 1, 2, reason)) for reason in reasons]
    assert len(set(lines)) == 4 and not {words("step.kept", text=reason) for reason in reasons} & set(lines)
    assert words("language.zh") in step_line(words, Step("quoted", text="zh"))
    assert step_line(words, Step("verified", 1, 2, "1")).endswith(words("answer.quotes.near", n="1"))


def errors(of: type[PagewiseError] = PagewiseError) -> Iterator[type[PagewiseError]]:
    for kind in of.__subclasses__():
        if kind.__module__.split(".")[0] in ("app", "chains", "ingest", "settings"):
            if kind.text != PagewiseError.text:
                yield kind
            yield from errors(kind)


def test_every_error_that_the_app_may_show_has_a_chinese_sentence_with_its_parameters() -> None:
    assert {
        chains.errors,
        ingest.errors,
        settings_module,
        app.background_jobs,
        app.cached_resources,
    }  # all that define any are imported
    at_the_door = {"PortTaken", "AddressRefused"}  # said before there is an app
    for kind in errors():
        if kind.__name__ in at_the_door or kind.__module__ in (
            "app.cli.main",
            "app.cli.json_output",
            "ingest.__main__",
        ):
            continue
        assert kind.__name__ in zh.ERRORS, kind
        assert fields(zh.ERRORS[kind.__name__]) <= fields(kind.text + kind.remedy), kind


def test_an_error_is_said_in_the_reader_s_language_and_never_fails_to_be_said() -> None:
    error = ModelTimeout(url="http://h", seconds=12.4)
    assert Words("en").error(error) == str(error)
    assert "12 秒" in Words("zh").error(error)
    assert Words("zh").problem("ModelTimeout", {}, "kept") == "kept"
    assert Words("zh").problem("NoSuchError", {}, "kept") == "kept"


@pytest.mark.parametrize(
    ("locale", "language"), [("zh-CN", "zh"), ("ZH", "zh"), ("en-GB", "en"), ("de", "en"), (None, "en")]
)
def test_the_browser_chooses_the_language(locale: str | None, language: str) -> None:
    assert preferred(locale) == language
