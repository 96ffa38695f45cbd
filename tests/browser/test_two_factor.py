"""Two-factor authentication with an app and with a passkey."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from portal.core.clock import now
from tests.browser.browsing import Site, Tabs, sign_in, texts
from tests.cast import PASSWORD

ACCOUNT = re.compile("/account/$")
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def named_tabs(browser: Browser, site: Site) -> Iterator[Tabs]:
    """Open pages by host name, because passkeys don't work for IP addresses."""
    tabs = Tabs(browser, Site(site.url.replace("127.0.0.1", "localhost"), site.build))
    yield tabs
    tabs.close()
    assert tabs.complaints == []


def test_an_app_is_set_up_and_then_required_and_a_recovery_code_works_too(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('app')}@example.com", tenant=tabs.site.acme)
    page = tabs.open(scripts=scripts)
    sign_in(page, person.email, PASSWORD)
    page.get_by_role("link", name="Two-factor authentication").click()
    page.get_by_role("link", name="Set up an app").click()
    app = pyotp.TOTP(page.locator("#key").inner_text().replace(" ", ""))
    page.get_by_label("Code", exact=True).fill(app.at(now()))
    page.get_by_role("button", name="Confirm code", exact=True).click()
    recovery = texts(page.locator(".codes li"))
    page.get_by_role("link", name="I’ve saved them").click()
    expect(page.get_by_text("10 are left")).to_be_visible()

    later = now() + timedelta(seconds=30)  # a code works once, and up to a minute too early or too late
    for code in (app.at(later), recovery[0]):
        page.get_by_role("button", name="Sign out").click()
        sign_in(page, person.email, PASSWORD)
        expect(page.get_by_label("Code", exact=True)).to_be_focused()
        page.get_by_label("Code", exact=True).fill(code)
        page.get_by_role("button", name="Continue").click()
        expect(page).to_have_url(ACCOUNT)


def with_device(tabs: Tabs) -> Page:
    page = tabs.open()
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    return page


def test_a_passkey_signs_in_after_the_password_and_alone(named_tabs: Tabs) -> None:
    tabs = named_tabs
    person = tabs.site.build.person(f"{tabs.site.fresh('passkey')}@example.com", tenant=tabs.site.acme)
    page = with_device(tabs)
    sign_in(page, person.email, PASSWORD)
    page.goto("/account/second-factor")
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("link", name="I’ve saved them").click()
    expect(page.get_by_role("link", name="Remove Work laptop")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    sign_in(page, person.email, PASSWORD)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(ACCOUNT)

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(ACCOUNT)
