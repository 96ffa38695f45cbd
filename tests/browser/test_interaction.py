"""Keyboard use, phones, themes, failing networks and time zones."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN, Tabs, focused, sign_in
from tests.cast import PASSWORD


def background(page: Page) -> str:
    page.wait_for_load_state()
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_a_theme_can_be_chosen_and_reset_to_the_systems(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts, color_scheme="light")
    page.goto("/users/?q=okafor")
    light = background(page)

    page.get_by_role("button", name="Dark theme").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert page.url.endswith("/users/?q=okafor"), "the choice returns to the same page"
    expect(page.get_by_role("button", name="Dark theme")).to_have_attribute("aria-pressed", "true")
    dark = background(page)
    page.goto("/account/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.get_by_role("button", name="System theme").click()
    expect(page.get_by_role("button", name="System theme")).to_have_attribute("aria-pressed", "true")

    assert dark != light
    assert background(page) == light
    page.emulate_media(color_scheme="dark")
    assert background(page) == dark


def test_changing_the_theme_keeps_what_is_shown_only_once(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('once')}@example.com", tenant=tabs.site.acme)
    page = tabs.open(scripts=scripts)
    sign_in(page, person.email, PASSWORD)
    page.goto("/account/tokens/")
    page.get_by_label("Name").fill("Nightly report")
    page.get_by_role("button", name="Create token").click()
    token = page.locator("#token").inner_text()

    if scripts:
        page.get_by_role("button", name="Dark theme").click()
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
        expect(page.get_by_role("button", name="Dark theme")).to_have_attribute("aria-pressed", "true")
    else:
        expect(page.get_by_role("button", name="Dark theme")).to_be_hidden()

    assert page.locator("#token").inner_text() == token
    page.goto("/account/")
    expect(page.get_by_role("button", name="Dark theme")).to_have_attribute("aria-pressed", str(scripts).lower())


def test_on_a_phone_the_menu_opens_and_closes_by_keyboard(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts, width=320)
    page.goto("/")
    menu, people = page.get_by_role("button", name="Menu"), page.get_by_role("link", name="People", exact=True)
    expect(people).to_be_hidden()

    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    expect(people).to_be_visible()
    page.keyboard.press("Escape")
    expect(people).to_be_hidden()
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(10):
        page.keyboard.press("Tab")
        if people.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="People")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


def test_the_skip_link_comes_first_and_leads_to_the_content(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")

    assert focused(page) == "main"


def test_a_network_failure_is_reported_and_the_page_stays(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/users/")
    page.context.set_offline(True)

    page.get_by_role("searchbox").press_sequentially("okafor")

    expect(page.locator("#toasts")).to_contain_text("The portal is unavailable")
    expect(page.locator(".list tbody tr")).to_have_count(25)
    assert focused(page) == "q"
    page.context.set_offline(False)
    page.get_by_role("searchbox").press_sequentially(" ada")
    expect(page.locator(".list tbody tr")).to_have_count(1)
    assert all("ERR_INTERNET_DISCONNECTED" in text or "Failed to fetch" in text for text in tabs.complaints)
    tabs.complaints.clear()


def test_a_search_after_the_session_ended_leads_to_the_sign_in_page(tabs: Tabs) -> None:
    page = tabs.open()
    sign_in(page, ADMIN, at="/users/")
    other = page.context.new_page()
    other.goto("/account/")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()

    page.get_by_role("searchbox").press_sequentially("okafor")

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_opening_a_dialog_for_a_deleted_row_shows_an_error(tabs: Tabs) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('ulf')}@example.com")
    page, other = tabs.open(ADMIN), tabs.open(ADMIN)
    page.goto(f"/users/{person.id}")
    other.goto(f"/users/{person.id}/delete")
    other.get_by_role("button", name="Delete person").click()
    expect(other.locator("#toasts")).to_contain_text("deleted")

    page.get_by_role("link", name="Delete…").click()

    expect(page.locator("#toasts .note-error")).to_be_visible()
    expect(page.get_by_role("heading", name=person.name)).to_be_visible()


def test_all_times_on_a_page_are_in_the_browsers_time_zone(tabs: Tabs) -> None:
    page = tabs.open(ADMIN, timezone_id="Asia/Tokyo")
    page.goto("/account/")  # reload, because the session began in another zone

    expect(page.locator("time").first).to_have_attribute("title", re.compile(r"JST$"))
    titles = page.locator("time").evaluate_all("times => times.map((time) => time.title)")
    assert titles
    assert all(title.endswith("JST") for title in titles)
    page.goto("/activity/")
    expect(page.locator("main")).to_contain_text("Days and times are Asia/Tokyo.")
