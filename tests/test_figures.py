"""The figures of an answer: found on a cited page, computed from what stands there, or named as neither."""

import itertools
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.terminal_output import figures_line
from chains.events import Event, Figure, Step, Token
from chains.grounding.citations import cite, read
from chains.grounding.number_check import figures
from chains.partial_answer import cut_short
from chains.prompt import Source
from ingest.document import Chunk, Passage, Span
from tests.support.sources import source

TABLE = (
    "Cash flows (in millions, except per share data)\n"
    "Years ended December 31 2018 2017\n"
    "Purchases of property $ (1,577) $ (1,373)\n"
    "Net sales 32,765 31,657\n"
    "Operating margin 22.04% 24.37%\n"
    "Earnings per share 8.89 7.93"
)
表 = (
    "合并利润表（单位：万元）\n项目 2020年 2019年\n"
    "营业收入 157,700 137,300\n净利润 （2,021） 1,888\n毛利率 ９．４６％ 10.20%"
)


def check(text: str, *sources: Source, question: str = "") -> tuple[Figure, ...]:
    reader = read(text, {one.n for one in sources})
    return figures(reader.text, question, cite(reader, sources), sources)


def verdicts(text: str, page: str, heading: str = "", question: str = "") -> list[tuple[str, str]]:
    return [(one.text, one.status) for one in check(f"{text} [1]", source(1, page, heading=heading), question=question)]


@pytest.mark.parametrize(
    "written",
    [
        "1,577",
        "$1,577 million",
        "$1.577 billion",
        "1577",
        "US$1.58bn",
        "$1.6 billion",
        "1,577,000,000",
        "15.77亿",
        "１，５７７",
        "(1,577)",
        "-1,577",
        "$1.577B",
        "2018",
        "8.89",
        "22.04%",
        "22%",
        "22.0 percent",
        "百分之22.04",
        "32.8 billion",
    ],
)
def test_a_figure_of_a_table_in_millions_is_found_in_any_notation(written: str) -> None:
    (one,) = check(f"It was {written} in all [1].", source(1, TABLE, page=60))
    assert (one.status, one.n, one.page, one.formula) == ("found", 1, 60, "")


@pytest.mark.parametrize(
    "written",
    [
        "1,578",
        "$1,577 thousand",
        "$1.577 million",
        "1.7 billion",
        "1.5771 billion",
        "2016",
        "22.1%",
        "23%",
        "€1,577",
        "9",
    ],
)
def test_another_figure_is_not_found(written: str) -> None:
    assert [status for _, status in verdicts(f"It was {written} in all", TABLE)] == ["unsupported"]


@pytest.mark.parametrize(
    "written", ["157,700", "157,700万元", "15.77亿元", "15.8亿元", "1,577百万元", "9.46%", "9.5%", "2,021万元"]
)
def test_a_figure_of_a_chinese_table_is_found(written: str) -> None:
    assert [status for _, status in verdicts(f"该项为{written}", 表)] == ["found"]


@pytest.mark.parametrize("written", ["157,700百万元", "15.78亿元", "1.577亿元", "9.4%", "157,701"])
def test_another_figure_of_a_chinese_table_is_not_found(written: str) -> None:
    assert [status for _, status in verdicts(f"该项为{written}", 表)] == ["unsupported"]


@pytest.mark.parametrize(
    "declared",
    [
        "(in millions)",
        "Dollars in millions",
        "in U.S. $ millions",
        "RMB million",
        "US$ million",
        "millions of dollars",
        "(Millions)",
        "人民币百万元",
        "（百万元）",
        "单位：百万元",
        "单位: 人民币百万元",
        "以百万元计",
    ],
)
def test_a_unit_is_read_in_the_heading(declared: str) -> None:
    assert verdicts("It was 1.577 billion", "Capital 1,577", declared) == [("1.577 billion", "found")]
    assert verdicts("It was 1.577 billion", "Capital 1,577") == [("1.577 billion", "unsupported")]


