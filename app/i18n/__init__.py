"""The interface's words in the reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.i18n import en, zh
from chains.prompt import Language
from ingest.errors import PagewiseError
from ingest.plural import filled

TEXTS: Mapping[Language, Mapping[str, str]] = {"en": en.TEXTS, "zh": zh.TEXTS}
NAMES: Mapping[Language, str] = {"en": "English", "zh": "中文"}


def preferred(locale: str | None) -> Language:
    """The interface language for a browser's locale ("zh-CN", "en-GB", None)."""
    return "zh" if (locale or "").lower().startswith("zh") else "en"


@dataclass(frozen=True)
class Words:
    """Looks up a text by its key. It is plain text: whoever draws it as markup sanitises the parameters."""

    language: Language

    def __call__(self, key: str, **params: object) -> str:
        text = TEXTS[self.language][key]
        return filled(text, **params) if params else text

    def count(self, key: str, n: int, **params: object) -> str:
        """The text for `n` things: `key.one` for one, else `key.other`."""
        return self(f"{key}.one" if n == 1 else f"{key}.other", n=n, **params)

    def error(self, error: PagewiseError) -> str:
        return self.problem(error.key, error.params, str(error))

    def problem(self, key: str, params: Mapping[str, object], fallback: str) -> str:
        """An error that may have been kept: its Chinese sentence where there is one, else its own."""
        template = zh.ERRORS.get(key) if self.language == "zh" else None
        if template is None:
            return fallback
        try:
            return template.format(**params)
        except (KeyError, ValueError, IndexError):  # kept by an older version, with other parameters
            return fallback
