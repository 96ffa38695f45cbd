"""Reading the history, searching it, and undoing changes from it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN, UMA, Tabs, focused
from tests.browser.scenes import rename
from tests.cast import Person


def history(page: Page) -> str:
    return page.locator(".trail").first.inner_text()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_an_edit_can_be_undone_from_its_confirmation(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    rename(page, person, "Renata")
    expect(page.get_by_role("heading", level=1)).to_have_text("Renata Example")

    page.locator("#toasts").get_by_role("button", name="Undo").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(person.name)
    assert "changed the first name" in history(page)
    assert "by undoing an earlier change" in history(page)


def test_the_undo_button_of_a_confirmation_is_first_in_the_tab_order(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    rename(page, person, "Renata")

    for _ in range(2):  # past the skip link
        page.keyboard.press("Tab")

    expect(page.locator("#toasts").get_by_role("button", name="Undo")).to_be_focused()


def test_a_change_can_be_undone_from_its_entry_unless_the_value_changed_again(tabs: Tabs, person: Person) -> None:
    page, late = tabs.open(ADMIN), tabs.open(ADMIN)
    rename(page, person, "Renata")
    late.goto(f"/activity/people/{person.id}")
    rename(page, person, "Regina")

    late.get_by_role("button", name="Undo").first.click()

    note = late.locator(".note-error")
    expect(note).to_contain_text("“Regina”")
    expect(note).to_contain_text(f"“{person.name.split()[0]}”")
    late.goto(f"/activity/people/{person.id}")
    late.locator(".trail").get_by_role("button", name="Undo").first.click()
    expect(late.get_by_role("heading", level=1)).to_have_text("Renata Example")


def test_the_history_is_searched_while_typing(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    rename(page, person, "Renata")
    page.goto("/activity/")

    page.get_by_role("searchbox").press_sequentially(person.email.split("@")[0], delay=20)

    expect(page.get_by_role("status").filter(has_text="of")).to_contain_text("1–2 of 2")
    page.get_by_label("Any field").select_option("first_name")
    expect(page.get_by_role("status").filter(has_text="of")).to_contain_text("1–1 of 1")
    expect(page.locator(".chip")).to_have_count(1)


def test_the_listed_activity_can_be_exported(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    rename(page, person, "Renata")
    page.goto("/activity/?action=update")

    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()

    assert download.value.suggested_filename.endswith(".csv")
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert text.startswith('"at","actor","what",')
    assert "Renata" in text
    assert '"Grace Lindqvist","signed in"' not in text


def test_typing_a_date_makes_one_entry_in_the_browser_history(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/activity/")
    before = page.evaluate("history.length")

    page.get_by_label("From").focus()
    page.keyboard.type("01022020", delay=300)  # slower than the delay of the search
    expect(page).to_have_url(re.compile("from=2020-01-02"))

    assert page.evaluate("history.length") == before + 1
    assert focused(page) == "from"
    expect(page.locator(".chip")).to_contain_text("From 2 Jan 2020")
    page.go_back()
    expect(page).to_have_url(tabs.site.url + "/activity/")
    expect(page.locator(".chip")).to_have_count(0)


def test_without_scripts_the_button_submits_all_filters(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN, scripts=False)
    rename(page, person, "Renata")
    page.goto("/activity/")

    page.get_by_role("searchbox").fill(person.email.split("@")[0])
    page.get_by_label("All actions").select_option("update")
    page.get_by_label("Any field").select_option("first_name")
    page.get_by_label("From").fill("2020-01-02")
    page.get_by_label("Until").fill("2999-01-01")
    page.get_by_role("button", name="Search").click()

    expect(page.locator(".trail")).to_contain_text("changed the first name of Renata Example")
    expect(page.locator(".trail > li")).to_have_count(1)
    expect(page.get_by_label("Until")).to_have_value("2999-01-01")
    page.get_by_role("link", name="Until 1 Jan 2999").click()
    expect(page.get_by_label("Until")).to_have_value("")


def test_the_time_of_an_entry_links_to_the_change_with_its_source(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    rename(page, person, "Renata")
    page.goto(f"/activity/people/{person.id}")

    page.locator(".trail a", has=page.locator("time")).first.click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Change details")
    origin = page.get_by_role("region", name="Source")
    expect(origin).to_contain_text("127.0.0.1")
    expect(origin).to_contain_text("Chrome on ")
    origin.get_by_role("link", name="All their activity").click()
    expect(page.locator(".chip")).to_contain_text("By Grace Lindqvist")


def test_a_change_can_be_undone_with_the_keyboard_only(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    rename(page, person, "Renata")
    page.goto(f"/activity/?row={person.id}&action=update")
    undo = page.get_by_role("button", name="Undo: Renata Example")

    for _ in range(60):
        page.keyboard.press("Tab")
        if undo.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text(person.name)


def test_ones_own_activity_says_you(tabs: Tabs) -> None:
    page = tabs.open(UMA)
    page.goto("/account/")

    expect(page.locator(".trail")).to_contain_text("You signed in")
    expect(page.locator(".trail small").first).to_contain_text("127.0.0.1, Chrome on ")
    expect(page.locator(".trail a")).to_have_count(0)