@given(
    st.integers(101, 99_999_999).filter(lambda value: not 1900 <= value <= 2099),
    st.sampled_from(["{:,}", "{}", "${:,}", "({:,})", "−{:,}", "{:,} million", "{}百万", "¥{:,}", "{:,}.0 million"]),
    st.data(),
)
def test_a_copied_figure_is_found_and_one_changed_in_a_digit_is_not(value: int, form: str, data: st.DataObject) -> None:
    page = f"Capital (in millions)\nSpent {value:,} here."
    assert [status for _, status in verdicts(f"It was {form.format(value)} then", page)] == ["found"]
    digits = str(value)
    at = data.draw(st.integers(0, len(digits) - 1))
    other = data.draw(st.sampled_from([d for d in "123456789" if d != digits[at]]))
    changed = int(digits[:at] + other + digits[at + 1 :])
    assert [status for _, status in verdicts(f"It was {form.format(changed)} then", page)] == ["unsupported"]


@given(st.decimals(0, 999, places=3), st.integers(0, 2))
def test_rounding_to_the_digits_given_is_found(value: Decimal, places: int) -> None:
    assert [status for _, status in verdicts(f"It rose {value:.{places}f}%", f"It rose {value}% in all.")] == ["found"]


@given(st.text(st.characters(exclude_categories=("Nd", "No", "Nl")), max_size=60))
def test_text_without_digits_has_no_figures(text: str) -> None:
    assert check(text, source(1, TABLE)) == ()


@given(
    st.text("0123456789０９，,.()%$¥ -–万亿百分之million bn[1]\n、FYK'", max_size=40),
    st.text("09,.()%$ \n万in millions", max_size=40),
)
def test_every_figure_stands_where_it_says(text: str, page: str) -> None:
    reader = read(text, {1})
    found = figures(reader.text, "", cite(reader, [source(1, page or "x")]), [source(1, page or "x")])
    assert all(one.text == reader.text[one.start : one.end] for one in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("text", "claimed"),
    [
        ("1. First\n2) Second\n- 3. Third\n(4) Fourth\n5、第五", []),
        ("See [1] and ［12］.", []),
        ("COVID-19 in Q4, by the 10-K", []),
        ("From 2017,2018 to 2018-12", ["2017", "2018", "2018", "12"]),
        ("1.5 billion (up 5) in FY2018", ["1.5 billion", "5", "FY2018"]),
        ("占百分之9.5，约3.2亿元", ["百分之9.5", "3.2亿"]),
        ("a 5km road, 5千克", ["5", "5"]),
    ],
)
def test_what_is_a_figure(text: str, claimed: list[str]) -> None:
    assert [figure.text for figure in check(text, source(1, TABLE))] == claimed


def test_a_figure_of_the_question_is_no_claim() -> None:
    assert verdicts("In 2015 it was 1,577", TABLE, question="What was it in FY2015?") == [("1,577", "found")]


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("It was 1,577 and 1,373, which is 204 more", "(1,577) − $ (1,373)"),
        ("Purchases of property rose by $204 million", "(1,577) − $ (1,373)"),
        ("Purchases of property rose by 14.9%", "((1,577) − (1,373)) ÷ (1,373)"),
        ("Net sales were 64,422 over both years", "32,765 + 31,657"),
        ("Net sales were 32,211 on average", "(32,765 + 31,657) ÷ 2"),
        ("Net sales of 32,765 and property of 1,577, so 4.8%", "(1,577) ÷ 32,765"),
        ("The margin fell by 2.33 percentage points in operating", "24.37% − 22.04%"),
    ],
)
def test_what_is_computed_says_how(text: str, formula: str) -> None:
    last = check(f"{text} [1]", source(1, TABLE, page=60))[-1]
    assert (last.status, last.n, last.page) == ("computed", 1, 60)
    assert last.formula.replace("$ ", "") == formula.replace("$ ", "")


@pytest.mark.parametrize(
    "text",
    [
        "Something else rose by 14.9%",  # neither operand is named, and no line speaks of it
        "Net sales less property were 31,188",  # of two lines, neither named
        "Purchases of property rose by 15%, that is 20",  # two digits
        "Earnings per share times property 14,019",  # no products
    ],
)
def test_what_may_be_chance_is_not_computed(text: str) -> None:
    assert verdicts(text, TABLE)[-1][1] == "unsupported"


def test_operands_of_two_passages_make_no_figure() -> None:
    one, other = source(1, "Sales 2,021 here."), source(2, "Sales 1,577 there.", page=2)
    assert [f.status for f in check("Sales 2,021 [1] less 1,577 [2] is 444.", one, other)] == [
        "found",
        "found",
        "unsupported",
    ]


