"""The API model against servers on loopback that behave badly: each failure is a sentence of its own."""

import socket
import time
from email.utils import formatdate

import httpx
import pytest

from chains.errors import (
    ContextTooSmall,
    KeyMissing,
    KeyRefused,
    ModelFailed,
    ModelTimeout,
    ModelUnreachable,
    RateLimited,
    StreamCut,
    UnknownModel,
)
from chains.models import error_mapping, open_model
from chains.models.remote import chat
from tests.support.asking import KEY, PROMPT, broken, opened, read
from tests.support.servers import Reply, chunk, refused, said, serving


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_FIRST_WAIT", 0.01)


def test_no_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    model = open_model("openai:m", api_base=url, api_key=KEY)
    assert model.context == chat.WINDOW and model.count(PROMPT) > 0
    text, error = broken(model)
    assert (
        text == "" and isinstance(error, ModelUnreachable) and url in str(error) and "PAGEWISE_API_BASE" in str(error)
    )


def test_no_such_host() -> None:
    error = broken(open_model("openai:m", api_base="http://models.invalid/v1", api_key=KEY))[1]
    assert isinstance(error, ModelUnreachable)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key(status: int) -> None:
    with serving([refused(status, f"Incorrect API key provided: {KEY}", "invalid_api_key")]) as server:
        error = broken(opened(server))[1]
        assert isinstance(error, KeyRefused) and len(server.chats) == 1


def test_an_address_without_its_scheme() -> None:
    with serving([said("fine")]) as server:
        assert read(open_model("openai:m", api_base=server.url.removeprefix("http://"), api_key=KEY))[0] == "fine"


@pytest.mark.parametrize("key", ["sk-ключ", "sk-one\nsk-two"])
def test_what_cannot_be_a_key(key: str) -> None:
    with pytest.raises(KeyRefused):
        open_model("openai:m", api_base="http://127.0.0.1:1/v1", api_key=key)


def test_missing_key_is_told_before_anything_is_sent() -> None:
    with pytest.raises(KeyMissing):
        open_model("openai:gpt-5-mini")


def test_unknown_model_names_those_that_there_are() -> None:
    listed = {"/v1/models": {"object": "list", "data": [{"id": "qwen3"}, {"id": "llama3"}]}}
    with serving([refused(404, "The model `m` does not exist", "model_not_found")], listed) as server:
        error = broken(opened(server))[1]
    assert isinstance(error, UnknownModel) and "It has: qwen3, llama3." in str(error)


def test_a_wrong_address_is_not_blamed_on_the_model_alone() -> None:
    with serving(lambda request: None) as server:
        error = broken(open_model("openai:m", api_base=server.root, api_key=KEY))[1]
    assert isinstance(error, UnknownModel) and f"{server.root}/v1" in str(error)


LLAMA_CPP = {
    "code": 400,
    "type": "exceed_context_size_error",
    "message": "the request exceeds the available context size",
    "n_prompt_tokens": 700,
    "n_ctx": 512,
}


@pytest.mark.parametrize(
    "reply",
    [
        refused(400, "This model's maximum context length is 512 tokens.", "context_length_exceeded"),
        Reply(status=400, body={"error": LLAMA_CPP}),
        Reply(status=400, body={"object": "error", "message": "maximum context length is 512 tokens", "code": 400}),
        Reply(events=['{"error": {"message": "context_length_exceeded"}}']),
    ],
    ids=["openai", "llama.cpp", "vllm", "streamed"],
)
def test_context_exceeded(reply: Reply) -> None:
    with serving([reply]) as server:
        error = broken(opened(server, context=32000))[1]
        assert isinstance(error, ContextTooSmall) and len(server.chats) == 1
        assert "32000" not in str(error) and "refused the request as too long" in str(error)
        assert ("512 tokens" in str(error)) == (reply.events is None), "the server's own number"


def test_what_cannot_fit_is_not_sent() -> None:
    with serving([said("never")]) as server:
        error = broken(opened(server, context=100))[1]
        assert isinstance(error, ContextTooSmall) and not server.chats


def test_waits_as_long_as_the_server_asks_and_tries_again() -> None:
    with serving([refused(429, "slow down", Retry_After="1"), said("now")]) as server:
        assert read(opened(server))[0] == "now"
        assert server.times[1] - server.times[0] >= 1


def test_waits_until_the_date_that_the_server_names() -> None:
    date = formatdate(time.time() + 2.99, usegmt=True)  # whole seconds: two at least, and the server's own may round
    with serving([refused(503, "busy", Retry_After=date), said("now")]) as server:
        assert read(opened(server))[0] == "now"
        assert server.times[1] - server.times[0] >= 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),  # long past, by our clock
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:27:00 GMT"}, 60.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "nonsense"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, 0.0),
        ({}, None),
    ],
)
def test_how_long_the_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    error = RuntimeError("busy")
    error.response = httpx.Response(503, headers=headers)  # type: ignore[attr-defined]
    assert error_mapping.wait_asked(error) == seconds


