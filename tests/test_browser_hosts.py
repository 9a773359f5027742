"""Other sites against a running app: foreign names and origins over the wire, and a real browser that is made to try.

The server process runs under the suite's network guard, so an attempt to reach beyond loopback is recorded.
"""

import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsing import WAIT, App, chromium, running
from tests.support.pdfs import make_pdf
from tests.support.servers import Reply, serving

pytestmark = pytest.mark.timeout(300)

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol": "streamlit",
}
STREAM = "/_stcore/stream"
ROUTES = [  # method, path, what the server says to its own page
    ("GET", "/", 200),
    ("HEAD", "/", 200),
    ("GET", "/library", 200),
    ("GET", "/health", 200),
    ("GET", "/_stcore/health", 200),
    ("GET", "/_stcore/host-config", 200),
    ("GET", "/media/0123.pdf", 404),
    ("GET", "/static/none.js", 200),  # every path that is none is the page
    ("PUT", "/_stcore/upload_file/session/file", 403),  # no token
    ("DELETE", "/_stcore/upload_file/session/file", 403),
    ("OPTIONS", "/_stcore/upload_file/session/file", 204),
    ("GET", STREAM, 101),
]
# What a page can try: each route by fetch, and the websocket. → {"/": 200, …, "socket": "open"}
ATTEMPT = """async ({base, paths, upload}) => {
    const results = {};
    for (const path of paths) results[path] = await fetch(base + path).then(r => r.status, () => "failed");
    results.upload = await fetch(base + upload, {method: "PUT", body: "x"}).then(r => r.status, () => "failed");
    results.socket = await new Promise(done => {
        const socket = new WebSocket(base.replace("http", "ws") + "/_stcore/stream", ["streamlit"]);
        socket.onopen = () => { done("open"); socket.close(); };
        socket.onerror = () => done("failed");
    });
    return results;
}"""
PATHS = ["/", "/health", "/media/0123.pdf", "/_stcore/host-config"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running(tmp_path_factory.mktemp("hosts"), {"PAGEWISE_ALLOWED_HOSTS": "docs.example.com"}) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Every name of .example is rebound to this machine. Chromium's own check of that, which others lack, is off."""
    with chromium(
        "--host-resolver-rules=MAP *.example 127.0.0.1", "--disable-features=LocalNetworkAccessChecks"
    ) as started:
        yield started


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    yield page
    page.close()


def request(app: App, method: str, path: str, *headers: tuple[str, str]) -> tuple[int, str]:
    """The status and text of what comes back; just these headers are sent, and a websocket's where `path` is its."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(app), timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in [*headers, *(UPGRADE.items() if path.endswith(STREAM) else [("Content-Length", "0")])]:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    text = "" if response.status == 101 else response.read().decode()
    connection.close()
    return response.status, text


def port_of(app: App) -> int:
    return urlsplit(app.url).port or 0


def attempt(tab: Page, app: App, name: str) -> dict[str, object]:
    arguments = {"base": f"http://{name}:{port_of(app)}", "paths": PATHS, "upload": "/_stcore/upload_file/s/f"}
    results: dict[str, object] = tab.evaluate(ATTEMPT, arguments)
    return results


@pytest.mark.parametrize(("method", "path", "status"), ROUTES)
def test_own_names_are_served_at_every_door(app: App, method: str, path: str, status: int) -> None:
    for name in ("127.0.0.1", "localhost", "[::1]", "LOCALHOST."):
        host = f"{name}:{port_of(app)}"
        assert request(app, method, path, ("Host", host), ("Origin", f"http://{host}"))[0] == status
        assert request(app, method, path, ("Host", host))[0] == status  # no page: a script, a health probe


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in ROUTES])
def test_a_foreign_name_is_refused_at_every_door(app: App, method: str, path: str) -> None:
    own = f"127.0.0.1:{port_of(app)}"
    foreign = f"evil.example:{port_of(app)}"
    for headers in (
        [("Host", foreign)],
        [("Host", foreign), ("Origin", f"http://{foreign}")],
        [("Host", foreign), ("X-Forwarded-Host", own), ("Forwarded", f"host={own}")],
        [("Host", foreign), ("Origin", "https://docs.example.com")],
    ):
        status, text = request(app, method, path, *headers)
        assert status == 421 and ("PAGEWISE_ALLOWED_HOSTS" in text or method == "HEAD")
    for headers in ([], [("Host", own), ("Host", foreign)], [("Host", foreign), ("Host", own)], [("Host", "a b")]):
        assert request(app, method, path, *headers)[0] == 400


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in ROUTES])
def test_a_foreign_origin_is_refused_at_every_door(app: App, method: str, path: str) -> None:
    own = f"127.0.0.1:{port_of(app)}"
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"http://localhost:{port_of(app)}"):
        status, text = request(app, method, path, ("Host", own), ("Origin", origin))
        assert status == 403 and ("other sites" in text or method == "HEAD")


def test_the_host_header_decides_where_the_target_names_a_host_too(app: App) -> None:
    """Only proxies send such targets, never a browser to a server."""
    own, foreign = f"127.0.0.1:{port_of(app)}", f"evil.example:{port_of(app)}"
    for target in (own, foreign):
        assert request(app, "GET", f"http://{target}/health", ("Host", foreign))[0] == 421
        assert request(app, "GET", f"http://{target}{STREAM}", ("Host", foreign))[0] == 421
        assert request(app, "GET", f"http://{target}/health", ("Host", own))[0] == 200


def test_a_refusal_carries_the_headers_of_every_response(app: App) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(app), timeout=60)
    connection.request("GET", "/", headers={"Host": "evil.example"})
    response = connection.getresponse()
    assert response.status == 421 and response.headers["content-type"].startswith("text/plain")
    assert response.headers["x-content-type-options"] == "nosniff"
    connection.close()


def test_no_origin_makes_the_server_look_for_its_address_outside(app: App) -> None:
    """Streamlit's own check dials 8.8.8.8 and a web service where Origin and Host are not the same string."""
    record = Path(os.environ["OFFLINE_GUARD"])
    before = record.read_text() if record.exists() else ""
    port = port_of(app)
    for origin, host, status in (
        ("http://evil.example", f"127.0.0.1:{port}", 403),
        ("http://evil.example", "evil.example", 421),
        ("https://docs.example.com", f"127.0.0.1:{port}", 101),  # a proxy that passes its own name for the app
        ("https://docs.example.com", "docs.example.com", 101),
        ("https://docs.example.com", "Docs.Example.com:443", 101),
    ):
        assert request(app, "GET", STREAM, ("Host", host), ("Origin", origin))[0] == status
    assert (record.read_text() if record.exists() else "") == before


@pytest.mark.browser
def test_a_rebound_name_gets_no_library_no_websocket_and_no_upload(app: App, tab: Page, tmp_path: Path) -> None:
    tab.goto(f"{app.url}/library")
    tab.locator("[data-testid=stMain] input[type=file]").set_input_files(make_pdf(tmp_path / "ledger.pdf", ["Secret."]))
    expect(tab.locator("[class*=st-key-doc-]")).to_contain_text("ledger.pdf")
    assert attempt(tab, app, "127.0.0.1") == {
        **{"/": 200, "/health": 200, "/media/0123.pdf": 404, "/_stcore/host-config": 200},
        **{"upload": 403, "socket": "open"},
    }
    for name in ("evil.example", "localhost.evil.example"):
        foreign = f"http://{name}:{port_of(app)}"
        page = tab.goto(f"{foreign}/library")
        assert page is not None and page.status == 421
        expect(tab.locator("body")).to_contain_text("PAGEWISE_ALLOWED_HOSTS")
        assert tab.locator(".stApp, script, [class*=st-key-]").count() == 0
        # The site's own page, as it was loaded before its name was made to resolve to the app.
        tab.route(f"{foreign}/start", lambda route: route.fulfill(content_type="text/html", body="<p>a page</p>"))
        tab.goto(f"{foreign}/start")
        assert attempt(tab, app, name) == {**dict.fromkeys([*PATHS, "upload"], 421), "socket": "failed"}


@pytest.mark.browser
@pytest.mark.parametrize("site", ["127.0.0.1", "localhost", "evil.example"])
def test_a_page_of_another_port_or_site_opens_no_websocket(app: App, tab: Page, site: str) -> None:
    with serving([Reply()], {"/": Reply(body="a page")}) as other:
        tab.goto(other.root.replace("127.0.0.1", site))
        for name in ("127.0.0.1", "localhost", "evil.example"):
            results = attempt(tab, app, name)
            assert results == dict.fromkeys([*PATHS, "upload", "socket"], "failed")  # none can be read


@pytest.mark.browser
def test_localhost_opens_the_app(app: App, tab: Page) -> None:
    tab.goto(f"http://localhost:{port_of(app)}")
    expect(tab.get_by_role("link", name="Library")).to_be_visible()
    assert attempt(tab, app, "localhost")["socket"] == "open"