def test_only_cited_pages_count() -> None:
    first, second = "The mill was sold for 512 pounds.", "The boat was sold for 734 pounds."
    text = f"{first}\n{second}"
    spans = (Span(3, "3", 0, len(first)), Span(4, "4", len(first) + 1, len(text)))
    both = Source(1, Passage(Chunk("c", "d", 0, 0, len(text), text, "", spans), "a.pdf", "A"))
    said = check("The mill was sold for 512 pounds [1]. Then came 734.", both)
    assert [(f.status, f.page) for f in said] == [("found", 3), ("unsupported", 0)]
    assert [f.status for f in check("It was 512.", both)] == ["unsupported"]  # nothing is cited


def test_the_figures_of_both_pages_of_a_quote_count() -> None:
    first, second = "The mill was sold for 512 pounds and the", "boat by the river for 734 pounds."
    text = f"{first}\n{second}"
    spans = (Span(3, "3", 0, len(first)), Span(4, "4", len(first) + 1, len(text)))
    both = Source(1, Passage(Chunk("c", "d", 0, 0, len(text), text, "", spans), "a.pdf", "A"))
    (one,) = check('It went for 734 pounds. [1: "and the boat by the river for 734 pounds"]', both)
    assert (one.status, one.page) == ("found", 4)


def test_a_stopped_answer_has_figures_and_one_line_says_it() -> None:
    given_ = (source(1, TABLE),)
    events: list[Event] = [Step("searched", 1, 1, sources=given_), Step("read", 1, 1, sources=given_)]
    events_ = [*events, Token("It was 1,577 and 1,373, so 204, or 12%, or 12% [1].")]
    answer = cut_short(events_, "How much?", "stuff", "scripted", 1.0)
    (line,) = figures_line(answer)
    assert line.startswith("2 of 5 figures found on the cited pages; 1 computed (") and line.endswith(
        "; not found: 12%"
    )
    assert not list(figures_line(cut_short([*events, Token("It rose [1].")], "How?", "stuff", "scripted", 1.0)))


DOLLARS = "Results (in millions)\nYears ended 2018 2017\nRevenue $ 1,944 $ 1,880\nCosts 581 520"


@pytest.mark.parametrize(
    ("written", "page", "status"),
    [
        ("€581 million", DOLLARS, "unsupported"),  # the sign stands in another row
        ("1,944 million yuan", DOLLARS, "unsupported"),
        ("19.44亿元人民币", DOLLARS, "unsupported"),
        ("人民币19.44亿", DOLLARS, "unsupported"),
        ("581 million pounds", DOLLARS, "unsupported"),
        ("$581 million", DOLLARS, "found"),
        ("581 million U.S. dollars", DOLLARS, "found"),
        ("19.44亿美元", DOLLARS, "found"),
        ("581 million", DOLLARS, "found"),
        ("15.77亿美元", 表.replace("万元", "万元 币种：人民币"), "unsupported"),
        ("USD 1.577 billion", 表, "unsupported"),
        ("15.77亿元", 表, "found"),
        ("RMB 1.577 billion", 表, "found"),
        ("¥1.577 billion", 表, "found"),
        ("€581 million", "Results (in millions)\nCosts 581 520", "found"),  # the page names none
        ("€581 million", DOLLARS + "\nof which in € 12", "found"),  # it names both
    ],
)
def test_a_figure_in_another_currency_than_its_page_is_not_found(written: str, page: str, status: str) -> None:
    assert [found for _, found in verdicts(f"It was {written}", page)] == [status]


def test_a_passage_without_a_currency_has_that_of_its_documents_others() -> None:
    bare, naming = source(1, "Costs (in millions) 581 520"), source(2, DOLLARS.replace("581", "900"), page=2)
    foreign = replace(naming, passage=replace(naming.passage, chunk=replace(naming.passage.chunk, document="f" * 64)))
    for others, status in (((naming,), "unsupported"), ((foreign,), "found"), ((), "found")):
        assert [one.status for one in check("Costs were €581 million [1].", bare, *others)] == [status]
        assert [one.status for one in check("Costs were $581 million [1].", bare, *others)] == ["found"]


