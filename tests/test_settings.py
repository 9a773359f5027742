"""The settings: where each comes from, and that nothing misspelt or wrong is ever taken."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings import (
    Settings,
    SettingsError,
    UnknownSetting,
    WrongSetting,
    agree_to_files,
    allowed,
    inspect_settings,
    load_settings,
    variable,
)

FIELDS = sorted(Settings.model_fields)

WRONG = {  # a value that each checked field refuses
    "data": "",
    "model": "",
    "api_base": "localhost:11434/v1",
    "api_seconds": "0",
    "context": "-1",
    "parallel": "many",
    "local_bits": "5",
    "embedder": "",
    "reader": "",
    "reranker": " ",
    "rerank": "both",
    "chroma_url": "ftp://127.0.0.1",
    "allow_link_local": "yes",
    "chain": "stuf",
    "step_back": "true",
    "think": "yes",
    "split": "1",
    "examples": " ",
    "passages": "0",
    "max_calls": "-1",
    "max_tokens": "1.5",
    "max_seconds": "-0.1",
    "max_cost": "free",
    "language": "fr",
    "address": "",
    "allowed_hosts": "https://docs.example.com",
    "port": "70000",
    "max_file_mb": "0",
    "max_pages": "1.5",
    "ocr": "maybe",
    "ocr_seconds": "0",
    "page_seconds": "nan",
    "file_seconds": "inf",
    "worker_mb": "1",
    "max_text_mb": "",
}


def test_defaults_need_nothing() -> None:
    settings = load_settings(environ={})
    assert (settings.model, settings.chain) == ("extractive", "stuff")
    assert (settings.address, settings.port) == ("127.0.0.1", 8501)
    assert settings.data.is_absolute() and settings.data.name == "pagewise"


def test_command_line_before_environment_before_file_before_default(tmp_path: Path) -> None:
    (tmp_path / "pagewise.toml").write_text('passages = 3\nchain = "refine"\nthink = "on"\n')
    environ = {"PAGEWISE_PASSAGES": "4", "PAGEWISE_CHAIN": "map_reduce"}
    settings = load_settings({"passages": 5, "chain": None}, environ)  # the test's folder is the current one
    assert (settings.passages, settings.chain, settings.think, settings.language) == (5, "map_reduce", "on", "auto")


def test_a_misspelt_variable_is_an_error_that_names_the_right_one() -> None:
    with pytest.raises(UnknownSetting, match=r"'PAGEWISE_MODLE' \(in the environment\).*'PAGEWISE_MODEL'"):
        load_settings(environ={"PAGEWISE_MODLE": "extractive"})


def test_a_misspelt_key_in_the_file_is_an_error_that_names_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "pagewise.toml").write_text("api-base = 'http://127.0.0.1:1'\n")
    with pytest.raises(UnknownSetting, match=r"'api-base' \(in .*pagewise.toml\).*'api_base'"):
        load_settings(environ={})


def test_an_unknown_override_is_an_error() -> None:
    with pytest.raises(UnknownSetting, match=r"'pasages'.*'passages'"):
        load_settings({"pasages": None}, {})


@given(st.from_regex(r"PAGEWISE_[A-Za-z0-9_]{0,20}", fullmatch=True))
def test_every_unknown_variable_names_one_that_exists(name: str) -> None:
    if name in map(variable, FIELDS):
        return
    with pytest.raises(UnknownSetting) as caught:
        load_settings(environ={name: "1"})
    assert any(f"'{variable(field)}'" in str(caught.value) for field in FIELDS)


@pytest.mark.parametrize("field", sorted(WRONG))
def test_a_wrong_value_is_an_error_that_names_variable_value_and_what_is_allowed(field: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        load_settings(environ={variable(field): WRONG[field]})
    message = str(caught.value)
    assert f"{variable(field)}={WRONG[field]!r} (in the environment)" in message and allowed(field) in message


def test_every_field_that_can_be_wrong_is_tried() -> None:
    assert sorted(WRONG) == [field for field in FIELDS if field not in ("api_key", "lora")]  # these may be any text


def test_a_wrong_value_in_the_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "pagewise.toml").write_text("passages = 0\n")
    with pytest.raises(WrongSetting, match=r"passages=0 \(in .*pagewise.toml\).*from 1 to 100"):
        load_settings(environ={})


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"[port]\nx = 1\n"])
def test_a_broken_file_is_an_error_not_a_traceback(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pagewise.toml").write_bytes(content)
    with pytest.raises(SettingsError):
        load_settings(environ={})


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({}, ""),
        ({"OPENAI_API_KEY": "sk-b"}, "sk-b"),
        ({"PAGEWISE_API_KEY": "sk-a", "OPENAI_API_KEY": "sk-b"}, "sk-a"),
        ({"PAGEWISE_API_KEY": "", "OPENAI_API_KEY": "sk-b"}, "sk-b"),
        ({"OPENAI_API_KEY": "sk-b", "PAGEWISE_API_BASE": "https://api.openai.com/v1"}, "sk-b"),
        ({"OPENAI_API_KEY": "sk-b", "PAGEWISE_API_BASE": "http://127.0.0.1:11434/v1"}, ""),
        ({"OPENAI_API_KEY": "sk-b", "PAGEWISE_API_BASE": "https://api.openai.com.example.com/v1"}, ""),
        ({"PAGEWISE_API_KEY": "sk-a", "PAGEWISE_API_BASE": "http://127.0.0.1:11434/v1"}, "sk-a"),
    ],
)
def test_openai_s_own_key_is_for_openai_alone(environ: dict[str, str], key: str) -> None:
    settings = load_settings(environ=environ)
    assert settings.api_key.get_secret_value() == key


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    settings = load_settings(environ={"PAGEWISE_API_KEY": "sk-secret"})
    assert "sk-secret" not in repr(settings) + str(settings) + settings.model_dump_json()
    (tmp_path / "pagewise.toml").write_text("api_key = ['sk-secret']\n")
    agree_to_files(inspect_settings(environ={}))
    with pytest.raises(WrongSetting) as caught:
        load_settings(environ={})
    assert "sk-secret" not in str(caught.value)


def test_home_is_expanded_and_a_relative_folder_is_fixed(tmp_path: Path) -> None:
    assert load_settings(environ={"PAGEWISE_DATA": "~/books"}).data == Path.home() / "books"
    assert load_settings({"data": Path("here")}, {}).data == tmp_path / "here"


def test_settings_are_frozen_and_closed() -> None:
    settings = load_settings(environ={})
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="extra"):
        Settings(nonsense=1)  # type: ignore[call-arg]


def test_the_chains_of_the_settings_are_those_that_there_are() -> None:
    compare = pytest.importorskip("chains.compare")
    assert set(get_args(Settings.model_fields["chain"].annotation)) == set(compare.NAMES)


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_says_what_it_is(field: str) -> None:
    description = Settings.model_fields[field].description or ""
    assert description.endswith(".") and allowed(field)


@pytest.mark.parametrize("spec", ["nonsense", "openai:", ":x", " ", "Extractive "])
def test_a_model_that_cannot_be_one_is_refused(spec: str) -> None:
    with pytest.raises(SettingsError, match="extractive, or a provider"):
        load_settings({"model": spec}, {})


@pytest.mark.parametrize(("name", "value"), [("passages", "true"), ("data", "5"), ("model", "false")])
def test_a_value_of_another_kind_in_the_file_is_refused(tmp_path: Path, name: str, value: str) -> None:
    file = tmp_path / "pagewise.toml"
    file.write_text(f"{name} = {value}\n")
    with pytest.raises(SettingsError, match=name):
        agree_to_files(inspect_settings(environ={}))
        load_settings({}, {})


def test_a_variable_in_the_file_is_answered_with_the_name_to_write_there(tmp_path: Path) -> None:
    file = tmp_path / "pagewise.toml"
    file.write_text("PAGEWISE_PASSAGES = 3\n")
    with pytest.raises(SettingsError, match="Did you mean 'passages'"):
        load_settings({}, {})


def test_bits_may_stand_as_a_number_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "pagewise.toml").write_text("local_bits = 4\n")
    assert load_settings(environ={}).local_bits == "4"
    with pytest.raises(WrongSetting, match="auto, 16, 8, 4"):
        load_settings({"local_bits": 5}, {})


@pytest.mark.parametrize("name", ["embedder", "reranker", "reader"])
def test_a_folder_that_is_not_there_is_wrong_use_before_anything_is_begun(name: str, tmp_path: Path) -> None:
    there = load_settings({name: str(tmp_path)}, environ={})
    assert getattr(there, name) == str(tmp_path)
    with pytest.raises(WrongSetting, match="a folder that is there"):
        load_settings({name: str(tmp_path / "nope")}, environ={})
    assert load_settings({"embedder": "BAAI/bge-m3", "reranker": "BAAI/bge-reranker-v2-m3"}, environ={})


def test_a_folder_of_ones_own_is_named_from_home_and_a_servers_model_as_the_server_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "e5").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings({"embedder": "~/models/e5"}, environ={}).embedder == str(tmp_path / "models" / "e5")
    with pytest.raises(WrongSetting, match="a folder that is there"):
        load_settings({"embedder": "~/models/none"}, environ={})
    of_a_server = "openai:accounts/team/models/embed"
    assert load_settings({"embedder": of_a_server}, environ={}).embedder == of_a_server
