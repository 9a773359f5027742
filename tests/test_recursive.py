"""The recursive chain: fixed levels, every part read once, nothing paid twice, and it ends where a cap says."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.answer import CHAINS, ask, plans, summarize
from chains.cost import Price
from chains.errors import (
    CallsSpent,
    CapReached,
    ModelError,
    ModelUnreachable,
    MoneySpent,
    PriceUnknown,
    ServerAway,
    StreamCut,
    TokensSpent,
)
from chains.events import Answer, Event, Step
from chains.execution.limits import Caps, Spending
from chains.grounding.refusal import NOTHING
from chains.model import Usage
from chains.options import PLAIN, Ways
from chains.plan import Plan
from chains.prompt import Prompt
from ingest.chunk import split
from ingest.document import Document, Page
from ingest.store.library import Library
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.pdfs import make_pdf
from tests.support.sources import CUT, SUMMARY, by_role, run, seen, sources, steps, text, told, words

NOVEL = Document(
    "e" * 64,
    "novel.pdf",
    "The long novel",
    tuple(
        Page(n, str(n), " ".join(f"On page {n} the traveller met person{n}x{i} near the river." for i in range(25)))
        for n in range(1, 61)
    ),
)


def condensed(prompt: Prompt) -> str:
    """What a model does that sums up: of each note or source a sentence with its mark."""
    if prompt.role in ("answer", "refine"):
        return told(prompt)
    if prompt.role == "map":
        n = prompt.sources[0].n
        met = re.search(r"the traveller met \w+ near", prompt.sources[0].text)
        return f'The traveller goes on [{n}: "{met[0] if met else ""}"].'
    return " ".join(note.split("]")[0] + "]." for note in prompt.notes)


def reply(prompt: Prompt) -> str:
    return condensed(prompt)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "lib", HashingEmbedder()) as opened:
        embedder = HashingEmbedder()
        chunks = split(NOVEL, embedder.count, embedder.window)
        file = make_pdf(tmp_path / "novel.pdf", ["x"])
        vectors = embedder.documents([chunk.text for chunk in chunks])
        opened.add(NOVEL, chunks, vectors, file, sha256(file.read_bytes()).hexdigest())
        yield opened


def small(**how: object) -> ScriptedModel:
    return ScriptedModel(reply, **{"context": 2000, "parallel": 2, **how})  # type: ignore[arg-type]


def summed(library: Library, model: ScriptedModel, spending: Spending, chain: str = "recursive") -> list[Event]:
    return list(summarize(NOVEL.id, library, model, chain=chain, spending=spending))


def answer_of(events: list[Event]) -> Answer:
    assert isinstance(events[-1], Answer)
    return events[-1]


# ---- levels


def test_a_novel_is_276_notes_then_25_then_4_then_one_page() -> None:
    model = ScriptedModel(told, context=4000, parallel=8)
    events = run("recursive", SUMMARY, sources(*["Blue water."] * 276), model)
    joins = [len(p.notes) for p in model.prompts if p.role == "reduce"]
    assert joins == [11] * 25 + [7, 7, 7, 5] + [4]
    assert sorted(seen(model, "map")) == list(range(1, 277))
    assert [(s.done, s.total, s.text) for s in steps(events, "level")] == [
        (1, 4, "276"),
        (2, 4, "26"),
        (3, 4, "4"),
        (4, 4, "1"),
    ]
    assert "[1" in text(events)
    plan = CHAINS["recursive"].plan(SUMMARY, sources(*["Blue water."] * 276), model)
    assert [stage.calls for stage in plan.stages] == [276, 25, 4, 1] and plan.calls == model.calls


@given(st.integers(1, 400), st.integers(300, 20_000), st.integers(0, 2**32))
def test_levels_at_least_halve_and_end(n: int, context: int, seed: int) -> None:
    dice = random.Random(seed)
    model = ScriptedModel(lambda p: dice.choice(("", words(900), NOTHING["en"], told(p))), context, 3, obeys=False)
    events = run("recursive", SUMMARY, sources(*["Blue."] * n), model)
    sizes = [int(step.text) for step in steps(events, "level")]
    assert all(b <= -(-a // 2) for a, b in pairwise(sizes)) and sizes[0] == n
    assert Counter(seen(model, "map")) == dict.fromkeys(range(1, n + 1), 1)


def test_marks_and_pages_survive_every_level(library: Library) -> None:
    model = small()
    events = summed(library, model, Spending())
    answer = answer_of(events)
    assert answer.error is None and len(answer.sources) > 50
    assert max(step.total for step in steps(events, "level")) >= 3
    assert answer.citations and all(citation.match == "exact" for citation in answer.citations)
    for citation in answer.citations:
        assert citation.page in {span.page for span in answer.sources[citation.n - 1].passage.chunk.spans}
    assert {span.page for source in answer.sources for span in source.passage.chunk.spans} == set(range(1, 61))


def test_a_lost_note_changes_no_other_group() -> None:
    whole, broken = small(), small(fails={5: CUT}, parallel=1)
    given_sources = sources(*["Blue water."] * 40)
    run("recursive", SUMMARY, given_sources, whole)
    events = run("recursive", SUMMARY, given_sources, broken)
    assert len(steps(events, "lost")) == 1
    groups = [[p.notes for p in model.prompts if p.role == "reduce"] for model in (whole, broken)]
    first = {notes for notes in groups[1]} - {notes for notes in groups[0]}
    assert len(first) <= 3  # the group it was in, and what stands above that


def test_a_failed_join_keeps_what_its_notes_say() -> None:
    model = small(fails=dict.fromkeys((41, 42), CUT), parallel=1)
    events = run("recursive", SUMMARY, sources(*["Blue water."] * 40), model)
    assert steps(events, "lost") and "[1" in text(events)


@pytest.mark.parametrize(
    "gone",
    [
        ModelUnreachable(url="http://127.0.0.1", detail="refused"),
        ServerAway(model="m", detail="the server says 503: loading"),
        CUT,
    ],
)
def test_a_server_that_goes_away_is_not_asked_for_every_part(gone: ModelError) -> None:
    model = small(fails=dict.fromkeys(range(11, 999), gone), parallel=2)
    events: list[object] = []
    with pytest.raises(type(gone)):
        for event in CHAINS["recursive"].run(SUMMARY, sources(*["Blue water."] * 90), model):
            events.append(event)
    assert model.calls < 40 and "[1" in text(events), "what was read is given"
    assert text(events).count("The traveller goes on") == 10, "whole"


@pytest.mark.parametrize("chain", ["map_reduce", "recursive"])
@pytest.mark.parametrize("of", [90, 60])
def test_what_was_read_before_a_server_went_is_given_whole(chain: str, of: int) -> None:
    """It goes while it is read, or when all is and the notes are joined."""
    said = "In this part the lake is blue, deep and cold, and in winter it is frozen from shore to shore [1]."
    gone = ModelUnreachable(url="http://127.0.0.1", detail="refused")
    model = ScriptedModel(lambda prompt: said, context=1200, fails=dict.fromkeys(range(61, 999), gone), parallel=2)
    events: list[object] = []
    with pytest.raises(ModelUnreachable):
        for event in CHAINS[chain].run(SUMMARY, sources(*["Blue water."] * of), model):
            events.append(event)
    assert text(events).count("frozen from shore to shore") == 60
    assert model.calls < 80


# ---- never paid twice


def test_what_was_finished_is_not_asked_again(library: Library) -> None:
    first = small(fails={n: CUT for n in range(31, 999)})
    spending = Spending(replies=library.replies)
    broken = answer_of(summed(library, first, spending))
    assert isinstance(broken.error, StreamCut)
    second = small()
    events = summed(library, second, spending)
    answer = answer_of(events)
    assert answer.error is None and answer.kept == 30 and answer.calls == second.calls
    assert steps(events, "resumed")[-1].done == 30
    assert not {p for p in first.prompts[:30]} & set(second.prompts)
    third = small()
    again = answer_of(summed(library, third, spending))
    assert third.calls == 0 and again.text == answer.text and again.kept == answer.kept + answer.calls
    anew = small()
    assert answer_of(summed(library, anew, Spending(replies=library.replies, again=True))).kept == 0
    assert anew.calls == again.kept


@pytest.mark.parametrize("chain", ["recursive", "map_reduce", "refine"])
@pytest.mark.parametrize("broken", [2, 31, 68])
def test_what_is_announced_is_what_is_left(library: Library, chain: str, broken: int) -> None:
    spending = Spending(replies=library.replies, price=Price(1, 2, "USD"))
    summed(library, small(parallel=1, fails={n: CUT for n in range(broken, 999)}), spending, chain)
    model = small()
    plan = plans(NOVEL.id, library, model, chains=[chain], spending=spending)[chain]
    events = summed(library, model, spending, chain)
    answer = answer_of(events)
    assert isinstance(plan, Plan) and steps(events, "planned")[0].plan == plan
    assert answer.error is None and 0 < plan.kept <= answer.kept and answer.calls <= plan.calls
    assert answer.usage.input_tokens <= plan.usage.input_tokens
    assert answer.usage.output_tokens <= plan.usage.output_tokens
    whole = plans(NOVEL.id, library, model, chains=[chain], spending=Spending(again=True))[chain]
    assert isinstance(whole, Plan) and plan.calls + plan.kept == whole.calls
    assert plan.usage.input_tokens < whole.usage.input_tokens and whole.kept == 0

    done = plans(NOVEL.id, library, model, chains=[chain], spending=spending)[chain]
    assert isinstance(done, Plan) and (done.calls, done.usage, done.kept) == (0, Usage(), answer.calls + answer.kept)
    assert done.cost is not None and done.cost.amount == 0 and not small().calls
    again = summed(library, small(), spending, chain)
    assert steps(again, "planned")[0].total == 0 and answer_of(again).text == answer.text


@pytest.mark.parametrize("chain", ["map_reduce", "refine"])
def test_what_was_replied_in_another_way_is_not_said_to_be_there(library: Library, chain: str) -> None:
    spending = Spending(replies=library.replies)

    def planned(ways: Ways) -> tuple[Plan, Answer]:
        events = list(ask("Who met the traveller?", library, small(), chain=chain, ways=ways, spending=spending))
        plan = steps(events, "planned")[0].plan
        assert plan is not None
        return plan, answer_of(events)

    first = planned(PLAIN)[1]
    plan, answer = planned(Ways(think=True))
    assert plan.kept == answer.kept < first.calls, "notes are taken alike, the answer is not"
    assert planned(PLAIN)[0].calls == 0 and planned(Ways(think=True))[0].calls == 0


def test_another_chain_or_model_or_language_has_its_own_replies(library: Library) -> None:
    spending = Spending(replies=library.replies)
    summed(library, small(), spending)
    other = small()
    other.name = "other"
    assert answer_of(summed(library, other, spending)).kept == 0
    assert answer_of(summed(library, small(), spending, "map_reduce")).kept == 0


def test_one_call_is_not_kept(library: Library) -> None:
    spending = Spending(replies=library.replies)
    model = ScriptedModel(by_role(answer="Blue."))
    for _ in range(2):
        answer_of(summed(library, model, spending, "stuff"))
    assert model.calls == 2


def test_a_removed_document_takes_its_replies_with_it(library: Library) -> None:
    spending = Spending(replies=library.replies)
    summed(library, small(), spending)
    file = library.folder / "replies.sqlite3"
    assert library.replies.of(NOVEL.id) and b"The traveller goes on" in file.read_bytes()
    assert library.remove(NOVEL.id).left == 0
    assert library.replies.of(NOVEL.id) == 0 and b"The traveller goes on" not in file.read_bytes()


def test_a_reply_that_comes_after_its_document_has_gone_is_not_kept(library: Library) -> None:
    events = summarize(
        NOVEL.id, library, small(parallel=1), chain="recursive", spending=Spending(replies=library.replies)
    )
    while not (isinstance(event := next(events), Step) and event.name == "read"):
        pass
    library.remove(NOVEL.id)
    answer_of(list(events))
    assert library.replies.of(NOVEL.id) == 0


# ---- announced, and capped


def test_the_plan_holds_and_says_seconds_and_money(library: Library) -> None:
    from chains.execution.throughput import Speeds

    speeds = Speeds(library.folder / "speeds.json")
    spending = Spending(price=Price(2.0, 10.0, "USD"), speeds=speeds)
    events = summed(library, small(), spending)
    (planned,) = steps(events, "planned")
    plan, answer = planned.plan, answer_of(events)
    assert plan is not None and plan.seconds is None, "nothing was measured before the first call"
    assert answer.calls == plan.calls and answer.usage.input_tokens <= plan.usage.input_tokens
    assert answer.cost is not None and plan.cost is not None and 0 < answer.cost.amount <= plan.cost.amount
    assert answer.cost.amount == pytest.approx(
        (2 * answer.usage.input_tokens + 10 * answer.usage.output_tokens) / 1_000_000
    )
    later = plans(NOVEL.id, library, small(), spending=Spending(speeds=Speeds(library.folder / "speeds.json")))
    assert set(later) == {"stuff", "map_reduce", "refine", "recursive"}
    one = later["recursive"]
    assert isinstance(one, Plan) and one.calls == plan.calls and one.seconds and one.cost is None


@pytest.mark.parametrize("chain", ["recursive", "map_reduce"])
@pytest.mark.parametrize("cap", [7, 20, 40, 60])
def test_a_cap_joins_what_was_read_and_says_how_much_that_is(library: Library, chain: str, cap: int) -> None:
    model = small()
    spending = Spending(Caps(calls=cap), replies=library.replies)
    events = summed(library, model, spending, chain)
    answer = answer_of(events)
    assert isinstance(answer.error, CallsSpent) and model.calls <= cap
    assert model.prompts[-1].role == "reduce" and answer.text and answer.citations
    read = answer.error.params["read"]
    assert 0 < read < answer.error.params["total"] == 60  # type: ignore[operator]
    assert f"pages read: {read} of 60." in str(answer.error) and "PAGEWISE_MAX_CALLS" in str(answer.error)
    more = small()
    rest = answer_of(summed(library, more, Spending(replies=library.replies), chain))
    assert rest.error is None and rest.kept >= len(seen(model, "map"))
    assert sorted(seen(model, "map") + seen(more, "map")) == [s.n for s in answer.sources]


def test_tokens_seconds_and_money_are_capped_too(library: Library) -> None:
    model = small()
    answer = answer_of(summed(library, model, Spending(Caps(tokens=20_000))))
    assert isinstance(answer.error, TokensSpent) and answer.text
    assert answer.usage.input_tokens + answer.usage.output_tokens <= 20_000
    model = small()
    answer = answer_of(summed(library, model, Spending(Caps(cost=0.02), Price(1.0, 1.0, "EUR"))))
    assert isinstance(answer.error, MoneySpent) and "0.0200 EUR" in str(answer.error)
    assert answer.cost is not None and answer.cost.amount <= 0.02 and answer.text
    model = small()
    answer = answer_of(summed(library, model, Spending(Caps(seconds=1e-9))))
    assert isinstance(answer.error, CapReached) and model.calls == 0 and not answer.refused and not answer.text
    with pytest.raises(PriceUnknown):
        summarize(NOVEL.id, library, small(), spending=Spending(Caps(cost=1.0)))


def test_refine_gives_its_draft_where_a_cap_ends_it(library: Library) -> None:
    model = ScriptedModel(lambda p: f"Draft {len(p.sources)} [{p.sources[0].n}].", 2000)
    answer = answer_of(summed(library, model, Spending(Caps(calls=3)), "refine"))
    assert isinstance(answer.error, CallsSpent) and model.calls == 3 and answer.text.startswith("Draft")