def test_what_is_computed_has_the_pages_currency() -> None:
    assert verdicts("Revenue grew by €64.0 million", DOLLARS)[-1][1] == "unsupported"
    assert verdicts("Revenue grew by $64.0 million", DOLLARS)[-1][1] == "computed"


@given(
    st.integers(2, 28),
    st.sampled_from(
        [
            *("12/{}/2023", "{}/12/2023", "2023-12-{}", "2023/12/{}", "{} Dec 2023"),
            *("December {}, 2023", "December {},2023"),
            *("{} Weeks Ended", "the {} months", "{}-day", "{} years", "{} pages", "{} full-time employees", "Note {}"),
            *("2023年12月{}日", "共{}名员工", "{} 个月", "第{}页", "（{}人）"),
        ]
    ),
)
def test_dates_counts_and_labels_are_not_in_the_unit_of_their_table(n: int, form: str) -> None:
    page = f"Results (in millions; 单位：百万元)\n{form.format(n)}\nCapital 1,577"
    assert verdicts(f"It was {n} million", page)[0][1] == "unsupported"
    assert verdicts(f"It was {n}百万", page)[0][1] == "unsupported"
    assert verdicts(f"It was {n} then", page)[0][1] == "found"
    assert verdicts(f"It was {n} million", page.replace("1,577", f"{n}"))[0][1] == "found"


@pytest.mark.parametrize(
    "row", ["Costs 25\nWeeks of work", "Senior notes 25", "Due in May 1,025", "Paid 25 to employees", "Number of 25"]
)
def test_an_amount_beside_such_words_is_in_that_unit(row: str) -> None:
    said = "1,025 million" if "1,025" in row else "25 million"
    assert verdicts(f"It was {said}", f"Results (in millions)\n{row}")[0][1] == "found"


UP = ["rose by {}", "increased {}", "grew by {}", "is up {}", "had a rise of {}", "saw {} growth", "同比增长{}"]
DOWN = ["fell by {}", "decreased {}", "declined {}", "is down {}", "had a drop of {}", "saw a {} decline", "同比下降{}"]


@given(
    st.integers(1_001, 9_000), st.integers(1_001, 9_000), st.booleans(), st.booleans(), st.sampled_from([*UP, *DOWN])
)
def test_a_change_is_computed_only_the_way_that_it_went(
    old: int, new: int, newest_first: bool, loss: bool, form: str
) -> None:
    percent = abs(Decimal(new - old)) * 100 / old
    if old == new or percent < 1:
        return
    row = [f"({new:,})" if loss else f"{new:,}", f"({old:,})" if loss else f"{old:,}"]
    years = ["2023", "2022"]
    if not newest_first:
        row, years = row[::-1], years[::-1]
    page = f"Years ended {' '.join(years)}\nCapital spending {' '.join(row)}"
    status = "computed" if (new > old) == (form in UP) else "unsupported"
    changes = [f"{percent:.2f}%", *([f"{abs(new - old):,}"] if abs(new - old) >= 100 else [])]
    for change in changes:
        if change not in page:
            assert verdicts(f"Capital spending {form.format(change)}", page)[-1][1] == status


@pytest.mark.parametrize(
    ("text", "page", "status"),
    [
        ("Sales saw a rise of 54.5%", "Sales 1,000 2,200", "unsupported"),  # 2,200 to 1,000 is a fall, whenever
        ("Sales saw a fall of 54.5%", "Sales 1,000 2,200", "computed"),
        ("Sales saw a rise of 45.5%", "Sales 1,000 2,200", "unsupported"),  # a ratio is no rise
        ("Sales rose to a ratio of 45.5%", "Sales 1,000 2,200", "computed"),
        ("Sales differ by 54.5%", "Sales 1,000 2,200", "computed"),  # no direction is said
        ("Sales rose 120.0%", "Sales went from 1,000 to 2,200", "computed"),
        ("Sales fell 54.5%", "Sales went from 1,000 to 2,200", "unsupported"),
        ("Sales fell 54.5%", "Sales were 1,000, compared with 2,200", "computed"),
        ("Costs fell 3%, while sales rose 120.0%", "Sales 1,000 2,200", "computed"),
        ("销售额上升54.5%", "项目 本期 上期\n销售额 1,000 2,200", "unsupported"),
        ("销售额下降54.5%", "项目 本期 上期\n销售额 1,000 2,200", "computed"),
        ("销售额下降1,200", "项目 上期 本期\n销售额 1,000 2,200", "unsupported"),
        ("Income rose by 3,200", "2023 2022\nIncome 2,200 (1,000)", "computed"),
        ("Income fell by 3,200", "2023 2022\nIncome 2,200 (1,000)", "unsupported"),
    ],
)
def test_the_way_of_a_change(text: str, page: str, status: str) -> None:
    assert verdicts(text, page)[-1][1] == status


