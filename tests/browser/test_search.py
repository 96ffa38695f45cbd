"""The search and keyboard shortcuts by keyboard alone, and the search without JavaScript."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN, UMA, Tabs, focused


def at_people(tabs: Tabs) -> Page:
    page = tabs.open(ADMIN)
    page.goto("/users/")
    return page


def test_a_person_is_found_and_opened_by_keyboard(tabs: Tabs) -> None:
    page = at_people(tabs)
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Search")
    expect(field).to_be_focused()

    page.keyboard.type("ada okafor")
    first = page.get_by_role("option", name="Ada Okafor").first
    expect(first).to_have_attribute("aria-selected", "true")
    expect(page.locator(".finder [role=status]")).to_have_text(re.compile(r"^\d+ results?$"))
    assert field.get_attribute("aria-activedescendant") == first.get_attribute("id")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Ada Okafor", level=1)).to_be_visible()


def test_arrows_move_through_the_options_and_escape_returns_the_focus(tabs: Tabs) -> None:
    page = at_people(tabs)
    page.get_by_role("link", name="New person").focus()
    page.keyboard.press("Control+k")
    options = page.locator("#found [role=option]")
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")

    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    expect(page.locator("[aria-selected=true]")).to_have_count(1)
    page.keyboard.type("data brow")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name="New person")).to_be_focused()
    assert page.url.endswith("/users/")


def test_enter_waits_for_the_results_of_what_was_typed(tabs: Tabs) -> None:
    page = at_people(tabs)
    page.keyboard.press("Control+k")
    expect(page.locator("#found [role=option]").first).to_be_visible()

    page.keyboard.type("activity")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Activity", level=1)).to_be_visible()


def test_shortcuts_open_pages_but_not_while_typing_or_when_turned_off(tabs: Tabs) -> None:
    page = at_people(tabs)
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", name="Teams", level=1)).to_be_visible()

    page.get_by_role("searchbox").press_sequentially("g/?")
    expect(page).to_have_url(re.compile("q=g"))
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.goto("/shortcuts")
    page.get_by_role("button", name="Turn off single-key shortcuts").click()
    expect(page.get_by_role("button", name="Turn on single-key shortcuts")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Turn on single-key shortcuts").click()
    expect(page.get_by_role("button", name="Turn off single-key shortcuts")).to_be_visible()


def test_rows_of_a_list_are_reached_selected_and_edited_by_single_keys(tabs: Tabs) -> None:
    page = at_people(tabs)
    titles, boxes = page.locator("tbody td:first-child a"), page.locator("tbody [name=id]")
    for key in "jjxjkk":
        page.keyboard.press(key)
    expect(titles.nth(0)).to_be_focused()
    expect(boxes.nth(1)).to_be_checked()
    expect(page.locator("output", has_text="1 selected")).to_be_visible()
    name = titles.nth(0).inner_text()

    page.keyboard.press("e")

    expect(page.get_by_role("heading", name=f"Edit {name}")).to_be_visible()


def test_the_search_is_a_page_without_scripts(tabs: Tabs) -> None:
    page = tabs.open(UMA, scripts=False)
    page.goto("/account/")
    page.get_by_role("link", name="Search").click()
    page.get_by_role("searchbox", name="Search").fill("token")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("main").get_by_role("link", name="API tokens").click()
    expect(page).to_have_url(re.compile("/account/tokens"))

    page.goto("/search?q=sign+out")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_focus_starts_in_the_field_of_the_search_page(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/search")
    page.get_by_role("heading", name="Search").click()
    page.keyboard.press("/")

    assert focused(page) == "q"
    expect(page.get_by_role("dialog")).to_have_count(0)
