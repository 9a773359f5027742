"""A folder from elsewhere chooses nothing: what its file may set, when, and where a key goes."""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.cli import main as cli_main
from app.settings_table import settings_lines
from ingest.server_url import shown
from settings import (
    HARMLESS,
    FileNotAgreedError,
    KeyAboveAddressError,
    ProviderKeyError,
    Settings,
    SettingSource,
    UnknownSetting,
    WrongSetting,
    agree_to_files,
    guarded_names,
    inspect_settings,
    load_settings,
)
from settings_files import SettingsFile, config_folder, read_settings_file, user_file
from tests.support.asking import KEY
from tests.support.commands import value
from tests.support.fakes import HashingEmbedder
from tests.support.pages import small
from tests.support.servers import said, serving
from tests.test_docs import shapes

MAIN = Path(__file__).parent.parent / "app" / "main.py"
OPENAI = "https://api.openai.com/v1"
SHAPE = shapes()["settings"]  # as the README tells it
SERVER = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def _no_agreement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def write_folder_file(text: str) -> Path:
    file = Path.cwd() / "pagewise.toml"
    file.write_text(text)
    return file


def write_user_file(text: str) -> Path:
    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text(text)
    user_file().chmod(0o644)
    return user_file()


def toml_of(field: str) -> str:
    """A line that sets the field to its default."""
    default = Settings.model_fields[field].get_default(call_default_factory=True, validated_data={})
    return f"{field} = {default}" if isinstance(default, int | float) else f"{field} = '{default}'"


def agree() -> None:
    agree_to_files(inspect_settings(environ={}))


# --- what a file of the current folder may set ----------------------------------------------------------------


@pytest.mark.parametrize("field", sorted(set(Settings.model_fields) - HARMLESS))
def test_a_guarded_setting_of_a_folder_file_stops_everything_until_it_is_agreed_to(field: str) -> None:
    file = write_folder_file(f"passages = 3\n{toml_of(field)}\n")
    with pytest.raises(FileNotAgreedError, match=f"{re.escape(str(file))} wants to set {field}, .*settings --trust"):
        load_settings(environ={})
    agree()
    assert load_settings(environ={}).passages == 3


@pytest.mark.parametrize("field", sorted(HARMLESS))
def test_a_setting_that_tunes_applies_without_an_agreement(field: str) -> None:
    write_folder_file(toml_of(field))
    assert inspect_settings(environ={}).origins[field].source == SettingSource.FOLDER_FILE
    load_settings(environ={})


def test_what_decides_where_text_goes_and_what_reads_it_is_guarded_and_so_is_any_new_setting() -> None:
    assert HARMLESS.issubset(Settings.model_fields)
    guarded = {"data", "model", "api_base", "api_key", "lora", "embedder", "reranker", "reader", "chroma_url"}
    guarded |= {"examples", "address", "port", "allow_link_local"}
    guarded |= {"max_file_mb", "max_pages", "page_seconds", "file_seconds", "worker_mb", "ocr_seconds", "max_text_mb"}
    assert not guarded & HARMLESS
    file = SettingsFile(Path("pagewise.toml"), {"passages": 1, "brand_new": 1}, "", private=False)
    assert guarded_names(file) == ["brand_new"]


def test_a_guarded_value_is_not_in_force_before_the_agreement() -> None:
    write_folder_file(f"model = 'openai:m'\napi_base = '{SERVER}'\nembedder = './nowhere'\nchain = 'refine'\n")
    settings = inspect_settings(environ={}).settings
    assert (settings.model, settings.api_base, settings.chain) == ("extractive", "", "refine")


def test_a_misspelt_name_in_a_file_that_is_not_agreed_to_is_still_an_error() -> None:
    write_folder_file("modle = 'openai:m'\n")
    with pytest.raises(UnknownSetting, match=r"'modle'.*'model'"):
        load_settings(environ={})


# --- the agreement --------------------------------------------------------------------------------------------


