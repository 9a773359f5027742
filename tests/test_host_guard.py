"""The guard in front of the web app: which Host and Origin headers let a request through, by HTTP and websocket."""

import asyncio
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from app.web.host_guard import HostGuard, HostPolicy
from ingest.server_url import Host, parse_host, parse_hosts
from settings import load_settings

KINDS = pytest.mark.parametrize("kind", ["http", "websocket"])

MALFORMED = [
    *("localhost,evil.example", "localhost evil.example", "evil.example@localhost", "localhost@evil.example"),
    *("localhost/evil.example", "localhost#evil.example", "evil.example?localhost", "http://localhost", "localhost.."),
    *("localhost:x", "localhost:99999", "localhost:123456", "localhost:-1", "localhost:80:80", ":8501", ".", "*"),
    *("[::1", "::1", "::1]:8501", "[::1]x", "[::1%lo]", "[localhost]", "[]", "[:]", "127.0.0.1%00", "local\0host"),
    *("localhost\n", "localhost\r\nx: y", " localhost", "localhost ", "\tlocalhost", "lo\xadcalhost"),
]


def ask(
    *headers: tuple[str | bytes, str | bytes],
    kind: str = "http",
    address: str = "127.0.0.1",
    allowed_hosts: str = "",
    scheme: str = "http",
    method: str = "GET",
) -> tuple[int, str, list[Scope]]:
    """Send one request through a guard: the status (200: it passed), what a refusal says, and what the app received."""
    received: list[Scope] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(scope)

    async def receive() -> Message:
        raise AssertionError("the guard needs no body")

    async def send(message: Message) -> None:
        sent.append(message)

    def encode(text: str | bytes) -> bytes:
        return text if isinstance(text, bytes) else text.encode("latin-1")

    scope: dict[str, Any] = {
        "type": kind,
        "scheme": scheme if kind == "http" else scheme.replace("http", "ws"),
        "method": method,
        "path": "/",
        "headers": [(encode(name), encode(value)) for name, value in headers],
    }
    settings = load_settings({"address": address, "allowed_hosts": allowed_hosts}, {})
    asyncio.run(HostGuard(app, HostPolicy(settings))(scope, receive, send))
    if received:
        assert not sent
        return 200, "", received
    prefix = "websocket." if kind == "websocket" else ""
    assert [message["type"] for message in sent] == [f"{prefix}http.response.start", f"{prefix}http.response.body"]
    return sent[0]["status"], sent[1]["body"].decode(), received


def is_answered(host: str, **how: Any) -> bool:
    return ask(("host", host), **how)[0] == 200


def is_taken(origin: str, host: str = "127.0.0.1:8501", **how: Any) -> bool:
    return ask(("host", host), ("origin", origin), **how)[0] == 200


@KINDS
@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8501", "localhost:8501", "[::1]:8501", "localhost", "127.0.0.1", "127.0.0.2:80", "localhost:"),
        *("LocalHost:8501", "localhost.:8501", "[0:0:0:0:0:0:0:1]:8501"),
        "localhost:9000",  # a tunnel, or a container's port, is another port on the outside
    ],
)
def test_this_machine_s_own_names_are_answered(host: str, kind: str) -> None:
    assert is_answered(host, kind=kind)


@KINDS
@pytest.mark.parametrize(
    "host",
    [
        *("evil.example:8501", "evil.example", "evil.example.", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("evil-localhost", "xlocalhost", "localhostx", "a.localhost", "pagewise"),
        *("192.168.1.5:8501", "0.0.0.0:8501", "8.8.8.8", "[fe80::1]:8501", "[::ffff:8.8.8.8]"),
    ],
)
def test_a_foreign_host_is_refused_by_a_sentence_that_names_the_setting(host: str, kind: str) -> None:
    status, sentence, _ = ask(("host", host), kind=kind)
    assert status == 421 and "PAGEWISE_ALLOWED_HOSTS" in sentence


@KINDS
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("host", "")],
        [("host", "localhost"), ("host", "evil.example")],
        [("host", "evil.example"), ("host", "localhost")],
        [("host", "localhost"), ("host", "localhost")],
        [("x-forwarded-host", "localhost")],
        *([("host", host)] for host in MALFORMED),
    ],
)
def test_a_host_that_is_missing_doubled_or_malformed_is_refused(headers: list[tuple[str, str]], kind: str) -> None:
    status, sentence, _ = ask(*headers, kind=kind)
    assert status == 400 and "Host header" in sentence