def test_a_number_may_begin_with_its_point() -> None:
    assert verdicts("It paid $.85 a share", "Dividends of $0.85 per share.") == [("$.85", "found")]
    assert verdicts("It paid $0.85 a share", "Dividends of $.85 per share.") == [("$0.85", "found")]
    assert verdicts("It paid $.85 a share", "Dividends of $0.86 per share.") == [("$.85", "unsupported")]
    assert [one.text for one in check("It ended in 1999.25 cows came [1]", source(1, "x"))] == ["1999.25"]


@pytest.mark.parametrize(
    ("said", "page", "status"),
    [
        ("营业收入同比下降39.98%", "报告期内营业收入同比增长39.98%。", "unsupported"),
        ("营业收入同比增长39.98%", "报告期内营业收入同比增长39.98%。", "found"),
        ("Net sales fell by 39.98%", "Net sales increased 39.98% in the year.", "unsupported"),
        ("Net sales rose by 39.98%", "Net sales increased 39.98% in the year.", "found"),
        ("Net sales fell by 39.98%", "Net sales change 39.98%", "found"),  # the page does not say which way
        ("Sales fell to 39.98%", "The share increased 39.98% in the year.", "found"),  # what it came to, no change
        ("Costs fell by 12.5%", "Costs rose by 12.5% in 2019. Costs fell by 12.5% in 2020.", "found"),
        ("Costs rose by 12.5%", "A decrease of 12.5% in prices.", "unsupported"),
        *(
            (f"Revenue {verb} 12%", "Revenue rose by 12%.", "unsupported")
            for verb in ("slipped", "contracted", "lost", "declined, by", "did not rise by", "failed to rise")
        ),
        ("Revenue had negative growth of 12%", "Revenue rose by 12%.", "unsupported"),
        *((f"Sales {verb} 8%", "Sales fell by 8%.", "unsupported") for verb in ("gained", "went up, by", "soared")),
        ("Revenue: -12%", "Revenue rose by 12%.", "unsupported"),
        ("Revenue: −12%", "Revenue fell by 12%.", "found"),
        ("Revenue: -12%", "Revenue change (12%)", "found"),
        ("Revenue was at minus 12%", "Revenue rose by 12%.", "unsupported"),
        ("Sales: +8%", "Sales fell by 8%.", "unsupported"),
        ("Sales: +8%", "Sales rose by 8%.", "found"),
        ("Revenue – 12%", "Revenue rose by 12%.", "found"),  # a dash
        *((f"收入{way}8%", "报告期内收入同比增长8%。", "unsupported") for way in ("锐减", "同比少", "回落", "同比-")),
        *((f"收入{way}15%", "报告期内收入同比下降15%。", "unsupported") for way in ("同比多出", "提升")),
        ("收入至少15%", "收入占比上升15%。", "found"),
        ("Net income was -$20 million", "It had net income of $20 million in 2020.", "unsupported"),
        ("Net income was $(20) million", "It had net income of $20 million in 2020.", "unsupported"),
        ("Net income was $20 million", "It had net income of $20 million in 2020.", "found"),
        ("Net profit was $35 million", "Net loss was $(35) million.", "unsupported"),
        ("The net loss was $35 million", "Net loss was $(35) million.", "found"),
        ("净利润为3500万元", "2021年净亏损3500万元。", "unsupported"),
        ("全年亏损3500万元", "2021年净亏损3500万元。", "found"),
        ("Cash was -1,577", "Purchases of property used 1,577", "found"),
    ],
)
def test_a_fall_is_not_the_rise_that_the_page_has(said: str, page: str, status: str) -> None:
    assert [one[1] for one in verdicts(said, page)] == [status]
