"""The API model against a well-behaved scripted server: what is asked, streamed and billed, and what stays secret."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import ModelFailed, OnlyThoughts
from chains.execution.limits import Caps, Ledger
from chains.execution.metered_model import Meter
from chains.model import Finish, Usage
from chains.models.local.generate import Row
from chains.models.remote import chat, http_client, providers
from chains.models.remote.reply_stream import MARGIN, OVERLONG
from chains.prompting.render import render
from chains.thinking import Thoughts, parted
from tests.support.asking import KEY, PROMPT, broken, opened, read, thought
from tests.support.servers import Reply, Request, chunk, refused, said, serving, usage


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_FIRST_WAIT", 0.01)


# ---- a good server


def test_streams_the_pieces_as_they_come_and_says_what_they_cost() -> None:
    with serving([said("The bridge ", "opened in 1884 [1].", bill=(200, 9))]) as server:
        *pieces, last = opened(server).stream(PROMPT)
    assert [piece for piece in pieces if piece] == ["The bridge ", "opened in 1884 [1]."]
    assert last == Finish("stop", Usage(200, 9), 9)


def test_the_first_piece_is_here_before_the_last_is_made() -> None:
    with serving([said("one ", "two ", "three", pause=0.2)]) as server:
        stream = opened(server).stream(PROMPT)
        assert next(piece for piece in stream if piece) == "one "
        assert server.told <= 1
        stream.close()  # type: ignore[attr-defined]


def test_pieces_are_taken_as_the_json_that_they_are() -> None:
    """To make objects of the package's types takes as long as all else about a piece."""
    with serving([said("yes")]) as server:
        http = http_client.client(server.url, 5.0)
        model = providers.open_openai("m", server.url, "", 5.0, http, False)
        made = model.client.create(model="m", messages=[{"role": "user", "content": "?"}], stream=True)
        came = list(made.stream)
    assert came and all(type(one) is dict for one in came)


def test_a_piece_that_says_nothing_is_passed_over() -> None:
    odd = [{"choices": [{"index": 0}]}, {"choices": [{"delta": None}]}, {"choices": None}, {"choices": []}, {"id": "1"}]
    silent = [json.dumps(one) for one in odd]
    with serving([Reply(events=[*silent, chunk("yes"), *silent, chunk(finish="stop")])]) as server:
        text, finish = read(opened(server))
    assert text == "yes" and finish.reason == "stop"


def test_asks_for_what_the_prompt_says() -> None:
    with serving([said("yes")]) as server:
        read(opened(server))
        (asked,) = server.chats
    rendered = render(PROMPT)
    assert asked.body["messages"] == [
        {"role": "system", "content": rendered.system},
        {"role": "user", "content": rendered.user},
    ]
    assert asked.body["max_tokens"] == 60 and asked.body["temperature"] == 0 and asked.body["stream"] is True
    assert asked.body["stream_options"] == {"include_usage": True}
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_a_server_without_a_key_gets_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-person")
    with serving([said("yes")]) as server:
        read(opened(server, key=""))
    assert not [r for r in server.requests if KEY in str(r.headers) or "org-of-the-person" in str(r.headers)]


def test_a_reply_cut_at_its_limit_says_so() -> None:
    with serving([said("and so on", finish="length")]) as server:
        assert read(opened(server))[1].reason == "length"


def test_without_usage_the_estimate_stands_in() -> None:
    with serving([said("The bridge opened.", bill=None)]) as server:
        model = opened(server)
        text, last = read(model)
        assert last.usage.input_tokens == model.count(PROMPT)
        assert len(text.split()) <= last.usage.output_tokens <= PROMPT.max_tokens


def test_wrong_usage_does_no_harm() -> None:
    odd = [chunk("fine"), chunk(finish="stop"), usage(-5, 0), "[DONE]"]
    with serving([Reply(events=odd)]) as server:
        text, last = read(opened(server))
    assert text == "fine" and last.usage.input_tokens > 0 and last.usage.output_tokens > 0


WORDS = "It was proud of the bridge. " * 100  # 2800 bytes, about 700 tokens, where PROMPT allows 60


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
@pytest.mark.parametrize("piece", ["proud ", "\n", "桥", "x" * 5000])
def test_a_reply_without_end_is_closed_and_counted_as_what_came(piece: str, field: str) -> None:
    """The server does not keep to max_tokens; a model may think as much as its window holds."""
    endless = Reply(events=_Endless([chunk("" if field != "content" else "Fine. "), chunk("", **{field: piece})]))
    with serving([endless]) as server:
        model = opened(server, context=1500)
        meter = Meter(model, Ledger(model.name, Caps(tokens=10_000_000)))
        meter.bound = 1
        if field == "content":
            text, finish = read(meter)
            came = len(text.encode())
            assert text.startswith("Fine.") and finish.reason == "length"
            assert OVERLONG * PROMPT.max_tokens < came or piece == "\n"
            assert came <= OVERLONG * (PROMPT.max_tokens + MARGIN) + len(piece.encode())
            assert came // 4 <= finish.usage.output_tokens <= came + len(piece)  # of the last piece a part is shown
        else:
            with pytest.raises(OnlyThoughts):
                list(meter.stream(PROMPT))
        assert server.left.wait(20), "the server sees the client go"
        assert len(server.chats) == meter.calls == 1 and meter.usage.output_tokens > PROMPT.max_tokens


