"""Link-local and metadata addresses: refused in every notation, wherever one is set or dialled. No test dials one."""

import ipaddress
import random
import socket
import ssl
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from chains.errors import ModelUnreachable
from chains.models import open_model
from chains.models.remote.discovery import servers
from ingest.blocked_addresses import check_resolved, check_written, is_blocked, resolve
from ingest.embedding.embedder import open_embedder
from ingest.errors import BlockedAddressError, EmbedderError
from ingest.http_client import PinnedTransport, open_client
from ingest.store.chroma import Vectors
from tests.support.asking import KEY, PROMPT, read
from tests.support.pages import small
from tests.support.servers import Reply, said, serving

METADATA = "169.254.169.254"
NOTATIONS = [
    METADATA,
    "169.254.169.254.",
    "169.254.43518",
    "169.16689662",
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "025177524776",
    "00000251.254.169.254",
    "0169.254.169.254",  # decimal to some readers
    "169%2e254%2E169.254",
    "１６９.２５４.１６９.２５４",
    "169。254。169。254",
    "169．254．169｡254",
    "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
    "169.254\u200b.169.254",
    "[::ffff:169.254.169.254]",
    "[::FFFF:A9FE:A9FE]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[::169.254.169.254]",
    "[::ffff:0:169.254.169.254]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:a9fe:a9fe::]",
    "[2001:0:7f00:1::5601:5601]",  # Teredo: the client's address, inverted
    "[fe80::1]",
    "[FE80::1%25eth0]",
    "[fe80::5efe:7f00:1]",
    "[2001:db8::5efe:a9fe:a9fe]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "100.100.100.200",
    "168.63.129.16",
    "metadata.google.internal",
    "METADATA.google.internal.",
]


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What sockets were connected to, beyond loopback; none of it is."""
    tried: list[object] = []
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not ipaddress.ip_address(str(address[0]).split("%")[0]).is_loopback:
            tried.append(address)
            raise OSError("not dialled by a test")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield tried
    assert tried == []


class Names:
    """A server of names for `model.test`; numbers are answered as ever."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self._numbers = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *more: Any, **how: Any) -> Any:
        if host != "model.test":
            return self._numbers(host, port, *more, **how)
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found = Names("127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", found)
    return found


@pytest.mark.parametrize("host", NOTATIONS)
def test_every_notation_is_refused_before_any_name_is_looked_up(host: str, dialled: list[object]) -> None:
    for url in (f"http://{host}/v1", f"https://{host}:8443/v1", f"http://ann:pw@{host}", f"{host}/v1"):
        with pytest.raises(BlockedAddressError, match="PAGEWISE_ALLOW_LINK_LOCAL=on") as caught:
            check_written(url)
        assert "pw" not in str(caught.value).replace("PAGEWISE", "")
        check_written(url, allow_link_local=True)
    with pytest.raises(BlockedAddressError):
        resolve(host.strip("[]"), 80)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "192.168.1.7",
        "10.0.0.1",
        "169.253.1.1",
        "api.openai.com",
        "169.254.example.org",
        "[fd00::1]",
        "[2001:db8::1]",
        "0x7f.1",
        "100.100.100.201",
        "a.metadata.example.org",
        "[fe00::1]",
        "",
        "1.2.3.4.5",
    ],
)
def test_other_addresses_pass(host: str) -> None:
    check_written(f"http://{host}/v1")


@given(st.integers(0xA9FE0000, 0xA9FEFFFF), st.randoms(use_true_random=False))
def test_no_mixture_of_notations_hides_a_link_local_address(number: int, chance: random.Random) -> None:
    with pytest.raises(BlockedAddressError):
        check_written(f"http://{written(number, chance)}:80/latest")


@given(st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_what_is_refused_is_what_the_system_would_dial(number: int, chance: random.Random) -> None:
    """The reading of numbers agrees with C's inet_aton."""
    host = written(number, chance, octal=False)
    assert socket.inet_aton(host) == number.to_bytes(4, "big")
    if is_blocked(ipaddress.IPv4Address(number)):
        with pytest.raises(BlockedAddressError):
            check_written(f"http://{host}/")
    else:
        check_written(f"http://{host}/")


def written(number: int, chance: random.Random, octal: bool = True) -> str:
    """An IPv4 address in one of the ways that inet_aton reads."""
    count = chance.randint(1, 4)
    leading = [number >> 24 - 8 * i & 0xFF for i in range(count - 1)]
    parts = [*leading, number & (1 << 8 * (5 - count)) - 1]
    forms: list[Callable[[int], str]] = [str, hex, lambda n: f"0X{n:X}", lambda n: f"0x000{n:x}"]
    if octal:
        forms.append(lambda n: f"00{n:o}")
    return ".".join(chance.choice(forms)(part) for part in parts)


@given(st.ip_addresses(v=6, network="fe80::/10"))
def test_no_link_local_address_of_version_6_passes(found: ipaddress.IPv6Address) -> None:
    for host in (str(found), found.exploded.upper(), f"{found}%25eth0"):
        with pytest.raises(BlockedAddressError):
            check_written(f"http://[{host}]/")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "[::ffff:a9fe:a9fe]", "metadata.google.internal"])
