"""Signing in and out."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.browsing import ADA, ADMIN, UMA, Tabs, exceed_rate_limit, focused, sign_in
from tests.cast import PASSWORD


def test_signing_in_leads_to_the_requested_page_and_signing_out_ends_the_session(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(scripts=scripts)

    sign_in(page, ADMIN, at="/users/?q=okafor")
    expect(page).to_have_url(re.compile(r"/users/\?q=okafor$"))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/users/")

    expect(page).to_have_url(re.compile("/login"))


def test_everybody_lands_on_their_own_first_page(tabs: Tabs) -> None:
    for person, path in ((ADMIN, "/"), (ADA, "/"), (UMA, "/account/")):
        page = tabs.open()
        sign_in(page, person)
        expect(page).to_have_url(tabs.site.url + path)


def test_a_wrong_password_explains_what_to_do_and_keeps_the_email(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(scripts=scripts)
    page.goto("/login")
    assert focused(page) == "email"

    page.get_by_label("Email").fill(ADA)
    page.get_by_label("Password").fill("not the one")
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text("don’t match")
    expect(page.get_by_label("Email")).to_have_value(ADA)


def test_au7_after_too_many_attempts_an_administrator_can_unlock_a_person(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('rate-limited')}@example.com", tenant=tabs.site.acme)
    page, chief = tabs.open(scripts=scripts), tabs.open(ADMIN, scripts=scripts)

    exceed_rate_limit(page, person.email)
    expect(page.get_by_label("Email")).to_have_value(person.email)
    chief.goto(f"/users/{person.id}")
    chief.get_by_role("button", name="Unlock").click()
    expect(chief.get_by_text("can try to sign in again")).to_be_visible()
    expect(chief.get_by_role("button", name="Unlock")).to_have_count(0)

    sign_in(page, person.email, PASSWORD)
    expect(page).to_have_url(re.compile("/account/$"))


def test_going_back_after_signing_out_shows_nothing(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(scripts=scripts)
    sign_in(page, ADMIN, at="/users/?q=okafor")
    expect(page.get_by_role("link", name="Ada Okafor", exact=True)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    page.go_back()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "Okafor" not in page.content()