class _Endless(list[str]):
    """The events, the last again and again."""

    def __iter__(self) -> Iterator[str]:
        yield from self[:-1]
        yield from itertools.repeat(self[-1])


def test_thoughts_may_be_longer_than_the_reply() -> None:
    with serving([said(f"<think>{WORDS}", f"{WORDS}</think>In 1884 [1].", bill=(200, 1400))]) as server:
        text, finish = read(opened(server))
    assert (text, finish.reason, finish.usage) == ("In 1884 [1].", "stop", Usage(200, 1400))


@pytest.mark.parametrize(
    ("bill", "counted"),
    [
        (90, 90),  # somewhat more than was allowed
        (1400, 1400),  # what was thought and never sent is billed too, inside the window
        (1501, 60),  # longer than the window and than all that came
        (10**15, 60),
        (1, 60),  # 800 bytes are more than one token
        (0, 60),
        (-3, 60),
    ],
)
def test_a_bill_is_believed_where_it_can_be(bill: int, counted: int) -> None:
    with serving([said(WORDS[:800], bill=(200, bill))]) as server:
        assert read(opened(server, context=1500))[1].usage == Usage(200, counted)


def test_a_bill_beyond_the_window_is_believed_where_so_much_came() -> None:
    reply = f"<think>{WORDS}</think>In 1884 [1]."  # 2815 bytes
    for bill, counted in ((2000, 2000), (5000, -(-len(reply) // 4))):
        with serving([said(reply, bill=(200, bill))]) as server:
            assert read(opened(server, context=1500))[1].usage == Usage(200, counted)


def test_running_totals_are_not_added_up() -> None:
    events = []
    for n, piece in enumerate(("a", "b", "c"), 1):
        events += [chunk(piece), usage(30, n)]
    with serving([Reply(events=[*events, chunk(finish="stop"), "[DONE]"])]) as server:
        assert read(opened(server))[1].usage == Usage(30, 3)


def test_thoughts_are_left_out_even_when_the_tags_come_in_parts() -> None:
    with serving([said("<th", "ink>They ask for", " a year</", "think>\n\nIn 1884", " <b>[1].")]) as server:
        assert read(opened(server))[0] == "In 1884 <b>[1]."
        assert thought(opened(server)) == "They ask for a year"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_that_a_server_keeps_apart_are_told_apart_too(field: str) -> None:
    apart = [json.dumps({"choices": [{"index": 0, "delta": {field: text}}]}) for text in ("A year ", "is asked for")]
    with serving([Reply(events=[*apart, chunk("In 1884 [1]."), chunk(finish="stop"), "[DONE]"])]) as server:
        text, finish = read(opened(server))
        assert (text, finish.reason, thought(opened(server))) == ("In 1884 [1].", "stop", "A year is asked for")
        assert finish.usage.output_tokens > len("In 1884 [1].") // 4, "what is thought is written, and billed"
    only = Reply(events=[*apart, chunk(finish="length"), "[DONE]"])
    with serving([only]) as server, pytest.raises(OnlyThoughts, match="tokens of thinking and no answer"):
        list(opened(server).stream(PROMPT))


@pytest.mark.parametrize("finish", ["length", "stop"])
@pytest.mark.parametrize("pieces", [("<think>", "hm"), ("<think>", "hm", "</think>", "\n")])
def test_a_reply_of_nothing_but_thoughts_says_what_it_was_and_what_to_do(pieces: tuple[str, ...], finish: str) -> None:
    """It is paid for."""
    with serving([said(*pieces, finish=finish, bill=(200, 90))]) as server:
        meter = Meter(opened(server))
        meter.bound = 1
        with pytest.raises(OnlyThoughts, match=r"90 tokens of thinking and no answer.*Switch its thinking off"):
            list(meter.stream(PROMPT))
        assert meter.usage == Usage(200, 90)


def test_a_local_reply_of_nothing_but_thoughts_is_known_as_one() -> None:
    for texts, only in ((["<think>", "hm"], True), (["<think>hm</think>", " Blue."], False), ([""], False)):
        row = Row([1], 9, False, lambda piece: None, threading.Event())
        for text in texts:
            row.show(text)
        row.finish(False)
        assert row.only_thoughts == only


@given(st.lists(st.sampled_from(["<", "<think>", "</think>", "</thi", "nk>", "a", " ", "\n", "<thinking>", "x<t"])))
def test_thoughts_do_not_depend_on_how_the_text_was_cut(parts: list[str]) -> None:
    text = "".join(parts)

    def through(pieces: Sequence[str]) -> str:
        thoughts = Thoughts()
        return "".join(map(thoughts.feed, pieces)) + thoughts.close()

    assert through(parts) == through([text]) == through(list(text))
    assert "<think>" not in through(parts)


@pytest.mark.parametrize(
    ("reply", "thought", "rest"),
    [
        ("Bob, says source 2.\n</think>\n\nAda [1].", "Bob, says source 2.", "Ada [1]."),
        ("Bob, says source 2.</think>\nAda [1].", "Bob, says source 2.", "Ada [1]."),
        ("Bob.\n</Thinking> Ada [1].", "Bob.", "Ada [1]."),
        ("Bob.\n</think>", "Bob.", ""),
        ("It ends with </think> and goes on [1].", "", "It ends with </think> and goes on [1]."),
        ("Ada [1].", "", "Ada [1]."),
    ],
)
def test_a_thought_that_only_ends_is_parted_from_the_reply(reply: str, thought: str, rest: str) -> None:
    thoughts = Thoughts()
    shown = "".join(map(thoughts.feed, reply)) + thoughts.close()
    assert parted(shown) == (thought, rest)


# ---- stopping


@pytest.mark.parametrize(
    "slow", [said(*["word "] * 100, pause=0.05), said("late", before=20)], ids=["between", "before"]
)
def test_closing_hangs_up_at_once(slow: Reply) -> None:
    with serving([slow]) as server:
        stream = opened(server, seconds=30).stream(PROMPT)
        next(stream)  # a piece, or a sign of life
        stream.close()  # type: ignore[attr-defined]
        assert server.left.wait(5)
        assert server.told < 100 and len(server.chats) == 1


def test_closing_ends_the_wait_for_another_try() -> None:
    with serving([refused(503, "busy", Retry_After="30")]) as server:
        stream = opened(server).stream(PROMPT)
        while not server.chats:
            next(stream)
        stream.close()  # type: ignore[attr-defined]
        time.sleep(0.1)
        assert len(server.chats) == 1


# ---- servers that do not take every parameter


@pytest.mark.parametrize("name", ["temperature", "stream_options", "max_tokens"])
def test_does_without_a_parameter_that_the_server_refuses(name: str) -> None:
    def script(request: Request) -> Reply:
        return refused(400, f"Unsupported parameter: '{name}'") if name in request.body else said("fine")

    with serving(script) as server:
        model = opened(server)
        assert read(model)[0] == read(model)[0] == "fine"
        assert len(server.chats) == 3
        assert name != "max_tokens" or server.chats[1].body["max_completion_tokens"] == PROMPT.max_tokens


# ---- the key


def test_the_key_does_not_follow_a_redirect() -> None:
    with serving([said("stolen")]) as other:
        there = Reply(status=307, headers={"location": f"{other.url}/chat/completions"}, body={})
        with serving([there], {"/v1/models": Reply(status=307, headers={"location": f"{other.url}/models"})}) as server:
            error = broken(opened(server))[1]
        assert isinstance(error, ModelFailed) and other.url in str(error)
        assert not other.requests


def test_the_key_is_nowhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with serving([refused(401, KEY), said("fine")]) as server:
        model = opened(server)
        broken(model)
        read(model)
    assert KEY not in caplog.text and KEY not in repr(model) and KEY not in model.name


def test_nothing_in_the_environment_sends_it_elsewhere(tmp_path: Path) -> None:
    """Neither LangSmith's tracing nor its gateway, nor OpenAI's own variables, nor a proxy for plain http."""
    program = (
        "import sys; from chains.models import open_model; from chains.prompt import Prompt\n"
        "m = open_model('openai:m', api_base=sys.argv[1], api_key='sk-mine-12345678')\n"
        "print(list(m.stream(Prompt('answer', 'question', 'When?', 'en', 60)))[-1].reason)\n"
    )
    with serving([said("stolen")]) as other, serving([said("fine")]) as server:
        names = ("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT", "LANGSMITH_GATEWAY", "OPENAI_BASE_URL", "OPENAI_API_BASE")
        environ = {name: other.url for name in (*names, "HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_PROXY")}
        traced = {"LANGSMITH_TRACING": "true", "LANGCHAIN_TRACING_V2": "true", "LANGSMITH_API_KEY": "lsv2_x"}
        out = subprocess.run(
            [sys.executable, "-c", program, server.url],
            env={**os.environ, **environ, **traced},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert out.stdout.strip() == "stop", out.stderr
        assert len(server.chats) == 1 and not other.requests
