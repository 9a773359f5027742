"""For the whole suite: no network but loopback, no settings or home of the person who runs it, no silent browser skips.

Helpers are imported as `from tests.support.fakes import …` and `from tests.support.pdfs import …`.
"""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

CHROMIUM = "/usr/bin/chromium"
REQUIRE_BROWSER = os.environ.get("REQUIRE_BROWSER", "") not in ("", "0")  # set by .ci/run: a skip is a failure

_HERE = Path(__file__).parent
_home = pytest.StashKey[Path]()

# The suite must say the same each time it is run, and a busy machine is no failure.
hypothesis_settings.register_profile("suite", deadline=None, derandomize=True, database=None)
hypothesis_settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    # Here and not in a fixture: fixtures of a whole session start apps and servers, and those inherit the environment.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a suite in the background: what it starts must hear Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="pagewise-tests-"))
    config.stash[_home] = home
    for name in [name for name in os.environ if name.startswith(("PAGEWISE_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_"))]:
        del os.environ[name]
    shared = os.environ.get("XDG_CACHE_HOME", "") if "PYTEST_XDIST_WORKER" in os.environ else ""
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        folder = home / name.lower()
        folder.mkdir()
        os.environ[name] = str(folder)
    if shared:  # that of the process which started the workers: the embedder is made ready once for all of them
        os.environ["XDG_CACHE_HOME"] = shared
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
    os.environ["OFFLINE_GUARD"] = str(home / "network.log")
    guard = str(_HERE / "guard")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (guard, str(_HERE.parent), os.environ.get("PYTHONPATH"))))
    import tests.guard.sitecustomize  # noqa: F401  this process is already running, so the guard is put in by hand


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_home], ignore_errors=True)


@pytest.fixture(autouse=True)
def _stays_on_loopback() -> Iterator[None]:
    """Fails the test in which anything, also a library that swallows refusals, reached for the network."""
    log = Path(os.environ["OFFLINE_GUARD"])
    before = log.stat().st_size if log.exists() else 0
    yield
    if log.exists() and log.stat().st_size > before:
        pytest.fail("reached for the network: " + log.read_text()[before:].strip())


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a library folder of its own, and finds no pagewise.toml of the person who runs it."""
    monkeypatch.setenv("PAGEWISE_DATA", str(tmp_path / "library"))
    monkeypatch.setenv("PAGEWISE_OCR", "off")  # the same with and without the extra; tests/test_ocr.py has its own
    monkeypatch.chdir(tmp_path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.path.exists(CHROMIUM) or REQUIRE_BROWSER:  # required: let them run and fail
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=f"no {CHROMIUM}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = [report for report in terminalreporter.getreports("skipped") if "browser" in report.keywords]
    if skipped:
        terminalreporter.write_line(
            f"!!! {len(skipped)} BROWSER TESTS WERE SKIPPED: there is no {CHROMIUM} (Debian: apt-get install chromium)",
            red=True,
            bold=True,
        )


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not REQUIRE_BROWSER:
        return
    skipped = [report for report in reporter.getreports("skipped") if "browser" in report.keywords]
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _same_main() -> Iterator[None]:
    """Streamlit's AppTest leaves the app's script behind as `__main__`; a process started later would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
