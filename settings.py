"""Every knob in one frozen, closed class. Read only at the doors (app/, the command line), handed down as values.

A value comes from the first of these that has it: the command line, the environment (PAGEWISE_<NAME>),
`pagewise.toml` in the current folder, the user's own `pagewise.toml`, the default. A name that is none of these fields
is an error at start. So is a key that would go to an address from a lower place, and a file of the current folder that
sets more than HARMLESS and was not agreed to.
"""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from ingest.blocked_addresses import check_written
from ingest.errors import BlockedAddressError, PagewiseError
from ingest.server_url import parse_hosts, plain, shown
from ingest.text_file import TextFileError
from settings_files import FILE, SettingsFile, agree_to, is_agreed, read_settings_file, user_file

PREFIX = "PAGEWISE_"
KEY_FALLBACK = "OPENAI_API_KEY"
ADDRESSES = ("api_base", "chroma_url")  # which may hold a user and a password
# What a file of the current folder may set by itself: how an answer is made, never where text goes, what reads it, who
# may listen, or how far a PDF may go. Whatever is not here is guarded, so a new setting is.
HARMLESS = frozenset(
    {
        *("api_seconds", "context", "parallel", "local_bits", "passages", "language", "ocr"),
        *("chain", "rerank", "step_back", "think", "split"),
        *("max_calls", "max_tokens", "max_seconds", "max_cost"),
    }
)
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


class KeyAboveAddressError(SettingsError):
    text = "The key of {key} ({key_where}) is not sent to {address}, which stands in another place ({address_where})."
    remedy = (
        "Set both in the same place: PAGEWISE_API_BASE beside the key. `pagewise settings` shows where each is from."
    )


class ProviderKeyError(SettingsError):
    text = (
        "{model!r} takes its key from the environment by itself; it is not sent to {address}, which stands in another "
        "place ({address_where})."
    )
    remedy = "Set PAGEWISE_API_BASE in the environment too, or leave it empty for the provider's own address."


class FileNotAgreedError(SettingsError):
    text = "{file} wants to set {names}, and you have not agreed to it. Nothing was begun."
    remedy = (
        "See what it sets with `pagewise settings`, and agree with `pagewise settings --trust`, or take the file away."
    )


class AgreementNotKeptError(SettingsError):
    text = "The agreement could not be written to {folder} ({detail})."
    remedy = "Make that folder yours to write in, or set what the file sets in the environment."


class SettingSource(IntEnum):
    """Where a value can come from; a higher one takes precedence."""

    DEFAULT = 0
    USER_FILE = 1
    FOLDER_FILE = 2
    ENVIRONMENT = 3
    COMMAND_LINE = 4


_WHERE = {
    SettingSource.DEFAULT: "the default",
    SettingSource.ENVIRONMENT: "in the environment",
    SettingSource.COMMAND_LINE: "on the command line",
}


