"""Where headings stand in a document's text: its outline's entries, or, without one, what is numbered as a heading is.

Precise rather than many: "Item 7. …" in a sentence that refers to it, and a table of contents, are no headings.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator

from ingest.document import Document, Heading
from ingest.text.tables import is_row, tables

PATH_CHARS = 160  # of a path; a longer one loses its outermost headings, which say least
TITLE_CHARS = 80  # of one heading in it
_CONTENTS = 8  # so many numbered headings on one page are a table of contents
_LONG = 60  # characters; a line that is longer and does not end a sentence goes on in the next
_HAN = "一二三四五六七八九十百"
_WORDS = "(?:twenty-)?(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]+teen|first|second|third)"

# The number, what parts it from the title, and the title's first sign: "ITEM 1A. Risk", "Note 4 – Debt", "第二节 公司".
_DASH = r"[ \u00a0]*[.:：—–-]*[ \u00a0]*(?:[—–-][ \u00a0]*)?"
_NUMBERED = re.compile(
    rf"""^[ \u00a0\t]*(?:
        (?P<l1>PART[ \u00a0]+(?:[IVX]+|\d)\b|(?:BOOK|VOLUME)[ ]+(?:[IVX]+|\d+|{_WORDS})\b|第[{_HAN}\d]+[编篇章])
      | (?P<l2>ITEM[ \u00a0]*\d+[A-C]?\b(?!\.\d)|CHAPTER[ ]+(?:[IVXLC]+|\d+|{_WORDS})\b|第[{_HAN}\d]+节
            |APPENDIX[ ]+[A-Z]\b)
      | (?P<l3>NOTE[ \u00a0]+\d+\b|(?P<han>[{_HAN}]{{1,3}})、)
      | (?P<decimal>\d{{1,2}}(?:\.\d{{1,2}}){{1,3}})(?=[.]?[ \u00a0])
    ){_DASH}(?P<title>[^\n]*)$""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_TITLE = re.compile(r"[A-Z“\"\[(\u3400-\u9fff]|\d+[-A-Z]")
_ENDS = re.compile(r"[.!?:;。！？：；…][\"'”’)）」]*$|[\d%)]$")
_PAGE_NUMBER = re.compile(r"(?:\.{3,}|…|[ \u00a0])\d{1,3}$|\.{4,}")
_LETTERS = re.compile(r"[\W_]+")


def headings(document: Document) -> list[tuple[int, str]]:
    """(offset in the text, path of headings from there on), in order; the first is (0, ""), unless one stands at 0.

    The outline counts where it has more entries than are found in the text: some filings have one of four.
    """
    found = _numbered(document)
    entries = found if len(found) > len(document.outline) else list(_placed(document))
    path: list[Heading] = []
    paths = [(0, "")]
    for at, entry in sorted(entries, key=lambda item: item[0]):
        if any(_same(entry, above) for above in path):  # "PART II" again, on top of each of its pages
            continue
        path = [*(above for above in path if above.level < entry.level), entry]
        titles = [_cut(above.title) for above in path]
        while len(titles) > 1 and sum(map(len, titles)) > PATH_CHARS:
            titles.pop(0)
        paths.append((at, " › ".join(titles)))
    return paths


def _cut(title: str) -> str:
    return title if len(title) <= TITLE_CHARS else title[: TITLE_CHARS - 1].rstrip() + "…"


def _same(one: Heading, other: Heading) -> bool:
    return one.level == other.level and one.title.casefold() == other.title.casefold()


def _placed(document: Document) -> Iterator[tuple[int, Heading]]:
    """The outline's entries, each at the line of its page that it names, or at its page's beginning."""
    page, after = 0, 0
    inside = [entry for entry in document.outline if 1 <= entry.page <= len(document.pages)]
    for entry in sorted(inside, key=lambda entry: entry.page):
        if entry.page != page:
            page, after = entry.page, 0
        start, text = document.page_starts[page - 1], document.pages[page - 1].text
        wanted = _plain(entry.title)
        line = next((m for m in re.finditer(r"[^\n]+", text[after:]) if _names(m[0], wanted)), None)
        at = after + line.start() if line else after
        after = after + line.end() if line else after
        yield start + at, entry


