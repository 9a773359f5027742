"""The extractive model: its words are the page's, it says when nothing answers, and the chains differ with it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chains.answer import CHAINS, answer_from
from chains.answer import asked as ready
from chains.events import Answer, Token
from chains.grounding.citations import cite, read
from chains.grounding.refusal import NOT_FOUND, is_nothing, is_refusal, is_unchanged
from chains.model import Finish
from chains.models.extractive.model import ENOUGH, READ, Extractive, condensed
from chains.models.extractive.sentence_scoring import is_heading
from chains.prompt import Prompt, Role, Source, Task, Turn
from chains.prompting.scores import read as read_vote
from chains.reader.neural import open_reader
from chains.reader.protocol import Reader, Reading
from ingest.document import Span
from ingest.text.normalize import fold
from tests.support.fakes import HashingEmbedder, SharingReader
from tests.support.sources import source, sources, steps, text

RIVER = [
    "The Elbe rises in the Giant Mountains. It flows for 1,094 kilometres to the North Sea.",
    "Hamburg is a port. The harbour of Hamburg was founded in 1189 by a charter of Barbarossa.",
    "Bread is baked from flour. The baker rises early.",
    "Dresden lies on the Elbe. Its Church of Our Lady was rebuilt in 2005.",
]
COMPANY = [
    "公司总部设在呼和浩特。公司现有员工一千人。",
    "报告期内公司实现营业收入15.82亿元，同比增长40.39%。研发投入为1.14亿元。",
    "董事会由九名董事组成。",
]


def prompt(role: Role, question: str, texts: list[str], **more: object) -> Prompt:
    language = "zh" if any("\u4e00" <= c <= "\u9fff" for c in question) else "en"
    return Prompt(role, "question", question, language, 300, sources=tuple(sources(*texts)), **more)  # type: ignore[arg-type]


def reply(asked: Prompt, model: Extractive | None = None) -> str:
    *pieces, finish = (model or Extractive()).stream(asked)
    assert isinstance(finish, Finish)
    return "".join(str(piece) for piece in pieces)


def run(chain: str, task: Task, texts: list[str]) -> list[object]:
    return list(CHAINS[chain].run(task, sources(*texts), Extractive()))


@pytest.mark.parametrize("model", [Extractive(), Extractive(HashingEmbedder())])
@pytest.mark.parametrize(
    ("question", "texts", "answer", "n"),
    [
        ("When was the harbour of Hamburg founded?", RIVER, "1189", 2),
        ("How long is the Elbe?", RIVER, "1,094 kilometres", 1),
        ("公司的营业收入是多少？", COMPANY, "15.82亿元", 2),
        ("研发投入是多少？", COMPANY, "1.14亿元", 2),
    ],
)
def test_the_sentence_that_answers_is_given_with_its_source(
    model: Extractive, question: str, texts: list[str], answer: str, n: int
) -> None:
    written = reply(prompt("answer", question, texts), model)
    assert answer in written
    assert n in {claim.n for claim in read(written, range(1, 9)).claims}


@pytest.mark.parametrize("chain", ["stuff", "map_reduce", "refine", "map_rerank"])
@pytest.mark.parametrize(
    "task",
    [
        Task("question", "Who composed the opera about the flying Dutchman?", "en"),
        Task("question", "火星的卫星叫什么名字？", "zh"),
    ],
)
def test_what_no_source_answers_is_refused_by_every_chain(chain: str, task: Task) -> None:
    assert is_refusal(text(run(chain, task, COMPANY if task.language == "zh" else RIVER)))


@given(
    st.lists(st.text('abc d.?!\n[]:1"中。，é', max_size=60), min_size=1, max_size=4), st.sampled_from(["answer", "map"])
)
def test_every_sentence_it_writes_stands_on_its_page(texts: list[str], role: Role) -> None:
    asked = prompt(role, " ".join(texts)[:40] or "a", texts)
    written = reply(asked)
    if is_nothing(written):
        return
    reader = read(written, {s.n for s in asked.sources})
    assert reader.dropped == 0
    citations = cite(reader, asked.sources)
    assert citations
    for citation in citations:
        page = next(s.text for s in asked.sources if s.n == citation.n)
        assert citation.verified
        assert fold(citation.quote).text in fold(page).text


def test_map_reduce_reads_every_source_and_joins_what_they_say() -> None:
    events = run("map_reduce", Task("question", "Which towns lie on the Elbe or have a harbour?", "en"), RIVER)
    assert {s.n for step in steps(events, "read") for s in step.sources} == {1, 2, 3, 4}
    assert "[3]" not in text(events)


def test_the_draft_of_refine_changes_as_it_reads() -> None:
    texts = ["The harbour is old.", "Boats come in.", "Ships go out.", *RIVER[1:2], "Nothing else is here."]
    task = Task("question", "When was the harbour of Hamburg founded?", "en")
    events = run("refine", task, ["Hamburg has a harbour, which is old.", *texts])
    drafts = [step.text for step in steps(events, "drafted")]
    assert drafts
    assert "1189" not in drafts[0]
    assert "1189" in text(events)


def test_map_rerank_answers_from_the_one_best_source() -> None:
    events = run("map_rerank", Task("question", "When was the harbour of Hamburg founded?", "en"), RIVER)
    assert {citation.n for citation in read(text(events), {1, 2, 3, 4}).claims} == {2}
    scores = [int(step.text) for step in steps(events, "scored")]
    (best,) = steps(events, "best")
    assert best.text == "2" and scores[1] == max(scores) > max(scores[0], *scores[2:])


def test_the_score_is_read_as_it_was_written() -> None:
    for question, texts in (
        ("When was the harbour of Hamburg founded?", RIVER[1:2]),
        ("公司的营业收入是多少？", COMPANY[1:2]),
    ):
        vote = read_vote(reply(prompt("rerank", question, texts)))
        assert (vote.score or 0) > 40
        assert "/100" not in vote.answer


def test_a_draft_that_nothing_improves_is_left() -> None:
    asked = prompt("refine", "When was the harbour of Hamburg founded?", [*RIVER[1:2], "Bread is baked from flour."])
    draft = reply(replace(asked, role="answer", sources=asked.sources[:1]))
    assert is_unchanged(reply(replace(asked, draft=draft, sources=asked.sources[1:])))


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("As of/ Year Ended December 31, Change 2015 2014 2013 2015 vs. 2014 2014 vs. 2013", True),
        ("Years ended December 31, 2018 2017 2016", True),
        ("The lighthouse of Cape Arkona", True),
        ("Net sales 2018 2017 $ 32,765 $ 31,657", False),
        ("It was closed in 1884 and opened again in 1890", False),
        ("It was closed on March 3, 1884", False),
        ("The lighthouse is white.", False),
    ],
)
def test_the_years_over_a_table_say_as_little_as_a_heading(line: str, heading: bool) -> None:
    assert is_heading(line) == heading


def test_a_summary_takes_from_the_whole_text() -> None:
    chapters = [
        f"Chapter {n} tells how the miller of Brook {n} sold his mill and moved to the town." for n in range(1, 41)
    ]
    for chain in ("stuff", "map_reduce", "refine"):
        written = text(run(chain, Task("summary", "The mill", "en", 700), chapters))
        places = {claim.n for claim in read(written, range(1, 41)).claims}
        assert len(places) >= 1
        assert written
    spread = {claim.n for claim in read(text(run("stuff", Task("summary", "M", "en"), RIVER * 3)), range(1, 13)).claims}
    assert min(spread) <= 4


def test_no_source_is_a_refusal() -> None:
    assert reply(prompt("answer", "Why?", [])) == NOT_FOUND["en"]
    assert is_nothing(reply(prompt("map", "为什么？", [])))


def test_the_reply_keeps_to_its_length() -> None:
    long = [
        f"The harbour of Hamburg number {n} was founded in {1100 + n} by many people of the town." for n in range(9)
    ]
    asked = Prompt("answer", "question", "When was the harbour of Hamburg founded?", "en", 30, tuple(sources(*long)))
    *pieces, finish = Extractive().stream(asked)
    assert isinstance(finish, Finish)
    assert finish.usage.output_tokens <= 30 or len(pieces) == 1


@pytest.mark.parametrize(
    ("question", "before", "holds"),
    [
        ("And who built it?", "When was the harbour of Hamburg founded?", "harbour of Hamburg"),
        ("那净利润呢？", "公司2020年的营业收入是多少？", "2020年"),
    ],
)
def test_a_follow_up_gets_the_subject_it_leaves_out(question: str, before: str, holds: str) -> None:
    rewritten = condensed(question, [Turn(before, "In 1189.")])
    assert holds in rewritten
    assert rewritten.startswith(question.rstrip("?？"))


def test_a_question_that_stands_alone_is_left_as_it_is() -> None:
    question = "How many kilometres does the river Elbe flow to the sea?"
    assert condensed(question, [Turn("When was Hamburg founded?", "In 1189.")]) == question
    assert condensed(question, []) == question


def test_a_quote_never_crosses_a_page() -> None:
    one = source(1, "The harbour of Hamburg was founded\nin 1189 by a charter.")
    cut = len("The harbour of Hamburg was founded")
    chunk = replace(one.passage.chunk, spans=(Span(1, "1", 0, cut), Span(2, "2", cut + 1, len(one.text))))
    given = (replace(one, passage=replace(one.passage, chunk=chunk)),)
    asked = Prompt("answer", "question", "When was the harbour of Hamburg founded?", "en", 300, given)
    for citation in cite(read(reply(asked), {1}), given):
        assert citation.verified


# --- with a reader ----------------------------------------------------------------------------------------------------

HARBOUR = "When was the harbour of Hamburg founded?"


def alike(*texts: str) -> list[Source]:
    """Sources that the search found equally good."""
    return [replace(one, passage=replace(one.passage, score=0.5)) for one in sources(*texts)]


@pytest.mark.parametrize("chain", ["stuff", "map_reduce", "refine", "map_rerank"])
def test_every_chain_gives_one_sentence_with_the_words_that_answer_marked(chain: str) -> None:
    task, given = Task("question", HARBOUR, "en"), alike(*RIVER)
    events = list(CHAINS[chain].run(task, given, Extractive(reader=SharingReader())))
    (citation,) = cite(read(text(events), {1, 2, 3, 4}), given)
    assert citation.quote == "The harbour of Hamburg was founded in 1189 by a charter of Barbarossa."
    assert (citation.n, citation.span, citation.verified) == (2, "Barbarossa", True)


@pytest.mark.parametrize("chain", ["stuff", "map_reduce", "refine", "map_rerank"])
def test_what_the_reader_does_not_find_is_refused_by_every_chain(chain: str) -> None:
    task = Task("question", "Who composed an opera about a flying Dutchman?", "en")
    events = list(CHAINS[chain].run(task, sources(*RIVER), Extractive(reader=SharingReader())))
    assert is_refusal(text(events))


def test_a_question_for_several_gets_several_sentences() -> None:
    towns = ["Of the towns on the Elbe the eldest is Meissen.", "Two towns on the Elbe: Hamburg.", "Bread is dear."]
    for question in ("Which towns are on the Elbe?", "List the towns on the Elbe."):
        asked = replace(prompt("answer", question, towns), sources=tuple(alike(*towns)))
        assert {claim.n for claim in read(reply(asked, Extractive(reader=SharingReader())), {1, 2, 3}).claims} == {1, 2}


def test_the_score_of_a_source_is_the_probability_that_it_answers() -> None:
    reader = SharingReader()
    for source_text in RIVER:
        vote = read_vote(reply(prompt("rerank", HARBOUR, [source_text]), Extractive(reader=reader)))
        (reading,) = reader.read(HARBOUR, [source_text])
        assert vote.score == pytest.approx(100 * reading.p_answers, abs=0.5)


def test_a_language_that_the_reader_does_not_know_is_not_asked_of_it() -> None:
    reader = SharingReader()
    written = reply(prompt("answer", "公司的营业收入是多少？", COMPANY), Extractive(reader=reader))
    assert "15.82亿元" in written and not reader.asked


def test_a_chinese_answer_has_its_words_marked() -> None:
    asked = prompt("answer", "公司的营业收入是多少？", COMPANY)
    spans = {citation.span for citation in cite(read(reply(asked), {1, 2, 3}), asked.sources)}
    assert "15.82亿元" in spans


TABLE = """Consolidated results
(in millions) 2018 2017 2016
Net sales $ 32,765 $ 31,657 $ 30,109
Cost of sales 16,682 16,055 15,118
"""


@pytest.mark.parametrize("reader", [None, SharingReader()])
@pytest.mark.parametrize(
    ("question", "cell"),
    [("What were net sales in 2017?", "$ 31,657"), ("How high was the cost of sales in 2016?", "15,118")],
)
def test_a_cell_is_given_with_its_row_and_the_head_of_its_column(
    question: str, cell: str, reader: SharingReader | None
) -> None:
    asked = prompt("answer", question, ["Nothing of that kind is here, and no figure.", TABLE])
    first = cite(read(reply(asked, Extractive(reader=reader)), {1, 2}), asked.sources)[0]
    assert (first.n, first.span, first.verified) == (2, cell, True)
    assert "2018 2017 2016" in first.quote


class Unsure(SharingReader):
    """Believes in what it finds as far as it is told to."""

    def __init__(self, belief: float) -> None:
        super().__init__()
        self.belief = belief

    def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        return [replace(one, p_answers=self.belief) for one in super().read(question, texts)]


@given(st.floats(0, 1))
@example(READ)
@example(READ - 0.001)
def test_what_is_believed_is_answered_by_every_chain_and_nothing_else_is(belief: float) -> None:
    task, model = Task("question", HARBOUR, "en"), Extractive(reader=Unsure(belief))
    for chain in CHAINS:
        events = CHAINS[chain].run(task, sources(*RIVER[:2]), model)
        written = "".join(event.text for event in events if isinstance(event, Token))
        least = READ * (ENOUGH["map"] if chain in ("map_reduce", "recursive") else 1)
        if belief < least or belief >= READ:
            assert is_refusal(written) == (belief < least), chain


def of_document(n: int, text: str, name: str, id: str) -> Source:
    found = source(n, text, page=n, name=name)
    chunk = replace(found.passage.chunk, document=id * 64)
    return replace(found, passage=replace(found.passage, chunk=chunk, title=""))


@pytest.mark.parametrize("chain", [name for name, chain in CHAINS.items() if "question" in chain.tasks])
@pytest.mark.parametrize("reader", [None, open_reader("built-in")])
def test_no_row_of_another_company_is_given(chain: str, reader: Reader | None) -> None:
    given = (
        of_document(1, TABLE, "one.pdf", "d"),
        of_document(2, "Acme Limited grew. Its costs fell.", "one.pdf", "d"),  # it says whose the table is
        of_document(3, "Brun Limited makes lamps. Its lamps are sold in Ulm.", "two.pdf", "e"),
    )
    for asked, found in (("Acme's", True), ("the", True), ("its", True), ("Brun's", False), ("Boeing's", False)):
        question = f"What were {asked} net sales in 2017?"
        passages = [source.passage for source in given]
        *_, answer = answer_from(ready(question, question, passages, None), Extractive(reader=reader), chain)
        assert isinstance(answer, Answer) and answer.error is None and len(answer.sources) == 3
        assert ("31,657" in answer.text) == found, (asked, answer.text)
        assert asked != "Boeing's" or answer.refused


@pytest.mark.parametrize("role", ["answer", "map", "rerank"])
def test_a_row_that_is_found_by_reading_is_given_under_its_years(role: Role) -> None:
    asked = prompt(role, "Why did the cost of sales grow?", [TABLE])
    (citation, *_) = cite(read(reply(asked, Extractive(reader=SharingReader())), {1}), asked.sources)
    assert citation.match == "exact" and "2018 2017 2016" in citation.quote and "16,682" in citation.quote
    assert "2018 2017 2016" not in reply(prompt(role, HARBOUR, RIVER), Extractive(reader=SharingReader()))


@pytest.mark.parametrize("model", [Extractive(), Extractive(reader=open_reader("built-in"))])
@pytest.mark.parametrize("role", ["answer", "refine"])
def test_no_half_of_a_question_is_left_out(model: Extractive, role: Role) -> None:
    asked = prompt(role, "When was the harbour of Hamburg founded and when was the Church of Our Lady rebuilt?", RIVER)
    said = reply(asked, model)
    assert "1189" in said and "2005" in said and said.index("1189") < said.index("2005")


def test_of_a_half_that_nothing_answers_the_other_is_given() -> None:
    asked = prompt("answer", "When was the harbour of Hamburg founded and what did Napoleon say of tulips?", RIVER)
    assert "1189" in reply(asked) and not is_refusal(reply(asked))
    neither = prompt("answer", "What did Napoleon say of tulips and who is the king of Narnia?", RIVER)
    assert is_refusal(reply(neither))


def test_both_halves_of_a_chinese_question() -> None:
    said = reply(prompt("answer", "公司总部设在哪里以及研发投入是多少？", COMPANY))
    assert "呼和浩特" in said and "1.14亿元" in said


@pytest.mark.parametrize(
    ("question", "second"),
    [
        ("Who led the survey of Elm Valley, and when does the harbor club open?", "when does the harbor club open?"),
        ("When does the club open and who founded Marlow Instruments?", "who founded Marlow Instruments?"),
        ("When was Ada Brun born, and where did she die?", "where did she die (When was Ada Brun born)?"),
    ],
)
def test_a_part_gets_the_first_ones_subject_only_where_it_lacks_one(question: str, second: str) -> None:
    pieces = Extractive().stream(prompt("split", question, RIVER))
    parts = "".join(piece for piece in pieces if isinstance(piece, str)).splitlines()
    assert len(parts) == 2 and parts[1].rstrip("?") == second.rstrip("?")


@pytest.mark.parametrize("chain", list(CHAINS))
def test_a_quoted_sentence_about_missing_answers_is_an_answer(chain: str) -> None:
    given = sources("公司总部设在呼和浩特。", "如果文档里没有答案，程序会直接说明没有找到，不会猜测。")
    said = text(list(CHAINS[chain].run(Task("question", "找不到答案时会怎样？", "zh"), given, Extractive())))
    assert "不会猜测" in said and not is_refusal(said)
