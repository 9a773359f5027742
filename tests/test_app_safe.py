"""Text of documents, models and people is never markup: for any text, and every beginning of it."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from app import safe_text
from chains.grounding.uncited import unsourced

HOSTILE = [
    "![x](http://127.0.0.1:1/leak?q=secret)",
    "[click](javascript:alert(1)) [a][b]\n\n[b]: http://evil.example",
    "<img src=x onerror=alert(1)> <script>alert(1)</script>",
    "https://evil.example/a www.evil.example me@evil.example <https://evil.example>",
    "$x^2$ and $$\\frac{1}{2}$$ and \\(a\\)",
    ':red[danger] :material/home: :streamlit: :smile: :small[x] :color[x]{foreground="red"} :rainbow-badge[x]',
    "# heading\n## two\nsetext\n===\n> quote\n\n    code\n```mermaid\ngraph TD\n```\n~~~\nx\n~~~",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n---\n***\n___",
    "- [ ] task\n1. one\n2) two\n* three ** four ** **five** _six_ ~~seven~~ `eight` ^nine^",
    "a -> b <- c <-> d -- e >= f <= g ~= h",
    "[^1] [^1]: note &lt;b&gt; &amp; &#60;",
    "safe\u202egnp.exe\u202c \u200bhidden\ufeff \x00\x07",
    '**bold** [1] and [2]. [99999] [1](http://evil.example) [2]: "x" [3][4]',
    "\\* \\[1\\] \\\\ \\",
    "[1]: http://evil.example\n[2]: <javascript:alert(1)>\n[1][1] ![1][2] [![x](a)][1] [a][] [a]\n\n[a]: data:,x",
    "![x](data:image/svg+xml;base64,PHN2Zz4=) [x](data:text/html,<script>alert(1)</script>) [x](JaVaScRiPt:alert`1`)",
    "<https://evil.example> <mailto:me@evil.example> <a href='//evil.example'>x</a> <svg/onload=alert(1)> <!-- x -->",
    "&#104;ttp://evil.example ht\u200btp://evil.example //evil.example ftp://evil.example xmpp:me@evil.example",
    "[1](http://evil.example) [1] (http://evil.example) [1]\\(http://evil.example) ![1](//evil.example) [[1]](//x)",
    "\u2066[1]\u2069 \u061c\u200fhttp://evil.example\u202d [\u202e1] \U000e0001\U000e0068\U000e0069 [\u00ad1](//x)",
]
TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="[]()!<>*_`~$:#-+=|\\{}\"'&;.@/ \n\t1aw", max_size=60),
    st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=3).map("\n".join),
)
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PLAIN = {"inline", "paragraph_open", "paragraph_close", "text", "hardbreak", "softbreak"}
ANSWER = PLAIN | {
    *("strong_open", "strong_close", "list_item_open", "list_item_close", "link_open", "link_close"),
    *("bullet_list_open", "bullet_list_close", "ordered_list_open", "ordered_list_close"),
}
# What the renderer does to text after it was parsed.
LATER = re.compile(
    r"https?://|www\.|[-.\w+]@[-\w]+\.|:[\w+-]+:|:[a-z][\w-]*\[|:material|(^|\s)(<->|->|<-|--|>=|<=|~=)(\s|$)",
    re.IGNORECASE,
)


def tokens(markdown: str) -> list[Token]:
    return [inner for token in PARSER.parse(markdown) for inner in (token, *(token.children or []))]


def shown(markdown: str) -> str:
    return "".join(token.content for token in tokens(markdown) if token.type == "text")


def check(markdown: str, allowed: set[str]) -> None:
    found = tokens(markdown)
    assert {token.type for token in found} <= allowed
    assert LATER.search(shown(markdown)) is None
    assert re.search(r"(?<!\\)(?:\\\\)*\$", markdown) is None
    for token in found:
        if token.type == "link_open":
            assert str(token.attrGet("href")).startswith("#cite-")


def visible(text: str) -> str:
    return re.sub(r"\s", "", safe_text.clean(text))


@given(TEXTS)
@pytest.mark.parametrize("draw", [safe_text.inline, safe_text.block])
def test_a_text_is_shown_as_it_is(draw, text: str) -> None:  # type: ignore[no-untyped-def]
    markdown = draw(text)
    check(markdown, PLAIN)
    assert re.sub(r"\s", "", shown(markdown).replace(safe_text.JOINER, "")) == visible(text).replace(
        safe_text.JOINER, ""
    )


@given(TEXTS)
@example("**a** [1] **b [2]** x\n- **c**: d [3]\n  1. e\n# f **g** [1]")
def test_no_beginning_of_a_model_s_text_becomes_more_than_paragraphs_lists_bold_and_marks(text: str) -> None:
    for end in range(len(text) + 1):
        check(safe_text.answer(text[:end], lambda n, at: f"#cite-{n}"), ANSWER)


@given(TEXTS, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=3))
@example("a\\$5 b", [(1, 3), (3, 4)])
def test_bold_of_the_program_s_own_lets_nothing_else_through(text: str, strong: list[tuple[int, int]]) -> None:
    check(safe_text.answer(text, lambda n, at: f"#cite-{n}", strong=strong), ANSWER)
    check(safe_text.quote(text, text[3:9]), PLAIN | {"strong_open", "strong_close"})


@pytest.mark.parametrize("words", ["1189", "$5.4 million (2%)", "15.82 亿元", "“so”"])
def test_words_that_answer_are_bold_whatever_stands_around_them(words: str) -> None:
    text = f"It cost{words}x. [1]"
    strong = [(7, 7 + len(words))]
    for markdown in (safe_text.answer(text, lambda n, at: "", strong=strong), safe_text.quote(f"a {words} b", words)):
        found = tokens(markdown)
        bold = [b.content for a, b in pairwise(found) if a.type == "strong_open"]
        assert "".join(bold).replace(safe_text.JOINER, "") == words


def test_no_mark_begins_a_line() -> None:
    """A line can break at a blank, and at none that is of no-break kind."""
    drawn = safe_text.answer("It is **so** [1]. And so [2], 如此。 [3]", lambda n, at: f"#cite-{n}")
    assert drawn.count("\xa0[") == 3 and " [" not in drawn


def test_the_lines_of_a_page_become_one_and_chinese_gets_no_blank() -> None:
    assert safe_text.quote("循环神经网\n络是\nan RNN", "an RNN") == "循环神经网络是 **an RNN**"
    assert safe_text.inline("two\n  lines") == "two lines"


def test_lists_bold_and_headings_of_a_model_stay() -> None:
    markdown = safe_text.answer(
        "# Title\nText with **weight** [1].\n- one\n- two [2]\n\n1. first", lambda n, at: f"#cite-{n}"
    )
    kinds = [token.type for token in tokens(markdown)]
    assert kinds.count("strong_open") == 2
    assert kinds.count("list_item_open") == 3
    assert kinds.count("link_open") == 2
    assert shown(markdown).replace("\xa0", " ") == "TitleText with weight 1.onetwo 2first"


@given(st.lists(st.tuples(st.text(alphabet="ab *\n-#1.", max_size=8), st.integers(1, 9)), max_size=6))
def test_each_mark_is_asked_for_with_its_own_offset(parts: list[tuple[str, int]]) -> None:
    text = "".join(f"{words}[{n}]" for words, n in parts)
    asked: list[tuple[int, int]] = []

    def href(n: int, at: int) -> str:
        asked.append((n, at))
        return ""

    safe_text.answer(text, href)
    assert asked == [(int(m[1]), m.start()) for m in re.finditer(r"\[(\d{1,4})\]", text)]


@given(TEXTS, st.sets(st.integers(0, 80), max_size=5))
def test_a_sign_stands_where_it_was_put_and_nowhere_else(text: str, at: set[int]) -> None:
    ends = {end for end in at if end <= len(text) and not re.search(r"\[\d{0,4}$", text[:end])}
    asked: list[tuple[int, int]] = []

    def href(n: int, at: int) -> str:
        asked.append((n, at))
        return f"#cite-{n}"

    markdown = safe_text.answer(text, href, ends)
    assert markdown.count(safe_text.SIGN) == len(ends)
    assert [at for _, at in asked] == [m.start() for m in re.finditer(r"\[(\d{1,4})\]", text)]
    check(markdown.replace(f" {safe_text.SIGN}", ""), ANSWER)


@given(st.one_of(TEXTS, st.lists(st.sampled_from(["The moon is green", ". ", "**", "\n- ", "# ", "[1]"])).map("".join)))
def test_signs_change_nothing_else_of_what_is_shown(text: str) -> None:
    def read(markdown: str) -> str:
        return re.sub(r"\s", "", shown(markdown)).replace(safe_text.JOINER, "")

    text = text.replace("\ue000", "")
    markdown = safe_text.answer(text, lambda n, at: "", {end for _, end in unsourced(text, ())})
    assert read(markdown.replace(f" {safe_text.SIGN}", "")) == read(safe_text.answer(text, lambda n, at: ""))


def test_a_text_cannot_write_a_sign() -> None:
    assert safe_text.SIGN not in safe_text.answer("\ue000 :gray[○] \ue000", lambda n, at: "")


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_text.inline("a" * 300 + ".pdf", 40).endswith("\\.pdf")
    assert len(safe_text.inline("a" * 300, 40)) == 40


def test_direction_marks_cannot_make_a_name_look_like_another() -> None:
    assert "\u202e" not in safe_text.inline("annual\u202efdp.exe")