def _names(line: str, wanted: str) -> bool:
    """Whether a line is a heading's: its letters, or as many of them as stand on its first line."""
    plain = _plain(line)
    return bool(plain) and (plain == wanted or (len(plain) > 5 and wanted.startswith(plain)))


def _plain(text: str) -> str:
    return _LETTERS.sub("", text).casefold()


def _numbered(document: Document) -> list[tuple[int, Heading]]:
    text = document.text
    found: list[tuple[int, Heading]] = []
    crowd: Counter[int] = Counter()  # of a page: what begins like a heading of the first two levels
    last: tuple[int, ...] = ()  # the decimal number before
    point = 0  # the Chinese numeral before, under the same heading of a higher level
    for match in _NUMBERED.finditer(text):
        title, level = _title(match), next((n for n in (1, 2, 3) if match[f"l{n}"]), 0)
        page = bisect_right(document.page_starts, match.start())
        crowd[page] += level in (1, 2)
        if not title or _is_referred_to(text, match):
            continue
        if match["decimal"]:
            number = tuple(int(part) for part in match["decimal"].split("."))
            if not _follows(number, last) or is_row(match[0]):
                continue
            last, level = number, len(number) + 1
        elif match["han"]:
            if not point < _counted(match["han"]) < point + 4 or _is_row_of_page(document, page, match.start()):
                continue
            point = _counted(match["han"])
        point = 0 if level < 3 else point
        found.append((match.start(), Heading(title, level, page)))
    return [(at, heading) for at, heading in found if crowd[heading.page] < _CONTENTS]


def _counted(numeral: str) -> int:
    """十二 → 12."""
    tens, ten, ones = numeral.rpartition("十")
    digits = "零一二三四五六七八九"
    return (max(1, digits.find(tens)) * 10 if ten else 0) + max(0, digits.find(ones[-1:]) if ones else 0)


def _is_row_of_page(document: Document, page: int, at: int) -> bool:
    """Whether a table's row stands at `at`: "一、营业总收入" in a statement of income."""
    at -= document.page_starts[page - 1]
    return any(table.first <= at < table.end for table in tables(document.pages[page - 1].text))


def _title(match: re.Match[str]) -> str:
    """The heading on one line, or "" where it is none. A title of its own line is taken from the next."""
    line, title = " ".join(match[0].split()), " ".join(match["title"].split())
    if not title:
        if not line.isupper() and not re.match(r"chapter|volume|book|part|第", line, re.IGNORECASE):
            return ""
        below = re.match(r"\n([^\n]{2,80})", match.string[match.end() : match.end() + 90])
        alike = below is not None and line.isupper() and below[1].isupper() and match["l1"] is None
        line = f"{line} {' '.join(below[1].split())}" if below and alike else line
    elif not _TITLE.match(title) or _PAGE_NUMBER.search(title) or title.endswith((",", "，", "。", "；")):
        return ""
    elif len(line) > TITLE_CHARS and ". " in title:  # a clause with its name before it: "3.3. Timing of payment. The …"
        line = line[: len(line) - len(title) + title.index(". ")]
    return line.rstrip(" .:：")


def _is_referred_to(text: str, match: re.Match[str]) -> bool:
    """Whether the line goes on a sentence of the line above: "… see Part I, ⏎ Item 1A. Risk Factors"."""
    above = text[max(0, match.start() - 200) : match.start()].rstrip("\n").rsplit("\n", 1)[-1].rstrip()
    return len(above) > _LONG and not _ENDS.search(above)


def _follows(number: tuple[int, ...], last: tuple[int, ...]) -> bool:
    """Whether a decimal number comes next: 1.2 after 1.1, 1.1.1, and 2.1 after 1.9; first of all 1.1."""
    if not last:
        return number == (1,) * len(number)
    nexts = {(*last, 1), (last[0] + 1, 1)} | {(*last[:k], last[k] + 1) for k in range(len(last))}
    return number in nexts
