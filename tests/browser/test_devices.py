"""The list of devices: people see and end their own sessions, administrators those of others."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.browsing import ADA, ADMIN, Tabs, names, sign_in
from tests.cast import PASSWORD

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1"


def test_se7_another_device_can_be_signed_out(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('vera')}@example.com", tenant=tabs.site.acme)
    phone, page = tabs.open(scripts=scripts, user_agent=PHONE), tabs.open(scripts=scripts)
    for one in (phone, page):
        sign_in(one, person.email, PASSWORD)
    page.goto("/account/devices")
    expect(page.get_by_text("This device")).to_have_count(1)

    page.get_by_role("button", name="Sign out Safari on iPhone").click()

    expect(page.locator("#toasts")).to_contain_text("Safari on iPhone was signed out.")
    expect(page.locator(".devices li")).to_have_count(1)
    phone.goto("/account/")
    expect(phone.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/account/")
    expect(page.locator(".trail")).to_contain_text("You ended a session of your account")


def test_se7_administrator_can_sign_a_person_out_everywhere(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('wim')}@example.com", tenant=tabs.site.acme)
    theirs, page = [tabs.open(scripts=scripts) for _ in range(2)], tabs.open(ADA, scripts=scripts)
    for one in theirs:
        sign_in(one, person.email, PASSWORD)
    page.goto(f"/users/{person.id}")
    expect(page.locator(".devices li")).to_have_count(2)

    page.get_by_role("button", name="Sign out everywhere").click()

    expect(page.locator("#toasts")).to_contain_text("2 devices were signed out.")
    expect(page.get_by_text("Not signed in anywhere.")).to_be_visible()
    for one in theirs:
        one.goto("/account/")
        expect(one.get_by_role("heading", name="Sign in")).to_be_visible()


def test_people_who_never_signed_in_can_be_found_until_they_do(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('xenia')}@example.com", tenant=tabs.site.acme)
    page, theirs = tabs.open(ADMIN, scripts=scripts), tabs.open(scripts=scripts)
    page.goto(f"/users/?q={person.email}")

    page.get_by_role("link", name="More filters").click()
    page.get_by_label("Last sign-in", exact=True).select_option("never")
    choose_organizations(page, "Acme Logistics", "Birch & Sons", scripts=scripts)
    page.get_by_role("button", name="Apply filters").click()
    expect(page).to_have_url(re.compile("last_sign_in=never"))
    expect(page.locator(".chip")).to_contain_text(["Acme Logistics", "Birch & Sons", "Never"])
    assert names(page) == [person.name]
    sign_in(theirs, person.email, PASSWORD)
    page.reload()

    expect(page.get_by_role("heading", name="No people match")).to_be_visible()


def choose_organizations(page: Page, *names: str, scripts: bool) -> None:
    """Several values of one filter: each suggestion that was chosen becomes a checkbox."""
    field = page.get_by_label("Add organization")
    if not scripts:
        field.fill(", ".join(names))
        return
    for name in names:
        field.fill(name)
        expect(page.locator(f'#organization-options option[value="{name}"]')).to_be_attached()
        field.press("Tab")
        expect(page.get_by_role("checkbox", name=name)).to_be_checked()
        expect(field).to_have_value("")