def test_a_changed_file_must_be_agreed_to_again() -> None:
    write_folder_file("model = 'openai:m'\n")
    agree()
    assert load_settings(environ={}).model == "openai:m"
    write_folder_file("model = 'openai:n'\n")
    with pytest.raises(FileNotAgreedError):
        load_settings(environ={})
    write_folder_file("model = 'openai:m'\n")  # the bytes that were agreed to
    assert load_settings(environ={}).model == "openai:m"


def test_the_same_file_in_another_folder_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder_file("model = 'openai:m'\n")
    agree()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    write_folder_file("model = 'openai:m'\n")
    with pytest.raises(FileNotAgreedError):
        load_settings(environ={})


def test_what_is_agreed_to_are_the_bytes_that_were_shown() -> None:
    write_folder_file("model = 'openai:m'\n")
    seen = inspect_settings(environ={})
    write_folder_file(f"model = 'openai:m'\napi_base = '{SERVER}'\n")  # swapped between looking and agreeing
    agree_to_files(seen)
    with pytest.raises(FileNotAgreedError, match="api_base"):
        load_settings(environ={})


def test_the_agreement_is_the_user_s_alone_to_write() -> None:
    write_folder_file("model = 'openai:m'\n")
    agree()
    kept = config_folder() / "agreed-files.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and list(config_folder().iterdir()) == [kept]
    kept.chmod(0o666)  # then anybody may have written it
    with pytest.raises(FileNotAgreedError):
        load_settings(environ={})


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}', "\xff"])
def test_a_broken_agreement_is_none(content: str) -> None:
    write_folder_file("model = 'openai:m'\n")
    agree()
    (config_folder() / "agreed-files.json").write_text(content)
    with pytest.raises(FileNotAgreedError):
        load_settings(environ={})
    agree()
    assert load_settings(environ={}).model == "openai:m"


def test_an_agreement_keeps_those_to_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "b", "a"):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        write_folder_file("model = 'openai:m'\n")
        agree()
    assert len(json.loads((config_folder() / "agreed-files.json").read_text())) == 2


# --- the user's own file --------------------------------------------------------------------------------------


def test_the_user_s_own_file_needs_no_agreement_and_gives_way_to_the_folder_s() -> None:
    write_user_file("model = 'openai:m'\npassages = 2\nchain = 'refine'\n")
    write_folder_file("passages = 3\n")
    loaded = inspect_settings(environ={})
    assert loaded.problem is None
    assert (loaded.settings.model, loaded.settings.passages, loaded.settings.chain) == ("openai:m", 3, "refine")
    sources = [loaded.origins[name].source for name in ("model", "passages", "port")]
    assert sources == [SettingSource.USER_FILE, SettingSource.FOLDER_FILE, SettingSource.DEFAULT]
    assert load_settings({"passages": 5}, {"PAGEWISE_PASSAGES": "4"}).passages == 5
    assert load_settings({}, {"PAGEWISE_PASSAGES": "4"}).passages == 4


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_an_own_file_that_others_can_write_is_a_stranger_s(mode: int) -> None:
    write_user_file("model = 'openai:m'\n").chmod(mode)
    with pytest.raises(FileNotAgreedError):
        load_settings(environ={})
    agree()
    assert load_settings(environ={}).model == "openai:m"


def test_an_own_file_of_another_user_is_a_stranger_s(monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_user_file("model = 'openai:m'\n")
    assert read_settings_file(file).private
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert not read_settings_file(file).private


def test_in_the_configuration_folder_itself_the_file_is_the_user_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_user_file("model = 'openai:m'\n").parent)
    assert inspect_settings(environ={}).origins["model"].source == SettingSource.USER_FILE
    assert load_settings(environ={}).model == "openai:m"


def test_a_link_in_the_current_folder_to_the_user_s_own_file_is_not_the_user_s_own() -> None:
    own = write_user_file("model = 'openai:m'\n")
    own.rename(own.with_name("other.toml"))
    Path("pagewise.toml").symlink_to(own.with_name("other.toml"))
    with pytest.raises(FileNotAgreedError):
        load_settings(environ={})