@KINDS
def test_a_forwarded_host_is_not_believed(kind: str) -> None:
    forwarded = [("x-forwarded-host", "localhost"), ("forwarded", "host=localhost"), ("x-host", "localhost")]
    assert ask(("host", "evil.example"), *forwarded, kind=kind)[0] == 421


OWN = re.compile(rb"(localhost\.?|127\.\d{1,3}\.\d{1,3}\.\d{1,3}\.?|\[[0:]+1\]|\[::127\.0\.0\.1\])(:\d{0,5})?", re.I)


@given(st.one_of(st.binary(max_size=40), st.text(alphabet="localhst127.0:[]@#/ ,%e\t", max_size=24).map(str.encode)))
@example(b"localhost:8501")
@example(b"127.0.0.1")
@example(b"[::1]:8501")
def test_whatever_the_host_header_holds_only_this_machine_s_own_names_pass(value: bytes) -> None:
    if ask(("host", value))[0] == 200:
        assert OWN.fullmatch(value)


@given(
    st.sampled_from(["localhost", "127.0.0.1", "docs.example.com", "[::1]"]),
    st.text(alphabet=st.characters(max_codepoint=255), min_size=1, max_size=12),
    st.booleans(),
)
@example("localhost", ".evil.example", False)
@example("localhost", "evil.example@", True)
def test_an_allowed_name_with_anything_at_its_side_is_another_host(name: str, beside: str, before: bool) -> None:
    host = beside + name if before else name + beside
    status, _, _ = ask(("host", host), allowed_hosts="docs.example.com")
    if status == 200:  # a port, a final dot, or another loopback address ("1" + "127.0.0.1" is none)
        assert re.fullmatch(r"\.?(:[0-9]{0,5})?|[0-9]{1,2}\.?(:[0-9]{0,5})?", beside) and not before


@given(st.sampled_from(["localhost", "127.0.0.1", "docs.example.com"]), st.data())
def test_case_final_dot_and_port_make_no_other_host(name: str, data: st.DataObject) -> None:
    upper = data.draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    spelled = "".join(letter.upper() if up else letter for letter, up in zip(name, upper, strict=True))
    port = data.draw(st.one_of(st.just(""), st.integers(0, 65535).map(lambda n: f":{n}")))
    assert is_answered(spelled + data.draw(st.sampled_from(["", "."])) + port, allowed_hosts="docs.example.com")


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_server_on_all_addresses_answers_each_address_and_no_further_name(address: str) -> None:
    for host in ("192.168.1.5:8501", "[fe80::1]:8501", "0.0.0.0:8501", "localhost:8501"):
        assert is_answered(host, address=address)
    for host in ("evil.example:8501", "192.168.1.5.evil.example", "192.168.1.05", "3232235781", "0x7f.1"):
        assert not is_answered(host, address=address)


@pytest.mark.parametrize(
    ("address", "host"),
    [("192.168.1.5", "192.168.1.5:8501"), ("FE80:0::1", "[fe80::1]:8501"), ("Desk.lan", "desk.lan:8501")],
)
def test_the_address_that_is_listened_on_is_answered(address: str, host: str) -> None:
    assert is_answered(host, address=address) and not is_answered(host)


def test_names_of_the_setting_are_answered_on_any_port() -> None:
    allowed = " Docs.Example.com , other.example:8443,[2001:db8::1] "
    for host in ("docs.example.com", "DOCS.example.com:8501", "other.example", "other.example:8443", "[2001:db8:0::1]"):
        assert is_answered(host, allowed_hosts=allowed)
    for host in ("example.com", "a.docs.example.com", "evil.example", "[2001:db8::2]"):
        assert not is_answered(host, allowed_hosts=allowed)


