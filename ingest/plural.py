"""How a number of things is said. By itself, so that a command that only says one need not load what reads PDFs."""

import string
from typing import Any


def some(number: object, what: str) -> str:
    """ "1 page", "2 pages", "3/12 calls"."""
    return f"{number} {what}" + ("" if str(number) == "1" else "s")


class _Counting(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec.startswith("n "):
            return some(value, format_spec[2:])
        return str(super().format_field(value, format_spec))


def filled(template: str, **params: object) -> str:
    """`template.format(**params)`, where "{pages:n page}" becomes "1 page" or "2 pages"."""
    return _Counting().vformat(template, (), params)
