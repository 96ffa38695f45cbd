"""Does the door open and close, for a person with a browser?"""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.browsing import ADA, ADMIN, UMA, Tabs, focused, guess_too_often, sign_in
from tests.cast import PASSWORD


def test_signing_in_leads_on_to_the_page_that_was_wanted_and_signing_out_ends_it(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(scripts=scripts)

    sign_in(page, ADMIN, at="/users/?q=okafor")
    expect(page).to_have_url(re.compile(r"/users/\?q=okafor$"))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/users/")

    expect(page).to_have_url(re.compile("/login"))


def test_everybody_lands_where_their_work_is(tabs: Tabs) -> None:
    for person, path in ((ADMIN, "/"), (ADA, "/"), (UMA, "/account/")):
        page = tabs.open()
        sign_in(page, person)
        expect(page).to_have_url(tabs.site.url + path)


def test_a_wrong_password_says_what_to_do_and_keeps_the_address(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(scripts=scripts)
    page.goto("/login")
    assert focused(page) == "email"

    page.get_by_label("Email").fill(ADA)
    page.get_by_label("Password").fill("not the one")
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text("don’t match")
    expect(page.get_by_label("Email")).to_have_value(ADA)


def test_au7_after_too_many_attempts_a_person_has_to_wait_or_is_unlocked_by_an_administrator(
    tabs: Tabs, scripts: bool
) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('held-back')}@example.com", tenant=tabs.site.acme)
    page, chief = tabs.open(scripts=scripts), tabs.open(ADMIN, scripts=scripts)

    guess_too_often(page, person.email)
    expect(page.get_by_label("Email")).to_have_value(person.email)
    chief.goto(f"/users/{person.id}")
    chief.get_by_role("button", name="Unlock").click()
    expect(chief.get_by_text("can try to sign in again")).to_be_visible()
    expect(chief.get_by_role("button", name="Unlock")).to_have_count(0)

    sign_in(page, person.email, PASSWORD)
    expect(page).to_have_url(re.compile("/account/$"))


def test_back_after_signing_out_shows_nothing_of_what_was_seen(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(scripts=scripts)
    sign_in(page, ADMIN, at="/users/?q=okafor")
    expect(page.get_by_role("link", name="Ada Okafor", exact=True)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    page.go_back()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "Okafor" not in page.content()