@KINDS
@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8501", "127.0.0.1:8501"),
        ("http://localhost:8501", "localhost:8501"),
        ("http://[::1]:8501", "[0::1]:8501"),
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("http://localhost:8501", "LOCALHOST.:8501"),
    ],
)
def test_the_server_s_own_pages_are_served(origin: str, host: str, kind: str) -> None:
    assert is_taken(origin, host, kind=kind)


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "https://evil.example:8501", "null", "", "file://", "http://", "127.0.0.1:8501"),
        *("http://127.0.0.1:9999", "http://127.0.0.1", "http://localhost:9999"),  # another local port
        *("http://localhost:8501", "http://127.0.0.2:8501"),  # this server's names, but not the one that was asked
        *("https://127.0.0.1:8501", "ws://127.0.0.1:8501", "chrome-extension://127.0.0.1:8501"),
        *("http://127.0.0.1:8501/", "http://127.0.0.1:8501 http://evil.example", "http://evil.example@127.0.0.1:8501"),
        *("http://127.0.0.1:8501.evil.example", "http://127.0.0.1:8501\r\n", "HTTP://127.0.0.1:8501\0"),
    ],
)
@pytest.mark.parametrize(
    ("kind", "method"),
    [("websocket", "GET"), *(("http", name) for name in ("GET", "POST", "PUT", "DELETE", "OPTIONS"))],
)
def test_a_foreign_page_is_refused_by_a_sentence_that_names_the_setting(origin: str, kind: str, method: str) -> None:
    status, sentence, _ = ask(("host", "127.0.0.1:8501"), ("origin", origin), kind=kind, method=method)
    assert status == 403 and "PAGEWISE_ALLOWED_HOSTS" in sentence


def test_a_doubled_origin_is_refused() -> None:
    own = ("origin", "http://127.0.0.1:8501")
    assert ask(("host", "127.0.0.1:8501"), own, own)[0] == 403
    assert ask(("host", "127.0.0.1:8501"), own, ("origin", "http://evil.example"))[0] == 403


@pytest.mark.parametrize("host", ["docs.example.com", "127.0.0.1:8501"])  # as the proxy was called, or as it calls
def test_pages_of_the_setting_s_names_are_served_behind_a_proxy(host: str) -> None:
    for origin in ("https://docs.example.com", "http://docs.example.com", "https://other.example:8443"):
        assert is_taken(origin, host, kind="websocket", allowed_hosts="docs.example.com, other.example:8443")
    for origin in ("https://docs.example.com:9999", "https://other.example", "https://a.docs.example.com", "null"):
        assert not is_taken(origin, host, kind="websocket", allowed_hosts="docs.example.com, other.example:8443")


def test_the_scheme_that_a_proxy_names_counts() -> None:
    assert is_taken("https://localhost", "localhost", kind="websocket", scheme="https")
    assert not is_taken("http://localhost", "localhost", kind="websocket", scheme="https")


@KINDS
def test_the_app_behind_sees_the_request_as_it_came_but_for_its_origin(kind: str) -> None:
    headers = [("host", "localhost:8501"), ("cookie", "a=b"), ("origin", "http://localhost:8501")]
    _, _, received = ask(*headers, kind=kind)
    assert [scope["headers"] for scope in received] == [[(b"host", b"localhost:8501"), (b"cookie", b"a=b")]]


def test_the_server_s_start_and_end_are_let_through() -> None:
    assert ask(kind="lifespan")[0] == 200


def test_a_host_is_read_in_one_spelling() -> None:
    assert parse_host("Docs.Example.COM.:8443") == Host("docs.example.com", 8443)
    assert parse_host("[2001:DB8:0::1]") == Host("2001:db8::1", None)
    assert parse_hosts(" a.example, b.example:1 ") == (Host("a.example", None), Host("b.example", 1))
    assert parse_hosts("") == parse_hosts("  ") == ()
    for wrong in ("a.example,,b.example", "*", "*.example.com", "http://a.example", "a.example:99999", "a b", "例.cn"):
        with pytest.raises(ValueError, match="is no host"):
            parse_hosts(wrong)
