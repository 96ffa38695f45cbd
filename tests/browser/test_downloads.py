"""Downloading a list, with all columns or chosen ones."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN, Tabs
from tests.cast import Person
from tests.sheets import rows_in


def downloaded(page: Page, button: str, *, is_link: bool = False) -> tuple[str, bytes]:
    """Press a button or follow a link. Returns the name and the content of the file."""
    with page.expect_download() as downloading:
        page.get_by_role("link" if is_link else "button", name=button, exact=True).click()
    return downloading.value.suggested_filename, Path(downloading.value.path()).read_bytes()


@pytest.mark.parametrize("label", ["CSV", "JSON Lines", "XLSX"])
def test_the_list_links_to_a_download_of_what_it_shows(tabs: Tabs, person: Person, label: str) -> None:
    page = tabs.open(ADMIN)
    page.goto(f"/users/?q={person.email}")

    name, content = downloaded(page, label, is_link=True)

    assert name.startswith("people-")
    if label == "XLSX":
        assert [row[0] for row in rows_in(content)] == ["Email", person.email]
    else:
        assert content.count(person.email.encode()) == 1
        assert len(content.splitlines()) == (2 if label == "CSV" else 1)


def test_columns_are_chosen_before_downloading(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto(f"/users/?q={person.email}")
    page.get_by_role("link", name="Columns…").click()
    asked = page.get_by_role("dialog" if scripts else "main")
    expect(asked.get_by_role("heading", name="Download people")).to_be_visible()
    boxes = asked.get_by_role("checkbox")
    for place in range(boxes.count()):
        expect(boxes.nth(place)).to_be_checked()
        boxes.nth(place).uncheck()
    asked.get_by_label("Role").check()
    asked.get_by_label("Email", exact=True).check()

    _, content = downloaded(page, "CSV")

    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows == [["Email", "Role"], [person.email, "USER"]]


def test_selected_rows_are_downloaded(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto(f"/users/?q={person.email}")
    page.locator("tbody input[name=id]").first.check()
    bar = page.get_by_role("group", name="Actions", exact=True)
    menu = bar.get_by_text("More", exact=True)
    menu.click()

    _, content = downloaded(page, "Download CSV")

    assert [row[0] for row in csv.reader(io.StringIO(content.decode("utf-8-sig")))] == ["Email", person.email]
