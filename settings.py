"""Every knob in one frozen, closed class. Read only at the doors (app/, the command line), handed down as values.

A value comes from the first of these that has it: the command line, the environment (PAGEWISE_<NAME>),
`pagewise.toml` in the current folder, the default. A name that is none of these fields is an error at start.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from ingest.address import parse_hosts, plain, shown
from ingest.errors import PagewiseError
from ingest.text_file import TOML_BYTES, TextFileError, parse_toml, read_text_file

PREFIX = "PAGEWISE_"
FILE = "pagewise.toml"
KEY_FALLBACK = "OPENAI_API_KEY"
ADDRESSES = ("api_base", "chroma_url")  # which may hold a user and a password
MODEL = r"^\s*(extractive|[a-z][a-z0-9_]*:\s*\S.*)$"


class SettingsError(PagewiseError):
    """A setting cannot be used. The doors end with exit code 2: nothing was begun."""


class UnknownSetting(SettingsError):
    text = "There is no setting {name!r} ({where})."
    remedy = "{hint}"


class WrongSetting(SettingsError):
    text = "{name}={value!r} ({where}) cannot be used."
    remedy = "Allowed is: {allowed}."


class SettingsFileBroken(SettingsError):
    text = "The settings file {file} could not be read ({detail})."
    remedy = "Correct it or take it away; it holds lines such as: model = 'extractive'."


def _default_data() -> Path:
    return Path(platformdirs.user_data_dir("pagewise", appauthor=False))


class Settings(BaseModel):
    """The settings, checked. The README's table is these descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    data: Path = Field(default_factory=_default_data, description="The folder that the library lives in.")
    model: str = Field(
        "extractive",
        pattern=MODEL,
        description="Who answers: `extractive`, `openai:<model>`, `local:<folder or hub id>`, or `<provider>:<model>`.",
    )
    api_base: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        repr=False,  # it may hold a password
        description="The address of an OpenAI-compatible server; empty: OpenAI's own.",
    )
    api_key: SecretStr = Field(
        SecretStr(""), description=f"The key for that server; where it is empty, OpenAI's own gets `{KEY_FALLBACK}`."
    )
    api_seconds: float = Field(120.0, gt=0, le=3600, description="How long a model server may stay silent.")
    context: int = Field(
        0, ge=0, le=10_000_000, description="Tokens that the model reads and writes in one call; 0: found out."
    )
    parallel: int = Field(0, ge=0, le=256, description="Calls to the model at once; 0: what suits the model.")
    local_bits: Literal["auto", "16", "8", "4"] = Field(
        "auto",
        description="Bits a weight of a `local:` model; auto: 16, and fewer where the memory does not do and "
        "`pagewise[local]` is installed.",
    )
    lora: str = Field("", description="The folder of a LoRA adapter for the `local:` model; empty: none.")
    embedder: str = Field(
        "all-MiniLM-L6-v2",
        min_length=1,
        description="What turns text into vectors: the one that comes with Pagewise, a folder or hub id, or "
        "`openai:<model>`.",
    )
    reranker: str = Field(
        "",
        pattern=r"^(\S(.*\S)?)?$",
        description="A cross-encoder, as a folder or hub id, that reads the first passages again and orders them; "
        "empty: the reader does.",
    )
    reader: str = Field(
        "built-in",
        min_length=1,
        description="What finds the words that answer and judges passages: `built-in`, a folder that "
        "`python -m training` made, or `off`.",
    )
    chroma_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        repr=False,  # it may hold a password
        description="The address of a `chroma run` server that several processes share; empty: embedded, one process.",
    )
    chain: Literal["stuff", "map_reduce", "refine", "map_rerank"] = Field(
        "stuff", description="How a question is answered from the passages."
    )
    rerank: Literal["answer", "score"] = Field(
        "score",
        description="How map_rerank weighs passages: `score` scores each and answers once from the best, `answer` "
        "answers from each and keeps the best.",
    )
    step_back: Literal["off", "on"] = Field(
        "off", description="Also search for the more general question behind a question."
    )
    think: Literal["off", "on"] = Field(
        "off", description="Let the model reason before it answers; the reasoning is kept apart from the answer."
    )
    split: Literal["off", "on"] = Field(
        "off", description="Search for the parts of a question apart, where it asks several things."
    )
    examples: str = Field(
        "",
        pattern=r"^(\S(.*\S)?)?$",
        description="A file of questions and answers, as TOML or a line of JSON each, that show the model the manner "
        "you want; empty: none.",
    )
    passages: int = Field(8, ge=1, le=100, description="Passages that a question is answered from.")
    max_calls: int = Field(0, ge=0, description="The most calls to the model for one answer; 0: what it needs.")
    max_tokens: int = Field(0, ge=0, description="The most tokens, read and written, for one answer; 0: no cap.")
    max_seconds: float = Field(0.0, ge=0, description="Seconds after which an answer ends with what it has; 0: no cap.")
    max_cost: float = Field(
        0.0, ge=0, description="The most that one answer may cost, in the currency of `prices.toml`; 0: no cap."
    )
    language: Literal["auto", "en", "zh"] = Field(
        "auto", description="The language of the answers; auto: the question's own."
    )
    address: str = Field("127.0.0.1", min_length=1, description="The network address that the web app listens on.")
    port: int = Field(8501, ge=1, le=65535, description="The port that the web app listens on.")
    allowed_hosts: str = Field(
        "",
        description="Further host names under which the web app may be opened, with commas between them, such as that "
        "of a proxy in front of it; empty: `localhost` and the address alone.",
    )
    max_file_mb: int = Field(200, ge=1, description="The largest PDF that is read, in MB.")
    max_pages: int = Field(5000, ge=1, description="The most pages that a PDF may have.")
    page_seconds: float = Field(30.0, gt=0, description="The longest that reading one page may take.")
    file_seconds: float = Field(300.0, gt=0, description="The longest that reading one PDF may take.")
    worker_mb: int = Field(2048, ge=256, description="The most memory that reading one PDF may take, in MB.")
    ocr: Literal["auto", "off"] = Field(
        "auto", description="Text recognition of pages that are pictures; auto: where `pagewise[ocr]` is installed."
    )
    ocr_seconds: float = Field(120.0, gt=0, description="The longest that recognising one page may take.")
    max_text_mb: int = Field(50, ge=1, description="The most text that one PDF may hold, in millions of characters.")

    @field_validator("data", mode="after")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        """`~` is the person's home; a relative folder is fixed now, so that a later change of folder moves nothing."""
        return Path(os.path.abspath(value.expanduser()))

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value: object) -> object:
        """TOML's true is no number, though Python counts it as 1."""
        if isinstance(value, bool):
            raise ValueError("it is true or false")
        return value

    @field_validator("embedder", "reranker", mode="after")
    @classmethod
    def _there(cls, value: str) -> str:
        """What can only be a folder is one; a hub id has one stroke at most, a server names its models as it likes."""
        spec = value.strip()
        path = str(Path(spec).expanduser()) if spec.startswith("~") else spec
        local = path.startswith((".", "/")) or (path.count("/") > 1 and not path.startswith("openai:"))
        if local and not Path(path).is_dir():
            raise ValueError("there is no such folder")
        return path

    @field_validator("reader", mode="after")
    @classmethod
    def _reader_there(cls, value: str) -> str:
        if value.strip() not in ("built-in", "off") and not Path(value.strip()).expanduser().exists():
            raise ValueError("there is nothing")
        return value

    @field_validator("allowed_hosts", mode="after")
    @classmethod
    def _check_hosts(cls, value: str) -> str:
        parse_hosts(value)
        return value

    @field_validator("local_bits", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """In the file it may stand as a number."""
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("data", mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if not isinstance(value, str | Path):
            raise ValueError("it is no folder")
        if isinstance(value, str) and not value.strip():
            raise ValueError("it is empty")
        return value


def variable(field: str) -> str:
    """The environment variable of a field: "api_base" → "PAGEWISE_API_BASE"."""
    return PREFIX + field.upper()


def allowed(field: str) -> str:
    """What a field takes, in words: "a whole number from 1 to 100"."""
    schema: dict[str, Any] = Settings.model_json_schema()["properties"][field]
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if schema.get("type") not in ("integer", "number"):
        if schema.get("pattern"):
            if field == "model":
                return "extractive, or a provider and its model: openai:gpt-5-mini"
            if field == "reranker":
                return "a folder that is there, a hub id, or nothing"
            if field == "examples":
                return "a file, or nothing"
            return "an address that begins with http:// or https://, or nothing"
        by_name = {
            "data": "a folder",
            "api_key": "text",
            "allowed_hosts": "host names, each with its port unless that is 80 or 443, or nothing",
            "lora": "a folder, or nothing",
            "embedder": "a folder that is there, a hub id, or openai: and a model",
            "reader": "built-in, a folder that is there, or off",
        }
        return by_name.get(field, "text that is not empty")
    words = "a whole number" if schema["type"] == "integer" else "a number"
    if "minimum" in schema and "maximum" in schema:
        return f"{words} from {schema['minimum']} to {schema['maximum']}"
    if "minimum" in schema:
        return f"{words}, at least {schema['minimum']}"
    words += f" above {schema['exclusiveMinimum']:g}"
    return words + (f", at most {schema['maximum']:g}" if "maximum" in schema else "")


def load_settings(
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Read the settings.

    `overrides`: what the command line says; None counts as not said. `environ`: None is the process's own.
    `file`: None is `pagewise.toml` in the current folder, where there is one; a file that is named must be there.
    Raises SettingsError.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    origin: dict[str, tuple[str, str]] = {}  # field → (the name as the person wrote it, where)

    path = file if file is not None else Path(FILE)
    if file is not None or path.is_file():
        for name, value in _read(path).items():
            values[_known(name, name, f"in {path}")] = value
            origin[name] = (name, f"in {path}")
    for written in sorted(name for name in environ if name.startswith(PREFIX)):
        field = _known(written.removeprefix(PREFIX).lower(), written, "in the environment")
        values[field] = environ[written]
        origin[field] = (written, "in the environment")
    for name, value in (overrides or {}).items():
        _known(name, name, "on the command line")
        if value is not None:
            values[name] = value
            origin[name] = (name, "on the command line")
    if not _has(values.get("api_key")) and environ.get(KEY_FALLBACK) and _openai_s(values.get("api_base")):
        values["api_key"] = environ[KEY_FALLBACK]
        origin["api_key"] = (KEY_FALLBACK, "in the environment")

    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0])
        name, where = origin[field]
        value = "…" if field == "api_key" else shown(str(values[field])) if field in ADDRESSES else values[field]
        raise WrongSetting(name=name, value=value, where=where, allowed=allowed(field)) from None


def _openai_s(base: object) -> bool:
    """Whether this is OpenAI's own address: its key is for no other server, on this machine or elsewhere."""
    try:
        return not base or urlsplit(plain(str(base))).hostname == "api.openai.com"
    except ValueError:  # no address at all, as will be said
        return False


def _has(key: object) -> bool:
    return bool(key.get_secret_value() if isinstance(key, SecretStr) else key)


def _read(path: Path) -> dict[str, object]:
    try:
        return parse_toml(read_text_file(path, TOML_BYTES))
    except TextFileError as error:
        raise SettingsFileBroken(file=path, detail=error) from None


def _known(field: str, written: str, where: str) -> str:
    """The field, or UnknownSetting that names the nearest right one as the person would write it."""
    if field in Settings.model_fields and written in (field, variable(field)):
        return field
    plain = field.lower().removeprefix(PREFIX.lower())  # in the file the names stand without it
    near = difflib.get_close_matches(plain, Settings.model_fields, n=1, cutoff=0.0)[0]
    close = difflib.get_close_matches(plain, [near], cutoff=0.5)
    name = variable(near) if where == "in the environment" else near
    hint = f"Did you mean {name!r}?" if close else f"The nearest there is: {name!r}."
    raise UnknownSetting(name=written, where=where, hint=hint + " The README lists them all.")
