"""Selecting rows of a list and acting on them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.browsing import ADMIN, Tabs


@pytest.fixture
def crew(tabs: Tabs) -> str:
    """A search that finds thirty people, on two pages."""
    word = tabs.site.fresh("crew")
    for place in range(30):
        tabs.site.build.person(f"{word}.{place:02}@example.com", tenant=tabs.site.acme, first_name=word, password="-")
    return word


def rows(page: Page) -> Locator:
    return page.locator("tbody input[name=id]")


def bar(page: Page) -> Locator:
    return page.get_by_role("group", name="Actions", exact=True)


def selected(page: Page) -> list[int]:
    boxes = rows(page)
    return [place for place in range(boxes.count()) if boxes.nth(place).is_checked()]


def test_the_actions_appear_with_the_first_selected_row(tabs: Tabs, crew: str, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto(f"/users/?q={crew}")
    expect(bar(page)).to_be_hidden()

    rows(page).nth(3).check()
    expect(bar(page)).to_be_visible()
    expect(bar(page).get_by_role("status")).to_have_text("1 selected" if scripts else "Selected people")
    bar(page).get_by_role("button", name="Clear selection").click()

    expect(bar(page)).to_be_hidden()
    assert selected(page) == []


def test_shift_selects_a_range_and_the_head_the_page(tabs: Tabs, crew: str) -> None:
    page = tabs.open(ADMIN)
    page.goto(f"/users/?q={crew}")
    head = page.get_by_role("checkbox", name="Select all on this page")

    rows(page).nth(2).check()
    rows(page).nth(5).click(modifiers=["Shift"])
    assert selected(page) == [2, 3, 4, 5]
    rows(page).nth(4).uncheck()
    rows(page).nth(3).click(modifiers=["Shift"])
    assert selected(page) == [2, 5]
    assert head.evaluate("box => box.indeterminate")

    head.check()
    expect(bar(page).get_by_role("status")).to_have_text("25 selected")
    page.keyboard.press("Escape")
    assert selected(page) == []


def test_all_matching_rows_are_changed_with_and_without_scripts(tabs: Tabs, crew: str, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto(f"/users/?q={crew}")
    if scripts:
        page.get_by_role("checkbox", name="Select all on this page").check()
    else:
        rows(page).first.check()

    bar(page).get_by_label("Select all 30").check()
    bar(page).get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("heading", name="Deactivate 30 people?")).to_be_visible()
    page.get_by_role("button", name="Deactivate").click()

    expect(page.locator("#toasts")).to_contain_text("30 people deactivated.")
    expect(page).to_have_url(re.compile(rf"/users/\?q={crew}$"))
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("Change of 30 people undone.")


def test_all_matching_rows_stay_selected_only_with_the_whole_page(tabs: Tabs, crew: str) -> None:
    page = tabs.open(ADMIN)
    page.goto(f"/users/?q={crew}")
    page.get_by_role("checkbox", name="Select all on this page").check()
    bar(page).get_by_label("Select all 30").check()
    expect(bar(page).get_by_role("status")).to_have_text("All selected")

    rows(page).nth(7).uncheck()

    expect(bar(page).get_by_role("status")).to_have_text("24 selected")
    expect(bar(page).get_by_label("Select all 30")).to_be_hidden()


def test_a_search_keeps_only_the_rows_that_are_still_listed(tabs: Tabs, crew: str) -> None:
    page = tabs.open(ADMIN)
    page.goto(f"/users/?q={crew}")
    kept = page.get_by_role("checkbox", name=f"Select {crew} Example").nth(0)
    kept.check()
    rows(page).nth(9).check()
    key = rows(page).nth(9).get_attribute("value")
    email = page.locator("tbody tr").nth(9).locator("small").inner_text()

    page.get_by_role("searchbox").fill(email)

    expect(rows(page)).to_have_count(1)
    assert selected(page) == [0]
    assert rows(page).first.get_attribute("value") == key
    expect(bar(page).get_by_role("status")).to_have_text("1 selected")


def test_a_selection_does_not_warn_of_unsaved_changes(tabs: Tabs, crew: str) -> None:
    page = tabs.open(ADMIN)
    page.goto(f"/users/?q={crew}")
    rows(page).first.check()

    page.get_by_role("link", name="Teams").click()

    expect(page.get_by_role("heading", name="Teams")).to_be_visible()


def test_rows_and_the_menu_can_be_used_with_the_keyboard(tabs: Tabs, crew: str) -> None:
    page = tabs.open(ADMIN)
    page.goto(f"/users/?q={crew}")
    rows(page).nth(1).focus()
    page.keyboard.press("Space")
    assert selected(page) == [1]

    bar(page).get_by_text("More").press("Enter")
    bar(page).get_by_role("button", name="Add to team").press("Enter")

    expect(page.get_by_role("heading", name="Add 1 person to a team?")).to_be_visible()
    expect(page.locator("#entry")).to_be_focused()
