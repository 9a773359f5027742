"""Text of documents, models and people, made safe to draw as Markdown. The only place that knows how.

Nothing in such text may become a link, a picture, HTML, a formula, a colour, an icon or an emoji, in no prefix of a
stream. `inline` lets nothing at all through; `answer` lets a model's paragraphs, lists and **bold** be what they are,
and turns the marks [n] that the program itself put there into links to the buttons beside the answer.

A backslash before every punctuation character stops the Markdown parser. Some of the renderer's rules look at text
after it was parsed (addresses become links, `:name:` becomes an emoji, `->` an arrow), when the backslashes are gone:
those are broken with a WORD JOINER, which has no width and is no place to break a line.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence

from ingest.terminal_text import visible
from ingest.text.normalize import find

JOINER = "\u2060"
SIGN = ":gray[○]"  # behind a sentence without a source; ours, never a text's
_PLACE = "\ue000"  # where one belongs; of the private use area, and no text's, which are changed
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_BREAKS = (
    (re.compile(r":(?=\S)"), ":" + JOINER),  # http://, :emoji:, :red[…], :material/…:
    (re.compile(r"@"), JOINER + "@"),  # an e-mail address
    (re.compile(r"(?i)(www)(?=\.)"), r"\1" + JOINER),
    (re.compile(r"([<>~-])(?=[-=>])"), r"\1" + JOINER),  # -> <- <-> -- >= <= ~=
)
_BROKEN_CHINESE = re.compile(r"(?<=[㐀-鿿，。；：、！？])[ \t]*\n[ \t]*(?=[㐀-鿿])")
_MARK = re.compile(r"\[(\d{1,4})\]")
_BOLD = re.compile(r"\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*")
_LIST = re.compile(r"^(\s*)(?:[-*•·]|(\d{1,3})[.)])\s+(?=\S)")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$")


def _escape(text: str) -> str:
    for pattern, broken in _BREAKS:
        text = pattern.sub(broken, text)
    return _PUNCTUATION.sub(r"\\\1", text)


def clean(text: str) -> str:
    """Without what cannot be seen; line breaks of every kind become "\\n"."""
    text = re.sub("\r\n?|[\u2028\u2029\x85\x0b\x0c]", "\n", text)
    return visible(unicodedata.normalize("NFC", text))


def one_line(text: str) -> str:
    """The lines of a page as one; Chinese is joined without a space."""
    return " ".join(_BROKEN_CHINESE.sub("", clean(text)).split())


def inline(text: str, limit: int = 0) -> str:
    """One line that shows `text` literally. Cut in the middle to `limit` characters, so that a name's ending stays."""
    line = one_line(text)
    if limit and len(line) > limit:
        tail = max(8, limit // 3)
        line = line[: limit - tail - 1] + "…" + line[-tail:]
    return _escape(line)


def quote(text: str, span: str) -> str:
    """One line that shows `text` literally, with the words `span` in it in bold."""
    line = one_line(text)
    start, end = find(span, line) or (0, 0)
    return _escape(line[:start]) + _styled(line[start:end], True) + _escape(line[end:])


def block(text: str) -> str:
    """`text` literally, its line breaks kept."""
    return "\n\n".join(
        "  \n".join(_escape(line.strip()) for line in part.split("\n") if line.strip())
        for part in re.split(r"\n\s*\n", clean(text))
        if part.strip()
    )


def answer(
    text: str,
    href: Callable[[int, int], str],
    signed: Collection[int] = (),
    strong: Sequence[tuple[int, int]] = (),
) -> str:
    """A model's text, whole or any beginning of it. `href(n, offset)`: where the mark [n] at `offset` of `text` leads;
    it must be made by the program and begin with "#"; "" leaves the mark a plain number in brackets. `signed`: offsets
    that get a SIGN. `strong`: ranges of `text` that are shown in bold."""
    text = text.replace(_PLACE, "\ufffd")
    ends = sorted(signed)
    for end in reversed(ends):
        text = text[:end] + _PLACE + text[end:]
    places = [end + i for i, end in enumerate(ends)]
    moved = [(start + bisect_right(ends, start), end + bisect_left(ends, end)) for start, end in strong]
    return _answer(text, lambda n, at: href(n, at - bisect_left(places, at)), moved).replace(_PLACE, f" {SIGN}")


def _answer(text: str, href: Callable[[int, int], str], strong: Sequence[tuple[int, int]]) -> str:
    lines: list[str] = []
    at = 0
    for raw in text.split("\n"):
        lines.append(_line(raw, at, href, strong))
        at += len(raw) + 1
    out = ""
    for before, line in zip(["", *lines], lines, strict=False):
        is_item, was_item = bool(re.match(r"\s*(?:-|\d+\.) ", line)), bool(re.match(r"\s*(?:-|\d+\.) ", before))
        if line and before:  # a list needs an empty line before it and after it; other lines keep their break
            out += "\n" if is_item and was_item else "\n\n" if is_item or was_item else "  \n"
        elif line and out:
            out += "\n\n"
        out += line
    return out


def _line(raw: str, at: int, href: Callable[[int, int], str], strong: Sequence[tuple[int, int]]) -> str:
    heading = _HEADING.match(raw)
    if heading and heading[1]:
        return _bold_or_marks(heading[1].replace("**", ""), at + heading.start(1), href, (), bold=True)
    item = _LIST.match(raw)
    if item is None:
        stripped = raw.lstrip()
        return _spans(stripped.rstrip(), at + len(raw) - len(stripped), href, strong)
    depth = min(2, len(item[1].replace("\t", "    ")) // 2)
    head = "   " * depth + (f"{int(item[2])}. " if item[2] else "- ")
    return head + _spans(raw[item.end() :].rstrip(), at + item.end(), href, strong)


def _spans(text: str, at: int, href: Callable[[int, int], str], strong: Sequence[tuple[int, int]]) -> str:
    out, last = "", 0
    for bold in _BOLD.finditer(text):
        out += _bold_or_marks(text[last : bold.start()], at + last, href, strong, bold=False)
        out += _bold_or_marks(bold[1], at + bold.start(1), href, (), bold=True)
        last = bold.end()
    return out + _bold_or_marks(text[last:], at + last, href, strong, bold=False)


def _bold_or_marks(
    text: str, at: int, href: Callable[[int, int], str], strong: Sequence[tuple[int, int]], bold: bool
) -> str:
    out, last = "", 0
    for mark in _MARK.finditer(text):
        out += _pieces(text[last : mark.start()], at + last, strong, bold)
        target = href(int(mark[1]), at + mark.start())
        if target and out.endswith(" "):
            out = out[:-1] + "\xa0"  # no mark begins a line
        out += f"[{int(mark[1])}]({target})" if target else _escape(mark[0])
        last = mark.end()
    return out + _pieces(text[last:], at + last, strong, bold)


def _pieces(text: str, at: int, strong: Sequence[tuple[int, int]], bold: bool) -> str:
    out, last = "", 0
    for start, end in sorted((max(a - at, 0), min(b - at, len(text))) for a, b in strong):
        if last <= start < end:
            out += _styled(text[last:start], bold) + _styled(text[start:end], True)
            last = end
    return out + _styled(text[last:], bold)


def _styled(text: str, bold: bool) -> str:
    text = visible(text)
    body = text.strip()
    if not bold or not body:
        return _escape(text)
    # Beside punctuation or another bold the asterisks might not open and close; beside a joiner they do.
    first, last = ("" if edge.isalnum() else JOINER for edge in (body[0], body[-1]))
    lead, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{lead}**{first}{_escape(body)}{last}**{tail}"