def test_gives_up_after_some_tries() -> None:
    with serving([refused(429, "slow down", Retry_After="0")]) as server:
        error = broken(opened(server))[1]
        assert isinstance(error, RateLimited) and "slow down" in str(error) and len(server.chats) == chat.TRIES


@pytest.mark.parametrize(
    "reply", [refused(429, "slow down", Retry_After="3600"), refused(429, "quota", "insufficient_quota")]
)
def test_does_not_wait_for_what_will_not_pass(reply: Reply) -> None:
    with serving([reply]) as server:
        assert isinstance(broken(opened(server))[1], RateLimited) and len(server.chats) == 1


@pytest.mark.parametrize(
    ("asked", "told"), [("86400", "no more calls for 1440 minutes"), ("61", "for 2 minutes"), ("9" * 20, "for now")]
)
def test_a_long_wait_is_said(asked: str, told: str) -> None:
    with serving([refused(429, "slow down", Retry_After=asked)]) as server:
        said_ = str(broken(opened(server))[1])
    assert told in said_.replace(",", "") and ("Wait a little" in said_) == (told == "for now")


def test_a_server_that_stumbles_is_asked_again() -> None:
    with serving([refused(500, "oops"), refused(503, "loading"), said("here")]) as server:
        assert read(opened(server))[0] == "here"


def test_a_server_that_keeps_failing() -> None:
    with serving([refused(500, f"oops {KEY} and {'x' * 1000}")]) as server:
        error = broken(opened(server))[1]
    assert isinstance(error, ModelFailed) and "500" in str(error) and len(str(error)) < 500 and "\n" not in str(error)


def test_silence() -> None:
    with serving([said("late", before=20)]) as server:
        error = broken(opened(server, seconds=0.5))[1]
        assert isinstance(error, ModelTimeout) and len(server.chats) == 1


def test_silence_in_the_middle_keeps_what_came() -> None:
    with serving([Reply(events=[chunk("The bridge ")], after=20)]) as server:
        text, error = broken(opened(server, seconds=0.5))
        assert isinstance(error, ModelTimeout) and text == "The bridge " and len(server.chats) == 1


def test_signs_of_life_alone_do_not_keep_a_call_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_GRACE", 0.2)
    with serving([Reply(events=[": still here"] * 200, pause=0.1)]) as server:
        assert isinstance(broken(opened(server, seconds=0.3))[1], ModelTimeout)
        assert server.left.wait(5)


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "ended"])
def test_a_stream_cut_in_half_keeps_what_came_and_is_not_asked_for_again(cut: bool) -> None:
    with serving([Reply(events=[chunk("The bridge "), chunk("was ")], cut=cut)]) as server:
        text, error = broken(opened(server))
        assert text == "The bridge was " and isinstance(error, StreamCut) and len(server.chats) == 1


def test_a_connection_dropped_before_the_first_piece_is_tried_again() -> None:
    with serving([Reply(events=[], cut=True), said("here")]) as server:
        assert read(opened(server))[0] == "here"


@pytest.mark.parametrize("junk", ["{not json", "[1, 2]", '{"choices": [{"delta": 5}]}', '{"choices": 7}'])
def test_garbage_in_the_middle_keeps_what_came(junk: str) -> None:
    with serving([Reply(events=[chunk("The bridge "), junk])]) as server:
        text, error = broken(opened(server))
    assert text == "The bridge " and isinstance(error, ModelFailed | StreamCut)


def test_garbage_after_the_end_does_not_matter() -> None:
    with serving([Reply(events=[chunk("Whole."), chunk(finish="stop"), "{not json"], cut=True)]) as server:
        text, last = read(opened(server))
    assert text == "Whole." and last.reason == "stop"


def test_a_page_instead_of_a_reply() -> None:
    with serving([Reply(body="<html>It works!</html>")]) as server:
        assert isinstance(broken(opened(server))[1], StreamCut | ModelFailed)


def test_an_error_in_the_middle_of_a_stream() -> None:
    with serving([Reply(events=[chunk("The "), '{"error": {"message": "out of slots"}}'])]) as server:
        text, error = broken(opened(server))
    assert text == "The " and isinstance(error, ModelFailed) and "out of slots" in str(error)


def test_the_content_filter_is_named() -> None:
    with serving([said("The ", finish="content_filter")]) as server:
        assert "content filter" in str(broken(opened(server))[1])