# --- a key and its address ------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [write_user_file, write_folder_file])
@pytest.mark.parametrize("variable", ["PAGEWISE_API_KEY", "OPENAI_API_KEY"])
def test_a_key_of_the_environment_is_not_for_an_address_of_a_file(file: object, variable: str) -> None:
    base = SERVER if variable == "PAGEWISE_API_KEY" else OPENAI
    path = file(f"api_base = '{base}'\n")  # type: ignore[operator]
    agree()
    with pytest.raises(KeyAboveAddressError) as caught:
        load_settings(environ={variable: KEY})
    said_ = str(caught.value)
    assert variable in said_ and "in the environment" in said_ and str(path) in said_ and base in said_
    assert "Set both in the same place" in said_ and KEY not in said_


@pytest.mark.parametrize(
    ("overrides", "environ", "own", "folder"),
    [
        ({}, {"PAGEWISE_API_KEY": KEY, "PAGEWISE_API_BASE": SERVER}, "", ""),
        ({}, {"PAGEWISE_API_KEY": KEY, "PAGEWISE_API_BASE": SERVER}, f"api_base = '{OPENAI}'", ""),
        ({"api_base": SERVER}, {"PAGEWISE_API_KEY": KEY}, "", ""),
        ({}, {"PAGEWISE_API_KEY": KEY}, "", ""),  # the provider's own address
        ({}, {"PAGEWISE_API_KEY": KEY, "PAGEWISE_API_BASE": ""}, f"api_base = '{SERVER}'", ""),
        ({}, {}, f"api_base = '{SERVER}'\napi_key = '{KEY}'", ""),
        ({}, {}, "", f"api_base = '{SERVER}'\napi_key = '{KEY}'"),
        ({}, {"PAGEWISE_API_BASE": SERVER}, f"api_key = '{KEY}'", ""),
        ({}, {"OPENAI_API_KEY": KEY, "PAGEWISE_API_BASE": OPENAI}, "", ""),
    ],
)
def test_a_key_is_for_an_address_of_the_same_place_or_one_above(
    overrides: dict[str, object], environ: dict[str, str], own: str, folder: str
) -> None:
    write_user_file(own)
    write_folder_file(folder)
    agree()
    assert load_settings(overrides, environ).api_key.get_secret_value() == KEY


def test_a_key_of_the_folder_s_file_is_not_for_an_address_of_the_user_s() -> None:
    write_user_file(f"api_base = '{SERVER}'\n")
    write_folder_file(f"api_key = '{KEY}'\n")
    agree()
    with pytest.raises(KeyAboveAddressError):
        load_settings(environ={})


def test_openai_s_key_of_the_environment_troubles_no_server_of_a_file() -> None:
    write_user_file(f"api_base = '{SERVER}'\n")
    assert load_settings(environ={"OPENAI_API_KEY": KEY}).api_key.get_secret_value() == ""


@pytest.mark.parametrize("spec", ["anthropic:claude", "ollama:qwen3", "azure_openai:gpt"])
def test_a_provider_s_own_key_of_the_environment_is_not_for_an_address_of_a_file(spec: str) -> None:
    """Its package reads ANTHROPIC_API_KEY and the like by itself."""
    write_user_file(f"api_base = '{SERVER}'\n")
    with pytest.raises(ProviderKeyError, match=re.escape(SERVER)):
        load_settings({"model": spec}, {})
    assert load_settings({"model": spec}, {"PAGEWISE_API_BASE": SERVER}).api_base == SERVER
    assert load_settings({"model": spec}, {"PAGEWISE_API_BASE": ""}).api_base == ""
    assert load_settings({"model": "openai:m"}, {}).api_base == SERVER


