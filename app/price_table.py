"""What models cost: a table that the person writes, `prices.toml`. Knows nothing of Streamlit.

No price comes with Pagewise: providers change theirs, and a wrong one is worse than none.
"""

import fnmatch
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chains.cost import FREE, Price
from ingest.errors import StorageFailed
from ingest.terminal_text import visible
from ingest.text_file import TOML_BYTES, MissingTextFileError, TextFileError, parse_toml, read_text_file
from settings import SettingsError

FILE = "prices.toml"
NAME_CHARS = 200  # of a model or a currency
HERE = ("extractive", "local:")  # what runs in this process
TEMPLATE = """\
# What models cost, for Pagewise. Copy the prices from your provider's page; none are built in.
#
# model     as you choose it (openai:gpt-5-mini); * stands for anything. The first that fits counts.
# input     the price of a million tokens read
# output    the price of a million tokens written
# currency  any word, such as USD or EUR
#
# [[price]]
# model = "openai:some-model*"
# input = 0.50
# output = 1.50
# currency = "USD"
"""


class PricesBroken(SettingsError):
    text = "The price table {file} could not be read ({detail})."
    remedy = "Correct it or take it away; `pagewise prices --help` tells where its format stands."


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    model: str  # a pattern
    price: Price


def place(data: Path) -> Path:
    """The file that counts: in the current folder, beside pagewise.toml, where there is one; else the library's."""
    here = Path(FILE)
    return here.resolve() if here.is_file() else data / FILE


def read(file: Path) -> tuple[Row, ...]:
    """The table; empty where there is no file. Raises PricesBroken."""
    try:
        rows = parse_toml(read_text_file(file, TOML_BYTES))
    except MissingTextFileError:
        return ()
    except TextFileError as error:
        raise PricesBroken(file=file, detail=error) from None
    listed = rows.pop("price", [])
    if rows or not isinstance(listed, list):
        raise PricesBroken(file=file, detail=f"there is only [[price]], not {next(iter(rows), 'price')!r}")
    return tuple(_row(entry, n, file) for n, entry in enumerate(listed, 1))


def row(model: str, input: object, output: object, currency: str) -> Row | None:
    """A line of the table from what was entered; None where that is no price, or a name that does not fit a line."""
    texts = (model.strip(), currency.strip())
    numbers = [n for n in (input, output) if isinstance(n, int | float) and not isinstance(n, bool)]
    if not texts[0] or len(numbers) < 2 or not all(math.isfinite(n) and n >= 0 for n in numbers):
        return None
    if not all("".join(visible(text).splitlines()) == text and len(text) <= NAME_CHARS for text in texts):
        return None
    return Row(texts[0], Price(float(numbers[0]), float(numbers[1]), texts[1]))


def write(file: Path, rows: Sequence[Row]) -> None:
    """The whole table, with the template's explanation above it. Raises StorageFailed."""
    text = TEMPLATE
    for one in rows:
        text += (
            f"\n[[price]]\nmodel = {_quoted(one.model)}\ninput = {one.price.input!r}\noutput = {one.price.output!r}\n"
            f"currency = {_quoted(one.price.currency)}\n"
        )
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(0o700, parents=True, exist_ok=True)
        scratch.write_text(text, encoding="utf-8")
        os.replace(scratch, file)
    except OSError as error:
        raise StorageFailed(folder=file.parent, detail=error.strerror or str(error)) from None


def price(model: str, rows: Sequence[Row]) -> Price | None:
    """Of this model; None where the table does not say. What runs in this process costs nothing."""
    for one in rows:
        if fnmatch.fnmatchcase(model, one.model):
            return one.price
    return FREE if model.startswith(HERE) else None


def _row(entry: Any, n: int, file: Path) -> Row:
    known = ("model", "input", "output", "currency")
    if not isinstance(entry, dict) or set(entry) - set(known):
        raise PricesBroken(file=file, detail=f"price {n} has something else than {', '.join(known)}")
    currency = entry.get("currency", "")
    found = row(str(entry.get("model", "")), entry.get("input"), entry.get("output"), str(currency))
    if found is None:
        detail = (
            f"price {n} needs a model, and numbers from 0 up as input and output; a model and a currency have at most "
            f"{NAME_CHARS} characters, on one line, and none that control a terminal"
        )
        raise PricesBroken(file=file, detail=detail)
    return found


def _quoted(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but for what lies beyond the first plane."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
