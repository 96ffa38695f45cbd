"""Deleting asks first, and can be undone at once or restored later."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN, Tabs
from tests.cast import Person


def open_confirmation(page: Page, person: Person) -> None:
    page.goto(f"/users/{person.id}")
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("heading", name=f"Delete {person.name}?")).to_be_visible()


@pytest.mark.parametrize("how", ["Escape", "Cancel"])
def test_cancelling_the_dialog_returns_the_focus_to_its_opener(tabs: Tabs, person: Person, how: str) -> None:
    page = tabs.open(ADMIN)
    page.goto(f"/users/{person.id}")
    opener = page.get_by_role("link", name="Delete…")

    opener.press("Enter")
    dialog = page.get_by_role("dialog", name=f"Delete {person.name}?")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.keyboard.press("Enter")

    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    expect(page.get_by_role("heading", name=person.name)).to_be_visible()


def test_the_keyboard_focus_stays_inside_the_dialog(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    open_confirmation(page, person)

    for _ in range(6):
        page.keyboard.press("Tab")
        inside = page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
        assert inside


def test_without_scripts_the_confirmation_is_a_page_with_a_link_back(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN, scripts=False)
    open_confirmation(page, person)
    expect(page).to_have_url(re.compile(rf"/users/{person.id}/delete$"))

    page.get_by_role("link", name="Cancel").click()

    expect(page.get_by_role("heading", name=person.name)).to_be_visible()


def test_a_deletion_can_be_undone_right_after(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    open_confirmation(page, person)

    page.get_by_role("button", name="Delete person").click()
    expect(page.locator("#toasts")).to_contain_text(f"{person.name} deleted")
    page.get_by_role("button", name="Undo").click()

    expect(page.locator("#toasts")).to_contain_text("Change undone")
    expect(page.locator(".facts")).to_contain_text("Active")


def test_a_deleted_person_can_be_restored_from_the_deleted_list(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    open_confirmation(page, person)
    page.get_by_role("button", name="Delete person").click()

    page.get_by_role("navigation", name="People by status").get_by_role("link", name=re.compile("^Deleted")).click()
    page.get_by_role("button", name=f"Restore {person.name}", exact=True).click()

    expect(page.locator("#toasts")).to_contain_text(f"{person.name} restored")
    expect(page.locator(".facts")).to_contain_text("Active")


def test_a_message_can_be_dismissed(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    open_confirmation(page, person)
    page.get_by_role("button", name="Delete person").click()

    page.get_by_role("button", name="Dismiss").click()

    expect(page.locator("#toasts .note")).to_have_count(0)


def test_a_double_click_deletes_once(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    open_confirmation(page, person)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method) if request.method == "POST" else None)

    page.get_by_role("button", name="Delete person").dblclick()

    expect(page.locator("#toasts")).to_contain_text(f"{person.name} deleted")
    assert sent == ["POST"]


def test_a_deleted_person_is_removed_permanently_once_the_address_is_typed(
    tabs: Tabs, person: Person, scripts: bool
) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    open_confirmation(page, person)
    page.get_by_role("button", name="Delete person").click()
    expect(page.locator("#toasts")).to_contain_text(f"{person.name} deleted")
    page.goto(f"/users/{person.id}")

    page.get_by_role("link", name="Delete…").click()
    asked = page.get_by_role("dialog" if scripts else "main")
    expect(asked.get_by_role("heading", name=f"Delete {person.name} permanently?")).to_be_visible()
    typed = page.get_by_label(f"Type {person.email} to confirm")
    expect(typed).to_be_focused()
    typed.fill("somebody@example.com")
    page.get_by_role("button", name="Delete permanently").click()
    expect(page.get_by_text(f"This is not the same. Type {person.email}.").first).to_be_visible()
    page.get_by_label(f"Type {person.email} to confirm").fill(person.email.upper())
    page.get_by_role("button", name="Delete permanently").click()

    expect(page.locator("#toasts")).to_contain_text(f"{person.name} permanently deleted")
    page.goto(f"/users/{person.id}")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()


def test_cancelling_a_permanent_deletion_returns_to_the_deleted_person(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    open_confirmation(page, person)
    page.get_by_role("button", name="Delete person").click()
    expect(page.locator("#toasts")).to_contain_text(f"{person.name} deleted")
    page.goto(f"/users/{person.id}")
    opener = page.get_by_role("link", name="Delete…")

    opener.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()