def test_a_password_of_an_address_is_in_no_error() -> None:
    write_user_file("api_base = 'http://ann:s3cret@127.0.0.1:9/v1'\n")
    for overrides, environ in (({}, {"PAGEWISE_API_KEY": KEY}), ({"model": "anthropic:m"}, {})):
        problem = inspect_settings(overrides, environ).problem
        assert problem is not None and "127.0.0.1:9" in str(problem) and "s3cret" not in str(problem)


# --- the doors ------------------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> object:
    from tests.support.commands import command

    return command(monkeypatch, capfd)


def test_a_stranger_s_folder_gets_neither_the_key_nor_the_text(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.composition.open_embedder", lambda *_, **__: HashingEmbedder())
    monkeypatch.setenv("PAGEWISE_API_KEY", KEY)
    with serving([said("ha")]) as server:
        write_folder_file(f"model = 'openai:m'\napi_base = '{server.url}'\n")
        for command in (["ask", "Who?"], ["models"], ["list"], ["run"], ["search", "Who?"]):
            assert cli_main.main(command) == 2
        assert cli_main.main(["settings", "--trust"]) == 0
        assert cli_main.main(["ask", "Who?"]) == 2  # the key still is of another place
        assert server.requests == []
    printed = capfd.readouterr()
    assert "wants to set model, api_base" in printed.err and "is not sent to" in printed.err
    assert KEY not in printed.out + printed.err


def test_python_m_ingest_asks_for_the_agreement_too(capfd: pytest.CaptureFixture[str]) -> None:
    from ingest.__main__ import main

    write_folder_file("embedder = 'openai:m'\n")
    assert main(["nothing.pdf"]) == 2
    assert "wants to set embedder" in capfd.readouterr().err


def test_the_command_shows_every_setting_and_what_waits_for_an_agreement(run: object) -> None:
    file = write_folder_file("passages = 4\nmodel = 'openai:m'\napi_base = 'http://ann:s3cret@127.0.0.1:9/v1'\n")
    told = value(run("settings", "--json"))  # type: ignore[operator]
    rows = {row["setting"]: row for row in told["settings"]}
    assert list(rows) == list(Settings.model_fields)
    assert rows["passages"] == {"setting": "passages", "value": "4", "source": "folder file", "where": str(file)}
    assert rows["model"]["value"] == "extractive" and rows["data"]["where"] == "PAGEWISE_DATA"
    assert (list(told), list(told["pending"][0])) == (list(SHAPE), list(SHAPE["pending"][0]))
    assert list(told["settings"][0]) == list(SHAPE["settings"][0])
    assert [one["setting"] for one in told["pending"][0]["wants"]] == ["model", "api_base"]
    assert told["pending"][0]["wants"][1]["value"] == "http://127.0.0.1:9/v1" and str(file) in told["problem"]
    code, out, err = run("settings", "--trust")  # type: ignore[operator]
    assert code == 0 and f"agreed to {file}" in err and "s3cret" not in out + err
    after = value(run("settings", "--json"))  # type: ignore[operator]
    assert after["pending"] == [] and after["problem"] is None
    assert next(row for row in after["settings"] if row["setting"] == "model")["source"] == "folder file"
    assert "nothing" not in err and "no file of settings waits" in run("settings", "--trust")[2]  # type: ignore[operator]


def test_the_command_shows_no_key(run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEWISE_API_KEY", KEY)
    write_folder_file(f"api_key = '{KEY}'\n")
    for more in ([], ["--json"], ["--trust"]):
        _, out, err = run("settings", *more)  # type: ignore[operator]
        assert KEY not in out + err and "not set" not in out
    printed = run("settings")[1]  # type: ignore[operator]
    assert any(re.match(r"api_key +set +environment: PAGEWISE_API_KEY$", line) for line in printed.split("\n"))


def test_a_hostile_value_sends_no_command_to_the_terminal() -> None:
    write_folder_file('model = "openai:\\u001b[2Jm\\nfake line"\n')
    printed = "\n".join(settings_lines(inspect_settings(environ={})))
    assert "\x1b" not in printed and "\nfake" not in printed and "fake line" in printed


def test_the_app_shows_the_sentence_and_begins_nothing() -> None:
    write_folder_file(f"model = 'openai:m'\napi_base = '{SERVER}'\n")
    at = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert not at.exception
    text = re.sub(r"\\|\u2060", "", at.error[0].value)
    assert "wants to set model, api_base" in text and "pagewise settings --trust" in text
    at = AppTest.from_file(str(MAIN), default_timeout=60)
    at.query_params["lang"] = "zh"
    at.run()
    assert "而您还没有同意" in re.sub(r"\\|\u2060", "", at.error[0].value)


def sources_view() -> None:
    import streamlit as st

    from app.i18n import Words
    from app.views import setting_sources

    setting_sources.draw(Words(st.query_params.get("lang", "en")))  # type: ignore[arg-type]


@pytest.mark.parametrize(("lang", "words"), [("en", ("set", "environment")), ("zh", ("已设置", "环境变量"))])
def test_the_settings_screen_shows_each_value_and_where_it_is_from(
    lang: str, words: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEWISE_API_KEY", KEY)
    monkeypatch.setenv("PAGEWISE_API_BASE", "http://ann:s3cret@127.0.0.1:9/v1")
    at = AppTest.from_function(sources_view, default_timeout=60)
    at.query_params["lang"] = lang
    at.run()
    assert not at.exception and len(at.expander) == 1
    table = at.dataframe[0].value
    rows = {row[0]: tuple(row[1:]) for row in table.itertuples(index=False)}
    assert list(rows) == list(Settings.model_fields)
    assert rows["api_key"] == (*words, "PAGEWISE_API_KEY")
    assert rows["api_base"][0] == shown("http://127.0.0.1:9/v1")
    assert KEY not in table.to_string() and "s3cret" not in table.to_string()


def settings_screen() -> None:
    from app import cached_resources
    from app.i18n import Words
    from app.screens import settings as settings_screen
    from app.session import Desk
    from settings import load_settings

    settings = load_settings()
    store = cached_resources.conversations(str(settings.data))
    settings_screen.draw(
        Desk(settings, Words("en"), cached_resources.library(settings), store, cached_resources.jobs())
    )


@pytest.fixture
def small_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app with caches of its own, which are closed afterwards."""
    yield from small(monkeypatch)


def test_the_address_that_the_app_shows_in_its_field_is_not_typed(
    small_app: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider's key of the environment does not go to a file's address because the form was sent off with it."""
    from app import cached_resources

    write_user_file(f"api_base = '{SERVER}'\n")
    monkeypatch.setattr(cached_resources, "search", lambda settings, seconds: [])
    at = AppTest.from_function(settings_screen, default_timeout=60).run()
    assert at.text_input(key="own-base").value == SERVER
    at.text_input(key="own-spec").set_value("anthropic:claude")
    at.button(key="own-use").click().run()
    assert not at.exception and "own" not in at.session_state
    assert "takes its key from the environment" in at.error[0].value
    at.text_input(key="own-base").set_value("http://127.0.0.1:10/v1")
    at.button(key="own-use").click().run()
    assert at.session_state["own"].api_base == "http://127.0.0.1:10/v1"


def test_a_link_local_address_is_a_wrong_setting_wherever_it_stands() -> None:
    for field in ("api_base", "chroma_url"):
        with pytest.raises(WrongSetting, match=r"PAGEWISE_ALLOW_LINK_LOCAL=on"):
            load_settings({}, {f"PAGEWISE_{field.upper()}": "http://[::ffff:a9fe:a9fe]/v1"})
    environ = {"PAGEWISE_API_BASE": "http://169.254.169.254/v1", "PAGEWISE_ALLOW_LINK_LOCAL": "on"}
    assert load_settings({}, environ).api_base == "http://169.254.169.254/v1"
