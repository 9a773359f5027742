"""A server that fails at some calls of many, real and on loopback, under every chain.

Nothing that was finished is lost or asked for again, what passes is waited out, each fault is a sentence of its own.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate

import pytest

from chains.answer import CHAINS
from chains.errors import ModelError, ModelFailed, ModelTimeout, RateLimited, ServerAway, StreamCut
from chains.events import Step, Token, Trial
from chains.execution.metered_model import Meter
from chains.model import Usage
from chains.models import open_model
from chains.models.remote import chat
from chains.prompt import Task
from tests.support.servers import Reply, Request, Scripted, chunk, refused, said, serving, usage
from tests.support.sources import QUESTION, SUMMARY, sources

WAYS = [(chain.name, task) for chain in CHAINS.values() for task in (QUESTION, SUMMARY) if task.kind in chain.tasks]
WAYS.append(("map_rerank", replace(QUESTION, rerank="answer")))
IDS = [f"{chain}-{task.rerank if chain == 'map_rerank' else task.kind}" for chain, task in WAYS]
N = 9  # sources; with refine three batches
SILENCE = 0.4  # seconds until a server is given up


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_FIRST_WAIT", 0.01)


@dataclass(frozen=True)
class Fault:
    reply: Callable[[], Reply]
    error: type[ModelError]
    says: str  # in the sentence
    tries: int  # requests for one call that always fails so


GARBAGE = ["not json at all", '{"choices": [{"delta":', "[DONE]"]
HALF = [chunk("Half ")]
PASSES = {
    "429": Fault(lambda: refused(429, "slow down", Retry_After="0"), RateLimited, "takes no more calls", chat.TRIES),
    "500": Fault(lambda: refused(500, "out of memory"), ModelFailed, "the server says 500: out of memory", chat.TRIES),
    "503": Fault(lambda: refused(503, "loading"), ServerAway, "the server says 503: loading", chat.TRIES),
    "cut before the first word": Fault(lambda: Reply(events=[], cut=True), StreamCut, "broke off", chat.TRIES),
}
STAYS = {
    "hang": Fault(lambda: said("late", before=20), ModelTimeout, "gave no answer for", 1),
    "hang in the middle": Fault(lambda: Reply(events=HALF, after=20), ModelTimeout, "gave no answer for", 1),
    "cut in the middle": Fault(lambda: Reply(events=HALF, cut=True), StreamCut, "broke off", 1),
    "never complete": Fault(lambda: said("Half ", finish=None), StreamCut, "never said that the reply was complete", 1),
    "malformed chunks": Fault(lambda: Reply(events=GARBAGE), ModelFailed, "something that is no reply", 1),
    "not found": Fault(lambda: refused(451, "not in your country"), ModelFailed, "not in your country", 1),
}
FAULTS: dict[str, Fault] = PASSES | STAYS


def numbers(request: Request) -> list[int]:
    """The sources that a request holds."""
    return [int(n) for n in re.findall(r'<source n="(\d+)"', request.body["messages"][1]["content"])]


def good(request: Request) -> Reply:
    """What a model does that uses everything it is given."""
    system, user = (message["content"] for message in request.body["messages"])
    cited = " ".join(f"Water {n} is blue [{n}]." for n in numbers(request))
    if "score_of_100" in system:
        value: dict[str, object] = {"score_of_100": 100 - numbers(request)[0]}
        return said(json.dumps(value if "You do not answer" in system else {"answer": cited, **value}))
    if "<note>" in user:
        cited = " ".join(re.findall(r"<note>\n(.*?)\n</note>", user, re.S))
    if "<draft>" in user:
        cited = f"{re.findall(r'<draft>(.*?)</draft>', user, re.S)[0].strip()} {cited}"
    return said(*re.findall(r"\S+\s*", cited))


def name(request: Request) -> str:
    """The same for the same call, however often it is asked for."""
    return json.dumps(request.body["messages"])


@dataclass(frozen=True)
class Outcome:
    text: str
    steps: Sequence[Step]
    error: ModelError | None
    server: Scripted
    bound: int
    calls: int
    usage: Usage

    def lost(self) -> list[str]:
        return [step.text for step in self.steps if step.name == "lost"]

    def marks(self) -> set[int]:
        return {int(n) for n in re.findall(r"\[(\d+)", self.text)}


def outcome(chain: str, task: Task, script: Callable[[Request], Reply], parallel: int = 4) -> Outcome:
    """The chain against a server with this script, until its end or its error."""
    with serving(script) as server:
        model = open_model(
            "openai:m", api_base=server.url, api_key="sk-1", context=40_000, parallel=parallel, seconds=SILENCE
        )
        meter, given = Meter(model), sources(*(f"Water number {n} is blue." for n in range(1, N + 1)))
        meter.bound = CHAINS[chain].calls(task, given, meter)
        events: list[Step | Token | Trial] = []
        error: ModelError | None = None
        try:
            for event in CHAINS[chain].run(task, given, meter):
                events.append(event)
        except ModelError as broken:
            error = broken
        text = "".join(event.text for event in events if isinstance(event, Token))
        steps = [event for event in events if isinstance(event, Step)]
        return Outcome(text, steps, error, server, meter.bound, meter.calls, meter.usage)


def whole(chain: str) -> set[int]:
    """The sources that an undisturbed answer leads to."""
    return {1} if chain == "map_rerank" else set(range(1, N + 1))


# ---- what passes


@pytest.mark.parametrize(("chain", "task"), WAYS, ids=IDS)
@pytest.mark.parametrize("fault", PASSES)
def test_what_passes_is_waited_out_and_nothing_is_missing(chain: str, task: Task, fault: str) -> None:
    """Every second call fails at first."""
    asked: Counter[str] = Counter()
    failed: set[str] = set()

    def script(request: Request) -> Reply:
        asked[name(request)] += 1
        if asked[name(request)] == 1 and len(asked) % 2:
            failed.add(name(request))
            return PASSES[fault].reply()
        return good(request)

    done = outcome(chain, task, script)
    assert done.error is None and not done.lost() and done.marks() == whole(chain)
    assert failed and done.calls == len(asked) <= done.bound
    assert {call for call, times in asked.items() if times > 1} == failed  # what was finished is not asked for again
    assert max(asked.values()) == 2


# ---- what stays


@pytest.mark.parametrize(("chain", "task"), WAYS, ids=IDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_always_fails_costs_itself_alone(chain: str, task: Task, fault: str) -> None:
    """Whatever reads source 5 fails: of map_reduce and map_rerank one call of nine, of refine the second of three."""
    fails, asked = FAULTS[fault], Counter[str]()

    def script(request: Request) -> Reply:
        asked[name(request)] += 1
        return fails.reply() if 5 in numbers(request) else good(request)

    done = outcome(chain, task, script)
    if chain == "stuff":  # its one call
        assert isinstance(done.error, fails.error) and fails.says in str(done.error) and done.error.remedy
        assert done.text in ("", "Half ")
    else:
        assert done.error is None
        (lost,) = done.lost()
        assert fails.says in lost
        assert done.marks() == whole(chain) - ({4, 5, 6} if chain == "refine" else {5})
    times = [asked[call] for call in asked if 'n=\\"5\\"' in call]
    assert times == [fails.tries]
    assert all(asked[call] == 1 for call in asked if 'n=\\"5\\"' not in call)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_own_sentence(fault: str) -> None:
    """In what the chain tells: what happened, and what to do."""
    fails = FAULTS[fault]
    done = outcome("stuff", QUESTION, lambda request: fails.reply())
    assert type(done.error) is fails.error and fails.says in str(done.error)
    others = {one.says for one in (*PASSES.values(), *STAYS.values())} - {fails.says, "broke off"}
    assert not any(words in str(done.error) for words in others)


@pytest.mark.parametrize("chain", ["map_reduce", "refine", "map_rerank"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_last_call_that_fails_loses_nothing_that_was_finished(chain: str, fault: str) -> None:
    fails = FAULTS[fault]

    def is_last(request: Request) -> bool:
        system, user = (message["content"] for message in request.body["messages"])
        return "<note>" in user or 9 in numbers(request) if chain != "map_rerank" else "score" not in system

    done = outcome(chain, QUESTION, lambda request: fails.reply() if is_last(request) else good(request))
    if chain == "map_rerank":  # the scores are told; there is no answer without the call that writes it
        assert isinstance(done.error, fails.error)
        assert sum(step.name == "scored" for step in done.steps) == N
    elif chain == "refine":
        assert done.marks() == set(range(1, 7)) and any(fails.says in lost for lost in done.lost())
    else:
        assert done.marks() == set(range(1, 9)) and isinstance(done.error, fails.error)


# ---- waiting as the server asks


@pytest.mark.parametrize("chain", ["map_reduce", "map_rerank", "refine", "stuff"])
def test_retry_after_in_seconds_is_respected(chain: str) -> None:
    _waits(chain, lambda: "1", 1.0)


@pytest.mark.parametrize("chain", ["map_reduce", "stuff"])
def test_retry_after_as_a_date_is_respected(chain: str) -> None:
    _waits(chain, lambda: formatdate(time.time() + 2, usegmt=True), 1.0)  # a date has whole seconds: 1 to 2 from now


def _waits(chain: str, when: Callable[[], str], least: float) -> None:
    came: dict[str, list[float]] = {}

    def script(request: Request) -> Reply:
        came.setdefault(name(request), []).append(time.monotonic())
        first = len(came) == 1 and len(came[name(request)]) == 1
        return refused(429, "slow down", Retry_After=when()) if first else good(request)

    done = outcome(chain, QUESTION, script)
    assert done.error is None and not done.lost() and done.marks() == whole(chain)
    (waited,) = [times for times in came.values() if len(times) > 1]
    assert len(waited) == 2 and waited[1] - waited[0] >= least


@pytest.mark.parametrize("said", ["Wed, 21 Oct 2015 07:28:00 GMT", "-5", "soon", "", "nan", "inf", "9" * 400])
def test_a_strange_retry_after_is_no_reason_to_wait_or_to_fail(said: str) -> None:
    """A date gone by is now; what is no time at all is our own back-off."""
    first = iter([refused(429, "slow down", Retry_After=said)])
    done = outcome("stuff", QUESTION, lambda request: next(first, None) or good(request))
    assert done.error is None and done.marks() == whole("stuff")


def test_a_wait_that_is_too_long_is_told_and_not_waited_for() -> None:
    when = formatdate(time.time() + 3600, usegmt=True)
    done = outcome("stuff", QUESTION, lambda request: refused(429, "come back later", Retry_After=when))
    assert isinstance(done.error, RateLimited) and len(done.server.chats) == 1


# ---- wrong bills


@pytest.mark.parametrize(("chain", "task"), WAYS, ids=IDS)
@pytest.mark.parametrize("bill", [(-5, 0), (0, -1), (10**12, 10**12), (39_000, 39_000), (3, 1)])
def test_wrong_usage_breaks_no_chain(chain: str, task: Task, bill: tuple[int, int]) -> None:
    def script(request: Request) -> Reply:
        *events, _bill, done = good(request).events or ()
        return Reply(events=[*events, usage(*bill), done])

    done = outcome(chain, task, script)
    assert done.marks() == whole(chain) and done.error is None and not done.lost()
    used = done.usage
    assert 0 < used.input_tokens < 40_000 * done.calls and 0 < used.output_tokens < 40_000 * done.calls