def test_no_door_dials_one(host: str, scheme: str, dialled: list[object], tmp_path: Path) -> None:
    url = f"{scheme}://{host}/v1"
    for spec in ("openai:m", "anthropic:m"):
        with pytest.raises(BlockedAddressError):
            open_model(spec, api_base=url, api_key=KEY)
    with pytest.raises(BlockedAddressError):
        open_embedder("openai:m", api_base=url, api_key=KEY)
    with pytest.raises(BlockedAddressError):
        Vectors(tmp_path / "chroma", url, "some-vectors")
    with open_client(url, 5.0) as http, pytest.raises(httpx.ConnectError, match="is not dialled"):
        http.get(url)
    assert servers(url, KEY, ports=[], seconds=1) == []


@pytest.mark.parametrize(
    "found", [METADATA, "100.100.100.200", "fe80::1%eth0", "::ffff:169.254.1.1", "64:ff9b::a9fe:1"]
)
@pytest.mark.parametrize("others", [[], ["127.0.0.1"]])
def test_a_name_that_resolves_to_one_is_not_dialled(
    found: str, others: list[str], names: Names, dialled: list[object], tmp_path: Path
) -> None:
    names.addresses = [*others, found]
    with pytest.raises(ModelUnreachable, match=r"model\.test is .*, a link-local or cloud metadata address"):
        list(open_model("openai:m", api_base="http://model.test:9/v1", api_key=KEY).stream(PROMPT))
    with pytest.raises(BlockedAddressError):
        Vectors(tmp_path / "chroma", "http://model.test:9", "some-vectors")
    with pytest.raises(BlockedAddressError):
        check_resolved("http://model.test:9")


def test_an_embedder_says_what_its_name_leads_to(names: Names, dialled: list[object]) -> None:
    names.addresses = [METADATA]
    with pytest.raises(EmbedderError, match=r"model\.test is .*, a link-local or cloud metadata address"):
        open_embedder("openai:m", api_base="http://model.test:9/v1", api_key=KEY).query("text")


def test_the_address_that_was_checked_is_the_one_that_is_dialled(names: Names, dialled: list[object]) -> None:
    with serving([said("yes")]) as server:
        base = server.url.replace("127.0.0.1", "model.test")
        model = open_model("openai:m", api_base=base, api_key=KEY, context=4096)
        assert read(model)[0] == "yes"
        assert names.asked == len(server.requests), "one look-up a request, by the check"
        assert {request.headers["host"] for request in server.requests} == {base.split("/")[2]}
        before = len(server.requests)
        names.addresses = [METADATA]  # the name leads elsewhere from now on
        with pytest.raises(ModelUnreachable, match="is not dialled"):
            read(model)
        assert len(server.requests) == before


def test_a_name_that_cannot_be_resolved_is_a_server_that_is_not_there() -> None:
    with pytest.raises(ModelUnreachable):
        read(open_model("openai:m", api_base="http://nowhere.invalid/v1"))


def test_the_next_address_of_a_name_is_tried_where_the_first_does_not_answer(names: Names) -> None:
    with serving([said("x")], {"/v1/models": {"data": []}}) as server:
        names.addresses = ["127.0.0.2", "127.0.0.1"]  # it listens on the second alone
        base = server.url.replace("127.0.0.1", "model.test")
        with open_client(base, 5.0) as http:
            assert http.get(f"{base}/models").status_code == 200


def test_the_certificate_is_asked_for_by_name_and_the_host_header_keeps_it(names: Names) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    transport = PinnedTransport(
        httpx.MockTransport(answer), "https://model.test/v1", hosted=False, proxied=False, allow_link_local=False
    )
    with httpx.Client(transport=transport) as http:
        assert str(http.post("https://model.test/v1/x", json={"a": 1}).request.url) == "https://model.test/v1/x"
    (sent,) = seen
    assert sent.url.host == "127.0.0.1" and sent.headers["host"] == "model.test"
    assert sent.extensions["sni_hostname"] == "model.test" and sent.read() == b'{"a":1}'


@pytest.mark.parametrize("name", ["model.test", "other.test"])
def test_the_certificate_must_hold_the_name_though_a_number_is_dialled(name: str, names: Names, tmp_path: Path) -> None:
    certificate, trusted = certificate_for(name, tmp_path)
    with tls_server(certificate) as port:
        base = f"https://model.test:{port}"
        inner = httpx.HTTPTransport(verify=trusted)
        transport = PinnedTransport(inner, base, hosted=False, proxied=False, allow_link_local=False)
        with httpx.Client(transport=transport) as http:
            if name == "model.test":
                assert http.get(base).text == "fine"
            else:
                with pytest.raises(httpx.ConnectError, match=r"not valid for 'model\.test'"):
                    http.get(base)


