"""What PDF readers give → text worth keeping. Pure; runs on a page, on a whole document, and on a title."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

BROKEN = (
    "\ufffe"  # where a hyphen at a line's end parts a word: pdfium's mark, kept until `mend` has seen the whole text
)
TITLE_CHARS = 200

# pdfium ends a line with CR LF; a lone CR or LF is a letter of a font whose blank is called so.
_LINE_END = re.compile("\r\n|[\u2028\u2029]")
_LONE = re.compile("[\r\n\t\x0b\x0c\x1f]")
# Control characters, halves of surrogate pairs, non-characters, byte-order marks, pieces of tall brackets (F8E5–F8FE).
_JUNK = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\uffff\ufeff\uf8e5-\uf8fe]")
# What the symbol fonts call a bullet.
_BULLETS = str.maketrans(dict.fromkeys("\uf0b7\uf0a7\uf0d8\uf076\uf06c\uf06e\uf0fc", "•"))
_TRAILING = re.compile("[ \u00a0\u3000]+$", re.MULTILINE)
_SOFT_AT_END = re.compile("[\u00ad\u2010-][ \u00a0]*\n(?=[^\\W\\d_A-Z])")
_HYPHEN_AT_END = re.compile("(?<=[A-Za-z0-9])-\n(?=[A-Z0-9])")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_PARTED = re.compile(rf"([\w-]*){BROKEN}+(\w*)")

_WORTHLESS = re.compile(
    r"(microsoft |ms )?(word|excel|powerpoint)?[\W\d]*((untitled|document|presentation|book|slide|sheet|doc|page|title"
    r"|layout|scan|print|blank|new document|none|null|unknown|无标题|未命名|文档|演示文稿|幻灯片)[\W\d]*)*"
    # The first lines of forms, taken for their title.
    r"|united states|(united states )?securities and exchange commission|(股份)?(有限)?(责任)?公司"
    r"|form [\w-]+|10-[kq]|8-k",
    re.IGNORECASE,
)
_PROGRAM = re.compile(r"^microsoft (office )?(word|excel|powerpoint) - ", re.IGNORECASE)
_FILE = re.compile(
    r"\.(docx?|pdf|xlsx?|pptx?|tex|dvi|e?ps|indd|qx[dp]|html?|rtf|od[tps]|wp[dsf]?|txt|p65|pm[56]|fm|pages|cdr|ai|psd|pub|"
    r"tiff?|jpe?g|png|bmp|xml|md|mif|lwp|hwp|csv|dwg)\W*$",
    re.IGNORECASE,
)
_PATH = re.compile(r"^([a-z]:)?[\\/]|://|[\\/][^\\/ ]*[a-z_][^\\/ ]*[\\/]|\\", re.IGNORECASE)
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


def clean(text: str) -> str:
    """One page as a reader gave it → its lines, ended by "\\n", without what nobody can see. BROKEN marks stay."""
    # pypdf knows "\n" alone.
    text = _LINE_END.sub("\n", _LONE.sub(" ", text.replace("\r\n", "\u2028")) if "\r\n" in text else text)
    text = _JUNK.sub("", text.replace("\r", "\n").replace("\t", " ").replace("\x0c", "\n").replace("\x0b", "\n"))
    text = _SOFT_AT_END.sub(_parted, _TRAILING.sub("", text.translate(_BULLETS)))
    # A soft hyphen in a line is drawn: some fonts have no other ("10\u00adK").
    return _HYPHEN_AT_END.sub("-", text).replace("\u00ad", "-").strip("\n")


def _parted(match: re.Match[str]) -> str:
    before = match.string[match.start() - 1 : match.start()]
    return BROKEN if before.isalpha() else match[0]


def mend(texts: Sequence[str]) -> list[str]:
    """The pages of one document with their BROKEN marks resolved: joined ("Victor") or with the hyphen ("stock-based").

    The mark alone does not tell. Filings break lines at the hyphens of compounds only, books within words; so what
    the document writes elsewhere decides, first of the whole word, then of its parts.
    """
    if not any(BROKEN in text for text in texts):
        return list(texts)
    seen = Counter(word for text in texts for word in _WORD.findall(_PARTED.sub(" ", text).lower()))
    parts = {part for word in seen for part in word.split("-")}

    def whole(match: re.Match[str]) -> str:
        left, right = match[1], match[2]
        if not left or not right:
            return left + ("-" if left else "") + right
        last, joined, hyphened = (
            left.lower().split("-")[-1],
            seen[f"{left}{right}".lower()],
            seen[f"{left}-{right}".lower()],
        )
        # "COVID-19", "XML-based", "C-Band"; a name in capitals throughout is broken like any other.
        proper = (
            not (left[-1].isalpha() and right[0].isalpha())
            or left[-1].isupper() != right[0].isupper()
            or (right[0].isupper() and not (left + right).isupper())
        )
        compound = last in parts and right.lower() in parts and len(last) > 1 and len(right) > 2
        keep = hyphened > joined if hyphened != joined else proper or (not joined and compound)
        return f"{left}-{right}" if keep else left + right

    return [_PARTED.sub(whole, text) if BROKEN in text else text for text in texts]


def line(text: str, limit: int) -> str:
    """A title, heading or label → one line of at most `limit` characters, NFC, without what nobody can see."""
    text = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in _UNSEEN)
    text = unicodedata.normalize("NFC", re.sub(" +", " ", text).strip())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co"})


def title_of(stated: str, name: str) -> str:
    """The title that a PDF states of itself where it is worth something; else its name without the ending."""
    title = _PROGRAM.sub("", line(stated, 10 * TITLE_CHARS))
    return title if _is_title(title) else line(re.sub(r"\.pdf$", "", name, flags=re.IGNORECASE), TITLE_CHARS)


def _is_title(title: str) -> bool:
    letters = sum(c.isalpha() for c in title)
    shortest = 2 if _CJK.search(title) else 4
    if not shortest <= len(title) <= TITLE_CHARS or letters < len(title) / 3:
        return False
    # "0001410636-22-000048", "d123456d10k": a number of some register, not a title.
    register = " " not in title and any(c.isdigit() for c in title) and not _CJK.search(title)
    return not (
        register or _WORTHLESS.fullmatch(title) or _FILE.search(title) or _PATH.search(title) or _is_mojibake(title)
    )


def _is_mojibake(title: str) -> bool:
    """Chinese or UTF-8 bytes taken for Latin-1: "ÎÞ±êÌâ", "Ã©tÃ©". Real titles seldom have two such in a row."""
    odd = re.findall("[\u0080-\u00ff]{2,}|\ufffd|\u00c3[\u0080-\u00bf]|â€", title)
    return "\ufffd" in title or sum(map(len, odd)) > len(title) / 4 or any(run[:2] in ("Ã©", "â€") for run in odd)
