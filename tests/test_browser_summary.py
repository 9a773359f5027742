"""A long summary in a real browser: priced, started, stopped, and resumed after a stop and after the server's death."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsing import WAIT, App, chromium, running
from tests.support.pdfs import make_pdf
from tests.support.servers import Reply, Request, Scripted, said, serving

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PAGES = 30


class Asked:
    """What the model was asked."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.prompts: list[str] = []
        self.pause = 0.05

    def reply(self, request: Request) -> Reply:
        with self.lock:
            self.prompts.append(request.body["messages"][-1]["content"])
        return said("The traveller ", "met a person ", "near the river ", "[1].", pause=self.pause)


@pytest.fixture(scope="module")
def asked() -> Asked:
    return Asked()


@pytest.fixture(scope="module")
def server(asked: Asked) -> Iterator[Scripted]:
    with serving(asked.reply) as server:
        yield server


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a library that holds one book."""
    folder = tmp_path_factory.mktemp("summary")
    lines = [[f"On page {n} the traveller met person {n}x{i} near the river." for i in range(25)] for n in range(PAGES)]
    make_pdf(folder / "book.pdf", ["\n".join(page) for page in lines])
    command = [
        sys.executable,
        "-m",
        "app.cli.main",
        "ingest",
        str(folder / "book.pdf"),
        "--data",
        str(folder / "library"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def environment(server: Scripted) -> dict[str, str]:
    how = {"API_BASE": server.url, "MODEL": "openai:scripted", "CONTEXT": "3000", "PARALLEL": "2", "API_SECONDS": "30"}
    return {f"PAGEWISE_{name}": value for name, value in how.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def opened(browser: Browser, url: str) -> Page:
    tab = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB").new_page()
    tab.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    tab.goto(url)
    return tab


def dialog(tab: Page, app: App) -> Page:
    tab.goto(f"{app.url}/library")
    tab.locator("[class*=st-key-sum-] button:visible").click()
    expect(tab.get_by_role("dialog")).to_contain_text("At most", timeout=WAIT)
    return tab


def summary(tab: Page) -> str:
    return tab.locator("[data-testid=stChatMessage]").nth(1).inner_text()


def test_a_summary_is_priced_started_stopped_and_goes_on(
    place: Path, environment: dict[str, str], asked: Asked, browser: Browser
) -> None:
    with running(place, environment) as app:
        tab = opened(browser, f"{app.url}/settings")
        tab.locator(".st-key-price-model input").fill("openai:scr*")
        tab.locator(".st-key-price-in input").fill("1")
        tab.locator(".st-key-price-out input").fill("2")
        tab.locator(".st-key-price-currency input").fill("EUR")
        tab.locator(".st-key-price-save button").click()
        expect(tab.locator(".st-key-price-0")).to_contain_text("scr*")
        assert 'model = "openai:scr*"' in (place / "library" / "prices.toml").read_text()

        offered = dialog(tab, app).get_by_role("dialog")
        expect(offered.get_by_text("At most")).to_have_count(4, timeout=WAIT)
        told = offered.inner_text()
        assert told.count("EUR") >= 4 and told.count("time not known yet") == 4
        assert not asked.prompts, "nothing is asked before it is started"
        tab.get_by_role("dialog").locator("label").filter(has_text="recursive").first.click()
        tab.locator(".st-key-summary-go button").click()
        expect(tab.locator("[data-testid=stChatMessage]").nth(1)).to_contain_text("Level 1 of", timeout=WAIT)
        expect(tab.locator("[data-testid=stChatMessage]").nth(1)).to_contain_text("Read 5 of", timeout=WAIT)
        tab.locator(".st-key-stop button").click()
        expect(tab.locator("[class*=st-key-resume-] button:visible")).to_be_visible(timeout=WAIT)
        assert "read and kept" in summary(tab)
        before = len(asked.prompts)
        tab.locator("[class*=st-key-resume-] button:visible").click()
        expect(tab.locator("[data-testid=stChatMessage]").nth(1)).to_contain_text("Read 12 of", timeout=WAIT)
        address = tab.url
        tab.reload()
        expect(tab.locator("[data-testid=stChatMessage]").nth(1)).to_contain_text("Read", timeout=WAIT)
        assert len(asked.prompts) > before
        app.process.kill()
        app.process.wait(30)
    asked.pause = 0.0
    with running(place, environment) as app:
        tab = opened(browser, f"{app.url}/{address.split('/', 3)[3]}")
        expect(tab.locator("[class*=st-key-resume-] button:visible")).to_be_visible(timeout=WAIT)
        assert "Pagewise was closed before the answer came" in summary(tab)
        tab.locator("[class*=st-key-resume-] button:visible").click()
        expect(tab.locator(".st-key-stop")).to_have_count(0, timeout=WAIT)
        expect(tab.locator("[data-testid=stChatMessage]").nth(1)).to_contain_text("The traveller met", timeout=WAIT)
        tab.locator("[class*=st-key-steps-] summary").click()
        message = tab.locator("[data-testid=stChatMessage]").nth(1)
        expect(message).to_contain_text("Already there: ", timeout=WAIT)
        expect(message).to_contain_text("EUR", timeout=WAIT)
        again = Counter(asked.prompts)
        assert sum(count > 1 for count in again.values()) <= 3 * 2, "only what was cut off in the middle is asked again"
        assert tab.locator("[class*=st-key-resume-]").count() == 0

        asked_before = len(asked.prompts)
        dialog(tab, app)
        expect(tab.get_by_role("dialog")).to_contain_text("calls are already there", timeout=WAIT)
        tab.get_by_role("dialog").locator("label").filter(has_text="map_reduce").first.click()
        tab.locator("[class*=st-key-summary-caps] summary").click()
        tab.locator(".st-key-cap-calls input").fill("6")
        tab.locator(".st-key-cap-calls input").press("Enter")
        tab.locator(".st-key-summary-go button").click()
        expect(message).to_contain_text("cap of 6 model calls", timeout=WAIT)
        assert len(asked.prompts) <= asked_before + 6 and "The traveller met" in summary(tab)
    assert "Traceback" not in (place / "log").read_text()
