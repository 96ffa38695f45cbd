"""Does the history tell what was done, and is it undone from there?"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN, UMA, Tabs, focused
from tests.browser.scenes import rename
from tests.cast import Person


@pytest.fixture
def person(tabs: Tabs) -> Person:
    """Somebody of this journey's own."""
    return tabs.site.build.person(f"{tabs.site.fresh('tove')}@example.com")


def history(page: Page) -> str:
    return page.locator(".trail").first.inner_text()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_an_edit_is_undone_from_the_message_that_confirms_it(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    rename(page, person, "Renata")
    expect(page.get_by_role("heading", level=1)).to_have_text("Renata Example")

    page.locator("#toasts").get_by_role("button", name="Undo").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(person.name)
    assert "changed the first name" in history(page)
    assert "by undo" in history(page)


def test_the_message_that_undoes_is_the_first_thing_the_keyboard_meets(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    rename(page, person, "Renata")

    for _ in range(2):  # past the link that skips to the content
        page.keyboard.press("Tab")

    expect(page.locator("#toasts").get_by_role("button", name="Undo")).to_be_focused()


def test_an_act_is_undone_from_its_entry_and_refused_where_it_was_changed_since(tabs: Tabs, person: Person) -> None:
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


def test_the_history_is_searched_while_one_types(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    rename(page, person, "Renata")
    page.goto("/activity/")

    page.get_by_role("searchbox").press_sequentially(person.email.split("@")[0], delay=20)

    expect(page.get_by_role("status").filter(has_text="of")).to_contain_text("1–2 of 2")
    page.get_by_label("Any field").select_option("first_name")
    expect(page.get_by_role("status").filter(has_text="of")).to_contain_text("1–1 of 1")
    expect(page.locator(".chip")).to_have_count(1)


def test_what_is_listed_is_exported_as_a_file(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    rename(page, person, "Renata")
    page.goto("/activity/?action=update")

    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()

    assert download.value.suggested_filename.endswith(".csv")
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert text.startswith('"at","who","what",')
    assert "Renata" in text
    assert "signed in" not in text


def test_a_date_is_typed_into_one_entry_of_the_browsers_history(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/activity/")
    before = page.evaluate("history.length")

    page.get_by_label("From").focus()
    page.keyboard.type("01022020", delay=300)  # slower than a search waits
    expect(page).to_have_url(re.compile("from=2020-01-02"))

    assert page.evaluate("history.length") == before + 1
    assert focused(page) == "from"
    expect(page.locator(".chip")).to_contain_text("From 2020-01-02")
    page.go_back()
    expect(page).to_have_url(tabs.site.url + "/activity/")
    expect(page.locator(".chip")).to_have_count(0)


def test_without_scripts_the_button_sends_every_filter_at_once(tabs: Tabs, person: Person) -> None:
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
    page.get_by_role("link", name="Until 2999-01-01").click()
    expect(page.get_by_label("Until")).to_have_value("")


def test_the_time_of_an_entry_leads_to_the_act_which_says_from_where(tabs: Tabs, person: Person) -> None:
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


def test_an_act_is_undone_by_keyboard_alone(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    rename(page, person, "Renata")
    page.goto(f"/activity/?row={person.id}&action=update")
    undo = page.get_by_role("button", name="Undo: Renata Example")

    for _ in range(40):
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
