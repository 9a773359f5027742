"""The options that Streamlit's server is started with: the project's .streamlit/config.toml, and what the settings say.

Read here because Streamlit itself looks for that file only in the folder that it is started from.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from settings import Settings

FILE = Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml"


def options(settings: Settings) -> dict[str, str]:
    """By dotted name, as `streamlit run --name=value` takes them."""
    found = dict(_flat(tomllib.loads(FILE.read_text(encoding="utf-8")))) if FILE.is_file() else {}
    return found | {
        "server.address": settings.address,
        "server.port": str(settings.port),
        "server.headless": "true",  # else a first start asks for an e-mail address and waits
        "server.maxUploadSize": str(settings.max_file_mb),
        "browser.serverAddress": settings.address,  # else it asks the network what this machine is called
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
    }


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, str(value).lower() if isinstance(value, bool) else str(value)
