"""Which documents a question names: by name, company and year; and never those that it does not."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from chains.retrieval.document_prior import Shelf
from ingest.document import Record


def shelf(*names: str, titles: Sequence[str] = (), first: Sequence[str] = ()) -> Shelf:
    """A shelf of documents whose ids are their names."""
    now = datetime.now(UTC)
    return Shelf(
        (
            Record(name, name, titles[n] if titles else name.removesuffix(".pdf"), "added", 9, (), 30, now, {}),
            first[n] if first else "",
        )
        for n, name in enumerate(names)
    )


REPORTS = shelf(
    *("ACMEWORKS_2018_10K.pdf", "ACMEWORKS_2019_10K.pdf", "ACMEWORKS_2020_10K.pdf", "BOLT_2018_10K.pdf"),
    *("BOLT_2019_10K.pdf", "CRANE_2023Q1_10Q.pdf", "CRANE_2023Q2_10Q.pdf", "DELTA_2016_10K.pdf", "EAST_2017_10K.pdf"),
    *("FERN_2021_10K.pdf", "GULL_2021_10K.pdf", "HAWK_2015_10K.pdf", "IRIS_2014_10K.pdf"),
)


def best(question: str, reports: Shelf = REPORTS) -> str | None:
    prior = reports.named(question).prior
    return max(prior, key=lambda id: prior[id], default=None)


def test_company_and_year_name_one_report() -> None:
    assert best("What is the FY2019 revenue of Acme Works?") == "ACMEWORKS_2019_10K.pdf"
    assert best("what were bolt's sales in fiscal 2018") == "BOLT_2018_10K.pdf"
    prior = REPORTS.named("What is the FY2019 revenue of Acme Works?").prior
    assert sorted(prior.values())[-2] <= 0.75 * max(prior.values())  # decisive, though its neighbours tell of 2019 too


def test_of_several_years_the_last_one_that_is_there_counts() -> None:
    assert best("How did revenue of Acme Works change from FY2018 to FY2020?") == "ACMEWORKS_2020_10K.pdf"
    assert best("As of FY2019, what does Acme Works expect to pay in 2024?") == "ACMEWORKS_2019_10K.pdf"


def test_quarters_part_reports_of_one_year() -> None:
    assert best("Did Crane grow in Q2 of FY2023?") == "CRANE_2023Q2_10Q.pdf"
    assert best("Did Crane grow in the first quarter of 2023?") == "CRANE_2023Q1_10Q.pdf"


def test_the_beginning_of_a_name_is_enough_where_it_has_a_capital() -> None:
    reports = shelf("JPMORGAN_2021.pdf", "NETFLIX_2021.pdf", "A_2021.pdf", "B_2021.pdf", "C_2021.pdf")
    assert best("How many segments does JPM have?", reports) == "JPMORGAN_2021.pdf"
    assert best("what was the net income?", reports) is None  # "net" begins NETFLIX


def test_a_question_that_names_none_has_no_prior() -> None:
    assert REPORTS.named("What was the net income?").prior == {}
    assert REPORTS.named("").prior == {}


def test_part_of_a_title_is_worth_less_than_all_of_it() -> None:
    places = shelf(*(f"{n}.pdf" for n in range(9)), titles=["Southern California", *("Other " * n for n in range(8))])
    half = places.named("Which rivers does California have?").prior
    whole = places.named("Which rivers does Southern California have?").prior
    assert half["0.pdf"] < whole["0.pdf"]


def test_chinese_titles_are_named_by_their_characters() -> None:
    books = shelf(
        *("a.pdf", "b.pdf", "c.pdf", "d.pdf", "e.pdf"),
        titles=["贵州茅台2020年年度报告", "南瓜书", "循环神经网络", "红楼梦", "史记"],
    )
    assert best("贵州茅台2020年的营业收入是多少？", books) == "a.pdf"


def test_the_first_page_says_a_short_name() -> None:
    reports = shelf(
        *("one.pdf", "two.pdf", "three.pdf", "four.pdf", "five.pdf"),
        first=["Johnson & Johnson (NYSE: JNJ)", "Ford", "Shell", "Bayer", "Nestlé"],
    )
    assert best("How did JnJ grow?", reports) == "one.pdf"


def test_a_document_s_years_are_those_of_its_name_else_the_last_of_its_first_page() -> None:
    reports = shelf("ACME_2018.pdf", "notes.pdf", first=["Annual report 2018 and 2017", "From 1999 to 2004"])
    assert reports.years("ACME_2018.pdf") == {"2018"}
    assert reports.years("notes.pdf") == {"2004"}
    assert reports.years("gone.pdf") == frozenset()


@given(st.text(max_size=80), st.sets(st.sampled_from(["BOLT_2018_10K.pdf", "IRIS_2014_10K.pdf"])))
def test_a_prior_is_from_0_to_1_and_only_of_the_chosen(question: str, among: set[str]) -> None:
    named = REPORTS.named(question + " Bolt 2018", sorted(among))
    assert set(named.prior) <= among
    assert all(0.0 < value <= 1.0 for value in named.prior.values())
