"""What servers stream that is odd: what can be understood is, what cannot has a sentence, and nothing never ends."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import ModelFailed, ModelTimeout
from chains.models.remote import chat, reply_stream
from chains.models.remote.reply_stream import MARGIN, OVERLONG, Reply
from chains.models.remote.stream_chunks import cleaned
from tests.support.asking import opened, read
from tests.support.servers import Reply as Served
from tests.support.servers import chunk, serving, usage

WHOLE = "It is deep [1]."


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_FIRST_WAIT", 0.01)


def choice(delta: Any, finish: Any = None, index: Any = 0, **more: Any) -> str:
    return json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": finish, **more}]})


END = choice({}, "stop")
ODD = [
    ['{"choices": [{"index": 0, "finish_reason": "stop"}]}'],  # no delta
    [choice(None, "stop")],
    *[[json.dumps({"choices": odd}), END] for odd in (None, [], [None], "oops", {"0": 1}, [7])],
    *[[odd, END] for odd in ("[1, 2]", '"hi"', "null", "42", "{}")],
    *[[choice(odd), END] for odd in ("x", 7, {"content": 42}, {"content": {"a": 1}})],
    *[[choice({"tool_calls": odd}), END] for odd in ("x", [None], [{"index": 0}])],
    *[[choice({"role": role}), END] for role in ("user", "banana", "tool", 5, None)],
    *[[json.dumps({"choices": [], "usage": odd}), END] for odd in ("x", [1], {"prompt_tokens": "x"})],
    [usage(-5, -5), END],
    [json.dumps({"choices": [{"delta": {}}], "usage": "x"}), END],
    [choice({"content": "XX"}, index=1), choice({}, "stop", 1), END],
    [json.dumps({"choices": [{"index": 1, "delta": {"content": "XX"}}, {"index": 0, "delta": {}}]}), END],
    [choice({}, logprobs="x"), END],
]


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("odd", ODD)
def test_what_is_odd_in_a_chunk_costs_nothing(odd: list[str], before: bool) -> None:
    events = [*odd[:-1], chunk(WHOLE), *odd] if before else [chunk(WHOLE), *odd]
    with serving([Served(events=[*events, "[DONE]"])]) as server:
        text, finish = read(opened(server))
    assert (text, finish.reason, len(server.chats)) == (WHOLE, "stop", 1)


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": WHOLE}, "finish_reason": "stop"}]},
        {"choices": [{"index": 0, "text": WHOLE, "finish_reason": "stop"}]},
        {"choices": [{"index": 0, "message": {"content": [{"type": "text", "text": WHOLE}]}, "finish_reason": "stop"}]},
    ],
)
def test_a_reply_in_one_piece_is_taken_as_it_is(body: dict[str, Any]) -> None:
    body["usage"] = {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18}
    with serving([Served(body=body)]) as server:
        text, finish = read(opened(server))
    assert (text, finish.usage.input_tokens, len(server.chats)) == (WHOLE, 12, 1)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (Served(body={"error": {"message": "CUDA out of memory"}}), "CUDA out of memory"),
        (Served(body="<html>gateway</html>"), "no reply"),
        (Served(status=500, body={"error": "CUDA out of memory"}), "CUDA out of memory"),
        (Served(events=['{"error": "GPU on fire"}']), "GPU on fire"),
        (Served(events=[chunk("It is"), '{"error": {"message": "GPU on fire"}}']), "GPU on fire"),
        (Served(events=[chunk("It is"), '{"object": "error", "message": "too hot"}']), "too hot"),
        (Served(events=[chunk("It is"), chunk(finish="error")]), "could not finish"),
    ],
)
def test_an_error_in_the_place_of_a_reply_says_what_the_server_said(told: Served, said: str) -> None:
    with serving([told]) as server, pytest.raises(ModelFailed, match=said):
        read(opened(server))


@pytest.mark.parametrize(
    "silence",
    ['{"choices": []}', usage(3, 1), *map(choice, ({"role": "assistant"}, {"content": ""}, {"tool_calls": [{}]}))],
)
def test_chunks_that_say_nothing_are_silence(silence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_GRACE", 0.2)
    began = time.monotonic()
    with serving([Served(events=[silence] * 2000, pause=0.02)]) as server, pytest.raises(ModelTimeout):
        read(opened(server, seconds=1.0))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("after", ['{"choices": []}', END, choice({"content": ""})])
def test_a_reply_that_said_that_it_is_complete_is_not_waited_for(after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_stream, "AFTER", 0.3)
    with serving([Served(events=[chunk(WHOLE), END, *[after] * 2000], pause=0.02)]) as server:
        text, finish = read(opened(server))
    assert (text, finish.reason) == (WHOLE, "stop") and server.told < 1000


def test_a_character_in_two_halves_is_one() -> None:
    halves = [choice({"content": "Fine \ud83d"}), choice({"content": "\ude00 \ud83d!"}), END]
    with serving([Served(events=halves)]) as server:
        assert read(opened(server))[0] == "Fine 😀 \ufffd!"


@given(st.lists(st.text(st.characters(), max_size=9), max_size=9))
def test_whatever_comes_can_be_written_down(pieces: list[str]) -> None:
    put: list[Any] = []
    fed = Reply(put.append, 1000, 4000)
    for piece in pieces:
        fed.feed(_Chunk(piece))
    assert "".join(put).encode().decode() == "".join(put)
    assert "".join(put).strip() == _joined(pieces).strip() or "<" in "".join(pieces)


def test_one_piece_is_no_longer_than_many_may_be() -> None:
    put: list[str] = []
    fed = Reply(put.append, 10, 4000)  # type: ignore[arg-type]
    fed.feed(_Chunk("word " * 200_000))
    assert fed.overlong and len("".join(put)) <= OVERLONG * (10 + MARGIN)


NAMES = st.sampled_from(["choices", "delta", "usage", "index", "content", "message", "finish_reason", "prompt_tokens"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
)


@given(ANYTHING)
def test_any_json_becomes_a_chunk_of_the_right_kinds(anything: Any) -> None:
    made = cleaned(anything if isinstance(anything, dict) else {"choices": anything})
    for one in made["choices"]:
        assert isinstance(one["delta"]["content"], str) and isinstance(one["finish_reason"], str | None)
    assert made["usage"] is None or all(type(count) is int and count >= 0 for count in made["usage"].values())
    assert len(made["choices"]) <= 1


class _Chunk:
    """As LangChain gives one."""

    content = ""
    usage_metadata = None

    def __init__(self, text: str) -> None:
        self.text = text
        self.additional_kwargs: dict[str, Any] = {}
        self.response_metadata: dict[str, Any] = {}


def _joined(pieces: list[str]) -> str:
    """Without half a character that nothing follows."""
    text = "".join(pieces)
    text = text[:-1] if text and "\ud800" <= text[-1] <= "\udbff" else text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
