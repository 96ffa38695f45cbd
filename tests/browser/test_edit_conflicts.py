"""Two people edit the same person at the same time."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN, Tabs


def save(page: Page, **values: str) -> None:
    for label, value in values.items():
        page.get_by_label(label.replace("_", " ").capitalize()).fill(value)
    page.get_by_role("button", name="Save changes").click()


def test_conflicting_edits_are_both_shown_and_none_is_lost(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('rosa')}@example.com", first_name="Rosa")
    mine, theirs = tabs.open(ADMIN, scripts=scripts), tabs.open(ADMIN, scripts=scripts)
    for page in (mine, theirs):
        page.goto(f"/users/{person.id}/edit")
    save(theirs, first_name="Rosalind", last_name="Castellano")
    expect(theirs.get_by_role("heading", name="Rosalind Castellano")).to_be_visible()

    with mine.expect_response(lambda answer: answer.request.method == "POST") as answer:
        save(mine, first_name="Rosie")
    assert answer.value.status == 409
    choice = mine.get_by_role("group", name="First name")
    expect(choice.get_by_label("Rosalind")).not_to_be_checked()
    expect(choice.get_by_label("Rosie")).to_be_checked()
    expect(mine.get_by_role("region", name="Already merged")).to_contain_text("Castellano")
    choice.get_by_label("Rosalind").check()
    choice.get_by_label("Rosie").check()
    mine.get_by_role("button", name="Save changes").click()

    expect(mine.get_by_role("heading", name="Rosie Castellano")).to_be_visible()


def test_a_conflicting_edit_can_be_discarded(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('sten')}@example.com")
    mine, theirs = tabs.open(ADMIN, scripts=scripts), tabs.open(ADMIN, scripts=scripts)
    for page in (mine, theirs):
        page.goto(f"/users/{person.id}/edit")
    save(theirs, first_name="Theirs")
    expect(theirs.get_by_role("heading", name="Theirs Example")).to_be_visible()

    save(mine, first_name="Mine")
    mine.get_by_role("link", name="Discard my changes").click()

    expect(mine.get_by_role("heading", name="Theirs Example")).to_be_visible()