def test_behind_a_proxy_the_name_goes_to_the_proxy_and_what_it_resolves_to_here_is_checked(names: Names) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(200)

    def get(host: str) -> None:
        base = f"https://{host}/v1"
        transport = PinnedTransport(
            httpx.MockTransport(answer), base, hosted=False, proxied=True, allow_link_local=False
        )
        with httpx.Client(transport=transport) as http:
            http.get(base)

    get("model.test")
    get("known-to-the-proxy.invalid")
    assert seen == ["model.test", "known-to-the-proxy.invalid"]
    names.addresses = [METADATA]
    for host in ("model.test", "metadata.google.internal", METADATA):
        with pytest.raises(httpx.ConnectError, match="is not dialled"):
            get(host)
    assert len(seen) == 2


def test_the_switch_lets_them_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried: list[object] = []

    def connect(self: socket.socket, address: object) -> None:
        tried.append(address)
        raise OSError("not dialled by a test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *_, **__: [(2, 1, 6, "", (host, port))])
    with pytest.raises(ModelUnreachable):
        read(open_model("openai:m", api_base=f"http://{METADATA}:81/v1", allow_link_local=True))
    with pytest.raises(EmbedderError):
        open_embedder("openai:m", api_base=f"http://{METADATA}:82/v1", allow_link_local=True).query("x")
    check_resolved(f"http://{METADATA}:83", allow_link_local=True)
    assert {(METADATA, 81), (METADATA, 82)} == set(tried)


def test_a_provider_s_package_is_asked_nothing_once_its_name_leads_there(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_core.language_models.fake_chat_models import FakeListChatModel
    from langchain_core.messages import AIMessageChunk

    asked: list[object] = []

    # Another provider than in test_models_providers: LangChain keeps the class of each for good.
    class ChatTogether(FakeListChatModel):  # type: ignore[misc,unused-ignore]
        def __init__(self, **how: Any) -> None:
            super().__init__(responses=["said"])

        def stream(self, *messages: Any, **how: Any) -> Any:
            asked.append(messages)
            yield AIMessageChunk(content="said", response_metadata={"finish_reason": "stop"})

    module = types.ModuleType("langchain_together")
    module.ChatTogether = ChatTogether  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "langchain_together", module)
    model = open_model("together:llama", api_base="http://model.test/v1", api_key=KEY)
    assert read(model)[0] == "said" and len(asked) == 1
    names.addresses = [METADATA]
    with pytest.raises(ModelUnreachable, match="is not dialled"):
        read(model)
    assert len(asked) == 1


def test_an_embedder_follows_no_redirect() -> None:
    with serving([said("x")]) as other:
        there = Reply(status=307, headers={"location": f"{other.url}/embeddings"}, body={})
        with serving([said("x")], {"/v1/embeddings": there}) as server, pytest.raises(EmbedderError):
            open_embedder("openai:m", api_base=server.url, api_key=KEY).query("a private text")
        assert server.requests and other.requests == []


def test_a_chroma_server_s_redirect_is_not_followed(tmp_path: Path) -> None:
    from ingest.errors import PagewiseError

    with serving([said("x")]) as other:
        there = Reply(status=307, headers={"location": f"{other.root}/api/v2"}, body={})
        routes = {
            path: there for path in ("/api/v2/auth/identity", "/api/v2/heartbeat", "/api/v2/tenants/default_tenant")
        }
        with serving([said("x")], routes) as server, pytest.raises(PagewiseError):
            Vectors(tmp_path / "chroma", server.root, "some-vectors")
        assert server.requests and other.requests == []


def settings_screen() -> None:
    from app import cached_resources
    from app.i18n import Words
    from app.screens import settings as settings_screen
    from app.session import Desk
    from settings import load_settings

    settings = load_settings()
    store = cached_resources.conversations(str(settings.data))
    settings_screen.draw(
        Desk(settings, Words("en"), cached_resources.library(settings), store, cached_resources.jobs())
    )


@pytest.fixture
def small_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app with caches of its own, which are closed afterwards."""
    yield from small(monkeypatch)


def test_one_that_is_typed_in_the_app_is_refused_there(small_app: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import cached_resources

    monkeypatch.setattr(cached_resources, "search", lambda settings, seconds: [])
    at = AppTest.from_function(settings_screen, default_timeout=60).run()
    at.text_input(key="own-spec").set_value("openai:m")
    at.text_input(key="own-base").set_value("http://0xA9FEA9FE/v1")
    at.button(key="own-use").click().run()
    assert not at.exception and "own" not in at.session_state
    assert "metadata" in at.error[0].value


@contextmanager
def tls_server(certificate: Path) -> Iterator[int]:
    """A server on loopback that says "fine" once a handshake succeeded; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"fine")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that does not believe the certificate hangs up."""

    server = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def certificate_for(name: str, folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate with its key, and a context that trusts it."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem = made.public_bytes(serialization.Encoding.PEM)
    file = folder / "server.pem"
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain) + pem)
    return file, ssl.create_default_context(cadata=pem.decode())
