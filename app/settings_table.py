"""The settings as a person or a script sees them: each value in force, and where it is from. No key is in it."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.safe_text import one_line
from ingest.server_url import shown
from settings import ADDRESSES, LoadedSettings, SettingsError, SettingSource, guarded_names
from settings_files import SettingsFile


@dataclass(frozen=True)
class SettingRow:
    """One setting in force. `where`: the variable or the file; "" for the default and the command line."""

    name: str
    value: str
    source: SettingSource
    where: str


def setting_rows(loaded: LoadedSettings) -> list[SettingRow]:
    """Every setting, in the order of the README's table."""
    values = loaded.settings.model_dump() | {"api_key": loaded.settings.api_key.get_secret_value()}
    rows = []
    for name, origin in loaded.origins.items():
        where = origin.name if origin.source == SettingSource.ENVIRONMENT else str(origin.file or "")
        rows.append(SettingRow(name, shown_value(name, values[name]), origin.source, one_line(where)))
    return rows


def shown_value(name: str, value: object) -> str:
    """A value on one line: of a key only whether it is set, an address without its user and password."""
    if name == "api_key":
        return "set" if value else "not set"
    return one_line(shown(str(value)) if name in ADDRESSES else str(value))


def settings_json(loaded: LoadedSettings) -> dict[str, object]:
    return {
        "settings": [
            {"setting": row.name, "value": row.value, "source": _source_name(row.source), "where": row.where}
            for row in setting_rows(loaded)
        ],
        "pending": [
            {
                "file": str(file.path),
                "sha256": file.sha256,
                "wants": [{"setting": name, "value": value} for name, value in _wanted(file)],
            }
            for file in loaded.pending
        ],
        "problem": str(loaded.problem) if loaded.problem else None,
    }


def settings_lines(loaded: LoadedSettings) -> Iterator[str]:
    """For a terminal: the table, then what files want that were not agreed to."""
    rows = setting_rows(loaded)
    names, values = max(len(row.name) for row in rows), max(min(len(row.value), 40) for row in rows)
    for row in rows:
        source = _source_name(row.source) + (f": {row.where}" if row.where else "")
        yield f"{row.name:<{names}}  {row.value:<{values}}  {source}"
    for file in loaded.pending:
        yield ""
        yield f"{one_line(str(file.path))} (SHA-256 {file.sha256}) is not agreed to. It wants to set:"
        for name, value in _wanted(file):
            yield f"{name:<{names}}  {value}"


def agreed_lines(loaded: LoadedSettings) -> Iterator[str]:
    """What an agreement to the pending files allows."""
    for file in loaded.pending:
        wanted = ", ".join(f"{name} = {value}" for name, value in _wanted(file))
        yield f"agreed to {one_line(str(file.path))} (SHA-256 {file.sha256}), as long as it stays as it is: {wanted}"
    if not loaded.pending:
        yield "no file of settings waits for an agreement"


def problem_line(problem: SettingsError) -> str:
    """The problem on one line; a path in it may hold anything."""
    return one_line(str(problem))


def _wanted(file: SettingsFile) -> list[tuple[str, str]]:
    return [(name, shown_value(name, file.values[name])) for name in guarded_names(file)]


def _source_name(source: SettingSource) -> str:
    """USER_FILE → "user file"."""
    return source.name.lower().replace("_", " ")
