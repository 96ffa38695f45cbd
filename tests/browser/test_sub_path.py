"""A portal below a path works in a browser: signing in, searching, dialogs, themes, going back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from portal.core.actor import Role
from tests.browser.browsing import Site, Tabs, sign_in
from tests.browser.server import served
from tests.cast import PASSWORD, Builder
from tests.database import app_for, disconnect


@pytest.fixture
def tabs_below_path(browser: Browser, fresh_database: str) -> Iterator[Tabs]:
    """Pages of a portal below a path. The browser must not request anything outside it."""
    app = app_for(fresh_database)
    with served(fresh_database, "http://127.0.0.1/portal") as origin:
        tabs = Tabs(browser, Site(f"{origin}/portal/", Builder(app)))
        yield tabs
        tabs.close()
    disconnect(app)
    assert tabs.complaints == []


def test_a_portal_below_a_path_works_and_requests_nothing_outside_it(tabs_below_path: Tabs, scripts: bool) -> None:
    build = tabs_below_path.site.build
    acme = build.tenant("Acme")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    uma = build.person("uma@example.com", tenant=acme)
    page = tabs_below_path.open(scripts=scripts, color_scheme="light")

    sign_in(page, ada.email, PASSWORD, at="users/?status=active")
    page.get_by_role("searchbox").press_sequentially("uma")
    if not scripts:
        page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile(r"/portal/users/\?.*q=uma"))
    page.get_by_role("button", name="Dark theme").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.get_by_role("link", name=uma.name).first.click()
    expect(page).to_have_url(re.compile(f"/portal/users/{uma.id}"))
    page.get_by_role("link", name="Delete").first.click()
    page.get_by_role("button", name="Delete").last.click()
    expect(page).to_have_url(re.compile(r"/portal/users/\?.*q=uma"))
    expect(page.locator("#toasts")).to_contain_text(f"{uma.name}")
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(re.compile(f"/portal/users/{uma.id}"))
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"/portal/login"))

    own = {(f"portal+portal{kind}", "/portal") for kind in ("", "-device", "-theme")}
    of_script = {("time_zone", "/portal/")} if scripts else set()
    assert {(one["name"], one["path"]) for one in page.context.cookies()} == own | of_script
