"""Prices, caps and speeds: what is not known is said to be unknown, and the table is the person's."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import price_table
from app.cli import main
from app.cli.cost_output import plan_text, seconds_text
from app.price_table import PricesBroken, Row
from chains.answer import Asked, answer_from
from chains.cost import FREE, Cost, Price, money, together
from chains.errors import CallsSpent, CapReached, NothingCame, RateLimited, StreamCut
from chains.events import Answer, Step
from chains.execution.limits import Caps, Spending
from chains.execution.throughput import Speed, Speeds
from chains.model import Usage
from chains.plan import Plan, Stage
from ingest.terminal_text import visible
from tests.support.fakes import HashingEmbedder, ScriptedModel
from tests.support.harbour import harbour_pdfs
from tests.support.servers import Scripted, said
from tests.support.sources import QUESTION, sources, told, words

PRICES = '[[price]]\nmodel = "openai:m*"\ninput = 2\noutput = 10.0\ncurrency = "USD"\n'
TEXT = st.text(min_size=1, max_size=20).filter(
    lambda text: text.strip() == "".join(visible(text).splitlines()) == text  # others are refused
)
ROWS = st.lists(st.builds(Row, TEXT, st.builds(Price, st.floats(0, 1e6), st.floats(0, 1e6), TEXT)), max_size=4)


@given(ROWS)
def test_a_table_that_is_written_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    file = tmp_path_factory.mktemp("prices") / "prices.toml"
    price_table.write(file, rows)
    assert list(price_table.read(file)) == rows
    assert file.read_text(encoding="utf-8").startswith("# What models cost")


def test_the_first_that_fits_counts_and_what_runs_here_is_free() -> None:
    rows = [Row("openai:big", Price(9, 9)), Row("openai:*", Price(1, 2)), Row("local:dear", Price(3, 3))]
    assert price_table.price("openai:big", rows) == Price(9, 9)
    assert price_table.price("openai:small", rows) == Price(1, 2)
    assert price_table.price("ollama:small", rows) is None
    assert price_table.price("extractive", rows) == price_table.price("local:/models/x", rows) == FREE
    assert price_table.price("local:dear", rows) == Price(3, 3)


@pytest.mark.parametrize(
    "text",
    [
        "[[price]]\n",
        "prices = 1\n",
        "[price]\nmodel = 'x'\n",
        "[[price]]\nmodel = 'x'\ninput = -1\noutput = 1\n",
        "[[price]]\nmodel = 'x'\ninput = true\noutput = 1\n",
        "[[price]]\nmodel = 'x'\ninput = nan\noutput = 1\n",
        "[[price]]\nmodel = 'x'\ninput = 1\noutput = 1\nyear = 2\n",
        "= broken",
        "price = 3\n",
    ],
)
def test_a_broken_table_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(PricesBroken, match=str(file)):
        price_table.read(file)


def test_a_table_beside_the_settings_comes_before_the_librarys(tmp_path: Path) -> None:
    assert price_table.place(tmp_path / "data") == tmp_path / "data" / "prices.toml"
    Path("prices.toml").write_text(PRICES)
    assert price_table.place(tmp_path / "data") == Path("prices.toml").resolve()


def test_costs_are_added_and_an_unknown_one_is_not_nothing() -> None:
    assert Price(2, 10, "USD").cost(Usage(1_000_000, 100_000)) == Cost(3.0, "USD")
    assert together([Cost(1, "USD"), Cost(0, ""), Cost(2, "USD")]) == Cost(3, "USD")
    assert together([Cost(1, "USD"), None]) is None and together([Cost(1, "USD"), Cost(1, "EUR")]) is None
    assert [money(x, "USD") for x in (12.345, 0.0042, 0.00001)] == ["12.35 USD", "0.0042 USD", "0.000010 USD"]


def test_speeds_are_measured_kept_and_a_broken_file_is_none(tmp_path: Path) -> None:
    file = tmp_path / "speeds.json"
    speeds = Speeds(file)
    assert speeds.of("m") is None
    speeds.add("m", 1000, 2.0, 100, 4.0)
    speeds.add("m", 1000, 2.0, 100, 4.0)
    speeds.flush()
    assert Speeds(file).of("m") == Speed(0.002, 0.04)
    stages = (Stage(10, 10_000, 1_000), Stage(1, 1_000, 100))
    assert Speed(0.002, 0.04).seconds(stages, 4) == pytest.approx(3 * 6.0 + 6.0)
    file.write_text("no json")
    assert Speeds(file).of("m") is None


def test_a_model_of_the_same_name_elsewhere_has_a_speed_of_its_own(tmp_path: Path) -> None:
    speeds = Speeds(tmp_path / "speeds.json")
    near, far = speeds.at("http://127.0.0.1:1/v1"), speeds.at("http://127.0.0.1:2/v1")
    near.add("m", 1000, 2.0, 100, 4.0)
    assert near.of("m") == Speed(0.002, 0.04) and far.of("m") is None and speeds.of("m") is None
    far.add("m", 1000, 4.0, 100, 4.0)
    near.flush()
    kept = Speeds(tmp_path / "speeds.json")
    assert kept.at("http://127.0.0.1:2/v1").of("m") == Speed(0.004, 0.04)


def test_a_plan_in_words_says_what_is_not_known() -> None:
    plan = Plan((Stage(276, 400_000, 80_000), Stage(1, 2_000, 700)))
    assert plan_text(plan) == (
        "at most 277 model calls, 402,000 tokens in and 80,700 out, time not known yet, price not known"
    )
    known = Plan(plan.stages, 4000.0, Cost(1.5, "USD"), 12)
    assert plan_text(known).endswith("about 67 min, 1.50 USD, 12 more calls already there")
    assert [seconds_text(s) for s in (0.4, 12, 7800)] == ["0.4 s", "12 s", "2 h 10 min"]


# ---- the command


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("app.composition.open_embedder", lambda *_, **__: HashingEmbedder())
    (tmp_path / "pdfs").mkdir()
    assert main.main(["ingest", str(harbour_pdfs(tmp_path / "pdfs"))]) == 0
    capsys.readouterr()


@pytest.mark.parametrize("chain", ["map_reduce", "map_rerank", "refine"])
def test_where_no_reply_came_before_a_cap_no_page_was_read(chain: str) -> None:
    refused = RateLimited(url="http://127.0.0.1/v1", detail="slow down")
    for caps in (Caps(calls=2), Caps(seconds=1e-9)):
        model = ScriptedModel(told, fails={1: refused, 2: refused})
        given = Asked("What colour?", QUESTION, tuple(sources("Lake 1 is blue.", "Lake 2 is red.", "Lake 3 is grey.")))
        *_, answer = answer_from(given, model, chain, Spending(caps))
        assert isinstance(answer, Answer) and isinstance(answer.error, CapReached | RateLimited) and not answer.refused
        assert answer.usage == Usage() and not answer.text and "pages read" not in str(answer.error)
        if isinstance(answer.error, NothingCame):
            assert ("slow down" in str(answer.error)) == bool(caps.calls) and "PAGEWISE_MAX" in str(answer.error)


@pytest.mark.parametrize("cap", [1, 2, 3, 4])
@pytest.mark.parametrize("broken", [0, 1, 2])
@pytest.mark.parametrize("chain", ["stuff", "map_reduce", "refine", "map_rerank"])
def test_what_is_said_to_be_read_is_what_a_call_that_ended_has_read(chain: str, broken: int, cap: int) -> None:
    """Each source has a page of its own; one call may break off."""
    cut = StreamCut(detail="cut")
    model = ScriptedModel(told, context=2400, fails={broken: cut}, pieces=2)
    given = Asked("What colour?", QUESTION, tuple(sources(*[f"Lake {n} is blue. {words(400)}" for n in range(8)])))
    events = list(answer_from(given, model, chain, Spending(Caps(calls=cap))))
    answer = events[-1]
    ended = [prompt for n, prompt in enumerate(model.prompts, 1) if n != broken]
    read = {source.n for prompt in ended for source in prompt.sources}
    assert isinstance(answer, Answer) and model.calls <= cap
    if isinstance(answer.error, CapReached) and not isinstance(answer.error, NothingCame):
        assert (answer.error.params["read"], answer.error.params["total"]) == (len(read), 8)
    assert chain != "refine" or broken or cap == 4 or isinstance(answer.error, CallsSpent)
    steps = [event for event in events if isinstance(event, Step) and event.name == "read"]
    assert max((step.done for step in steps), default=0) <= len(read)


def spoken(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object], str]:
    code = main.main([*arguments, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_prices_shows_the_table_and_where_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, told, _ = spoken(capsys, "prices")
    assert code == 0 and told == {"file": str(tmp_path / "library" / "prices.toml"), "there": False, "prices": []}
    assert main.main(["prices", "--init"]) == 0
    assert f"{tmp_path / 'library' / 'prices.toml'} was written" in capsys.readouterr().err
    assert (tmp_path / "library" / "prices.toml").read_text() == price_table.TEMPLATE
    capsys.readouterr()
    (tmp_path / "library" / "prices.toml").write_text(PRICES)
    assert main.main(["prices", "--init"]) == 0
    out, err = capsys.readouterr()
    assert "openai:m*" in out and "is there already; nothing was changed" in err
    told = spoken(capsys, "prices")[1]
    assert told["prices"] == [{"model": "openai:m*", "input": 2.0, "output": 10.0, "currency": "USD"}]


@pytest.mark.usefixtures("shelf")
def test_an_answer_says_what_it_cost_and_a_cap_ends_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Scripted([said("The lighthouse is old [1].", bill=(1000, 100))])
    monkeypatch.setenv("PAGEWISE_API_BASE", server.url)
    try:
        asked = ("ask", "How old is the lighthouse?", "--model", "openai:m")
        code, told, _ = spoken(capsys, *asked)
        assert code == 0 and told["cost"] is None
        assert main.main([*asked, "--max-cost", "1"]) == 2 and "prices.toml" in capsys.readouterr().err
        Path("prices.toml").write_text("[[price]\n")
        code, told, err = spoken(capsys, *asked)
        assert code == 0 and told["cost"] is None and err.count("The price table") == 1
        assert main.main([*asked, "--max-cost", "1"]) == 2 and "The price table" in capsys.readouterr().err
        code, told, err = spoken(capsys, *asked[:2], "--max-cost", "1")
        assert code == 0 and told["model"] == "extractive" and "price table" not in err
        Path("prices.toml").write_text(PRICES)
        code, told, _ = spoken(capsys, *asked)
        assert told["cost"] == {"amount": 0.003, "currency": "USD"}
        before = len(server.chats)
        code, told, _ = spoken(capsys, *asked, "--chain", "map_reduce", "--max-calls", "2")
        assert code == 1 and "cap of 2 model calls" in str(told["error"]) and len(server.chats) == before + 2
        assert told["calls"] == 2 and told["answer"]
        code, told, _ = spoken(capsys, *asked, "--chain", "map_reduce")
        assert code == 0 and told["kept"] == 1, "the note that was paid for; the joined one is another"
        code, told, _ = spoken(capsys, *asked, "--chain", "map_reduce", "--again")
        assert code == 0 and told["kept"] == 0
    finally:
        server.close()


@pytest.mark.usefixtures("shelf")
def test_a_plan_asks_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    server = Scripted([said("x")])
    monkeypatch.setenv("PAGEWISE_API_BASE", server.url)
    try:
        code = main.main(["summarize", "report.pdf", "--chain", "recursive", "--model", "openai:m", "--plan"])
        out = capsys.readouterr().out
        assert code == 0 and "report.pdf, recursive, openai:m: at most" in out and "price not known" in out
        assert not server.chats
    finally:
        server.close()


def test_a_process_that_has_not_asked_yet_has_to_load_the_model(tmp_path: Path) -> None:
    file = tmp_path / "speeds.json"
    speeds = Speeds(file)
    speeds.add("m", 1000, 2.0, 100, 4.0)
    speeds.loaded("m", 30.0)
    speeds.loaded("m", 0.0)  # a later call
    stages = (Stage(1, 1000, 100),)
    here = speeds.of("m")
    speeds.flush()
    elsewhere = Speeds(file).of("m")
    assert here is not None and here.seconds(stages, 1) == pytest.approx(6)
    assert elsewhere is not None and elsewhere.seconds(stages, 1) == pytest.approx(36)
    assert elsewhere.seconds((), 1) == 0 == elsewhere.seconds((Stage(0, 0, 0),), 1)
