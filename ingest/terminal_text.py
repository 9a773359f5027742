"""What a terminal may be sent. Text of documents, models, servers and files is cleaned where it leaves, in one place.

A terminal obeys control characters: they move the cursor over what was said, set links and titles, and can answer for
the person at the keyboard. So the streams of a command are wrapped once (`protect_stream`), and whatever is printed on
them loses what a terminal would obey. Only a TerminalText, which this program makes of its own codes, passes whole.
"""

import json
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any, TextIO, cast

# Control characters, those that turn the direction of what follows (a name could pretend to be another), and the tags
# that spell words which nobody sees.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_BOLD, _NOT_BOLD = "\x1b[1m", "\x1b[22m"  # as ECMA-48 has it: bold, and neither bold nor faint


def visible(text: str) -> str:
    """Without what cannot be seen, also for a terminal, where control characters are links, colours and commands."""
    return UNSEEN.sub("", text)


class TerminalText(str):
    """Text with codes of this program for the terminal. Whatever it holds of others was made `visible` before."""


CLEAR_LINE = TerminalText("\r\x1b[K")  # back to the start of the line, and empty it


def with_bold(text: str, start: int, end: int) -> TerminalText:
    """`text`, made visible, with text[start:end] in bold."""
    before, bold, after = visible(text[:start]), visible(text[start:end]), visible(text[end:])
    return TerminalText(f"{before}{_BOLD}{bold}{_NOT_BOLD}{after}")


class _ProtectedStream:
    """A text stream that prints no control characters but a TerminalText's. In all else it is the stream behind it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(text if isinstance(text, TerminalText) else visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def protect_stream(stream: TextIO) -> TextIO:
    """The stream, for text of any origin."""
    return cast(TextIO, _ProtectedStream(stream))


@contextmanager
def protect_stderr() -> Iterator[None]:
    """Everything that Python code prints on stderr is cleaned: warnings, logs, wrong options, and a traceback too."""
    with redirect_stderr(protect_stream(sys.stderr)):
        try:
            yield
        except Exception:
            # Printed here because the interpreter would do it when the stream is no longer protected.
            traceback.print_exc()
            raise SystemExit(1) from None


def dump_json(value: object) -> str:
    """A value as one line of JSON. What a terminal would obey, or turns a line's direction, is written as a number."""
    text = UNSEEN.sub(lambda found: _escape(found[0]), json.dumps(value, ensure_ascii=False))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, from an argument or a file
        text = json.dumps(value)
    return text + "\n"


def _escape(character: str) -> str:
    """As JSON has any character: "\\u009b"; two of these for one beyond the first 65,536."""
    code = character.encode("utf-16-be").hex()
    return "".join(f"\\u{code[i : i + 4]}" for i in range(0, len(code), 4))
