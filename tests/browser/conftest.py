"""The browser and the portal of the browser tests, and a notice if there is no browser."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from portal.demo_data.seed import seed_demo
from tests.browser import marionette
from tests.browser.browsing import FLAGS, MISSING, Site, Tabs, executable
from tests.browser.server import served
from tests.cast import Builder, Person
from tests.database import Server, app_for, disconnect

IS_REQUIRED = os.environ.get("PORTAL_REQUIRE_BROWSER", "") not in ("", "0")
IS_SKIPPED = executable() is None and not IS_REQUIRED
IS_FIREFOX_SKIPPED = marionette.executable() is None and not IS_REQUIRED
collect_ignore_glob = ["test_*.py"] if IS_SKIPPED else ["test_firefox.py"] if IS_FIREFOX_SKIPPED else []


def pytest_itemcollected(item: pytest.Item) -> None:
    """Repeat a failed test once, because a browser on a busy machine may be late."""
    item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if IS_SKIPPED:
        terminalreporter.write_line(MISSING)
    if IS_FIREFOX_SKIPPED:
        terminalreporter.write_line(marionette.MISSING)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = executable()
    assert path is not None, MISSING
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(database_server: Server, template_database: str) -> Iterator[Site]:
    """A portal with demo data, shared by all tests. Each one changes only rows that it created."""
    address = database_server.create("browser", template=template_database)
    app = app_for(address)
    with app.app_context():
        seed_demo(people=300)
    with served(address) as url:
        yield Site(url, Builder(app))
    disconnect(app)


@pytest.fixture
def tabs(browser: Browser, site: Site) -> Iterator[Tabs]:
    """Open pages. At the end, the browser must not have complained about any of them."""
    tabs = Tabs(browser, site)
    yield tabs
    tabs.close()
    assert tabs.complaints == []


@pytest.fixture(params=[True, False], ids=["with-scripts", "without-scripts"])
def scripts(request: pytest.FixtureRequest) -> bool:
    """Whether JavaScript is on. The test is the same without."""
    return bool(request.param)


@pytest.fixture
def person(tabs: Tabs) -> Person:
    """A person that only this test uses."""
    return tabs.site.build.person(f"{tabs.site.fresh('tove')}@example.com")