@dataclass(frozen=True)
class SettingOrigin:
    """Where the value of a setting comes from."""

    source: SettingSource = SettingSource.DEFAULT
    name: str = ""  # as the person wrote it: PAGEWISE_API_BASE in the environment, api_base in a file
    file: Path | None = None

    @property
    def where(self) -> str:
        """For a sentence: "in the environment"."""
        if self.file is not None:
            return f"in {self.file}"
        return _WHERE[self.source]


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
    allow_link_local: Literal["off", "on"] = Field(
        "off",
        description="Also dial link-local addresses and those of clouds' metadata services, which are refused in every "
        "notation.",
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


@dataclass(frozen=True)
class LoadedSettings:
    """The settings in force and where each is from.

    `pending`: the files whose guarded settings are not in force, because the person has not agreed to them.
    `problem`: why nothing may be begun with these settings; None where it may.
    """

    settings: Settings
    origins: Mapping[str, SettingOrigin]  # by field, for every field
    pending: tuple[SettingsFile, ...] = ()
    problem: SettingsError | None = None


def guarded_names(file: SettingsFile) -> list[str]:
    """The settings of a file that need the person's agreement, in its own order."""
    return [name for name in file.values if name not in HARMLESS]


def load_settings(overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    `overrides`: what the command line says; None counts as not said. `environ`: None is the process's own.
    Raises SettingsError.
    """
    loaded = inspect_settings(overrides, environ)
    if loaded.problem is not None:
        raise loaded.problem
    return loaded.settings


def inspect_settings(
    overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> LoadedSettings:
    """Read the settings with their origins, and keep what forbids their use as `problem`, so that it can be shown.

    Raises SettingsError for a name that does not exist, a value that cannot be used and a file that cannot be read.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    origins: dict[str, SettingOrigin] = {}
    pending: list[SettingsFile] = []

    def put(field: str, value: object, origin: SettingOrigin) -> None:
        values[field] = value
        origins[field] = origin

    for source, file in _files():
        for name in file.values:
            _known(name, name, f"in {file.path}")
        agreed = file.private or not guarded_names(file) or is_agreed(file)
        if not agreed:
            pending.append(file)
        for name, value in file.values.items():
            if agreed or name in HARMLESS:
                put(name, value, SettingOrigin(source, name, file.path))
    for written in sorted(name for name in environ if name.startswith(PREFIX)):
        field = _known(written.removeprefix(PREFIX).lower(), written, "in the environment")
        put(field, environ[written], SettingOrigin(SettingSource.ENVIRONMENT, written))
    for name, value in (overrides or {}).items():
        _known(name, name, "on the command line")
        if value is not None:
            put(name, value, SettingOrigin(SettingSource.COMMAND_LINE, name))
    if not _has(values.get("api_key")) and environ.get(KEY_FALLBACK) and _openai_s(values.get("api_base")):
        put("api_key", environ[KEY_FALLBACK], SettingOrigin(SettingSource.ENVIRONMENT, KEY_FALLBACK))

    settings = _validated(values, origins)
    all_origins = {field: origins.get(field, SettingOrigin()) for field in Settings.model_fields}
    problem = _not_agreed(pending) or _misplaced_key(settings, all_origins)
    return LoadedSettings(settings, all_origins, tuple(pending), problem)


def agree_to_files(loaded: LoadedSettings) -> None:
    """Remember that the person agreed to the pending files, as they were read. Raises AgreementNotKeptError."""
    for file in loaded.pending:
        try:
            agree_to(file)
        except OSError as error:
            raise AgreementNotKeptError(folder=user_file().parent, detail=error.strerror or error) from None


def check_provider_key(model: str, api_base: str, origin: SettingOrigin) -> None:
    """Check that a provider's package may be given this address. Raises ProviderKeyError.

    Each package looks in the environment for a key of its own (ANTHROPIC_API_KEY, OLLAMA_API_KEY), whose name is known
    to nobody else, and sends it to whatever address it is given. So that address must stand in the environment too, or
    above it.
    """
    provider, colon, _ = model.strip().partition(":")
    if api_base and colon and provider not in ("openai", "local") and origin.source < SettingSource.ENVIRONMENT:
        raise ProviderKeyError(model=model, address=shown(api_base), address_where=origin.where)


def _files() -> list[tuple[SettingSource, SettingsFile]]:
    """The user's own file and that of the current folder, where they are there, lowest first."""
    own, here = user_file(), Path(FILE)
    found = []
    if own.is_file():
        found.append((SettingSource.USER_FILE, open_settings_file(own)))
    if here.is_file() and here.absolute().parent.resolve() != own.parent.resolve():
        found.append((SettingSource.FOLDER_FILE, open_settings_file(here)))
    return found


def _validated(values: Mapping[str, object], origins: Mapping[str, SettingOrigin]) -> Settings:
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _wrong(str(first["loc"][0]), values, origins, "") from None
    for field in ADDRESSES:
        try:
            check_written(getattr(settings, field), allow_link_local=settings.allow_link_local == "on")
        except BlockedAddressError:
            also = f"; none that is link-local or a cloud's metadata, unless {variable('allow_link_local')}=on"
            raise _wrong(field, values, origins, also) from None
    return settings


def _wrong(field: str, values: Mapping[str, object], origins: Mapping[str, SettingOrigin], also: str) -> WrongSetting:
    origin = origins[field]
    value = "…" if field == "api_key" else shown(str(values[field])) if field in ADDRESSES else values[field]
    return WrongSetting(name=origin.name, value=value, where=origin.where, allowed=allowed(field) + also)


def _not_agreed(pending: list[SettingsFile]) -> FileNotAgreedError | None:
    if not pending:
        return None
    return FileNotAgreedError(file=pending[0].path, names=", ".join(guarded_names(pending[0])))


def _misplaced_key(settings: Settings, origins: Mapping[str, SettingOrigin]) -> SettingsError | None:
    """A key goes only to the address that was set in the same place as the key, or above it."""
    key, base = origins["api_key"], origins["api_base"]
    if not settings.api_base:  # the provider's own
        return None
    if _has(settings.api_key) and base.source < key.source:
        return KeyAboveAddressError(
            key=key.name, key_where=key.where, address=shown(settings.api_base), address_where=base.where
        )
    try:
        check_provider_key(settings.model, settings.api_base, base)
    except ProviderKeyError as error:
        return error
    return None


def _openai_s(base: object) -> bool:
    """Whether this is OpenAI's own address: its key is for no other server, on this machine or elsewhere."""
    try:
        return not base or urlsplit(plain(str(base))).hostname == "api.openai.com"
    except ValueError:  # no address at all, as will be said
        return False


def _has(key: object) -> bool:
    return bool(key.get_secret_value() if isinstance(key, SecretStr) else key)


def open_settings_file(path: Path) -> SettingsFile:
    """Read a file of settings, within the limits of text files. Raises SettingsFileBroken."""
    try:
        return read_settings_file(path)
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
