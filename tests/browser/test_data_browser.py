"""Using the data browser, with and without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.browsing import ADMIN, Tabs, texts
from tests.cast import Person


@pytest.fixture
def person(tabs: Tabs) -> Person:
    return tabs.site.build.person(f"{tabs.site.fresh('vera')}@example.com", tenant=tabs.site.acme)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_tables_lead_to_a_person_and_on_to_the_organization(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/")
    page.get_by_role("link", name="Data browser").click()
    page.get_by_role("link", name="users", exact=True).click()
    page.get_by_label("Column to filter by").select_option("email")
    page.get_by_role("button", name="Add filter").click()
    page.get_by_label("Comparison of email").select_option("is")
    page.get_by_label("Value of email").fill(person.email)
    page.get_by_role("button", name="Filter", exact=True).click()

    expect(page.locator(".chip")).to_contain_text(f"email is {person.email}")
    expect(page.locator(".sheet tbody tr")).to_have_count(1)
    page.get_by_role("link", name=f"Open {person.id}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(str(person.id))
    page.get_by_role("link", name=str(tabs.site.acme.id)).click()
    if scripts:
        expect(page.get_by_role("dialog")).to_contain_text(tabs.site.acme.name)
        page.get_by_role("link", name="Open row").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(str(tabs.site.acme.id))
    expect(page.locator("main")).to_contain_text(tabs.site.acme.name)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_query_can_be_written_corrected_and_found_again(tabs: Tabs, person: Person, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/browser/sql")
    box = page.get_by_role("textbox", name="Query", exact=True)
    query = f"SELECT email FROM users WHERE id = '{person.id}'"  # noqa: S608
    box.fill(query.replace("email", "emial"))
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("does not exist")
    expect(box).to_have_value(query.replace("email", "emial"))

    box.fill(query)
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.locator("#answer td")).to_have_text([person.email])
    page.get_by_role("link", name=query).first.click()
    expect(page.get_by_role("textbox", name="Query", exact=True)).to_have_value(query)


def test_chosen_columns_are_kept_when_the_list_is_sorted(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/browser/organizations?show=name&show=slug")
    page.locator("thead").get_by_role("link", name="name").click()

    expect(page.locator("thead th[aria-sort]")).to_contain_text("name")
    heads = texts(page.locator("thead th"))
    assert [one.split()[0] for one in heads[1:]] == ["name", "slug"]


def test_a_row_can_be_copied_as_json(tabs: Tabs, person: Person) -> None:
    page = tabs.open(ADMIN)
    page.goto(f"/browser/users/row?key={person.id}")
    page.get_by_role("link", name="Copy as JSON").click()

    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(person.email)
    expect(dialog).not_to_contain_text(re.compile('"password"'))
    expect(dialog.get_by_role("button", name="Copy")).to_be_visible()


SIZES = "(all) => all.map(one => getComputedStyle(one).fontSize)"
TYPED_IN = "main :is(input:not([type=hidden], [type=checkbox]), select, textarea)"


@pytest.mark.parametrize("path", ["", "users", "users?column=email", "users?column=role", "sql"])
def test_on_a_phone_nothing_is_cut_off_and_no_field_makes_the_page_zoom(tabs: Tabs, path: str) -> None:
    page = tabs.open(ADMIN, width=390)
    page.goto(f"/browser/{path}")
    if path.startswith("users"):
        page.get_by_text("Columns", exact=True).click()

    assert set(page.locator(TYPED_IN).evaluate_all(SIZES)) <= {"16px"}
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if not path:
        about = page.get_by_text("People, including deleted ones.").bounding_box()
        assert about is not None
        assert about["x"] + about["width"] <= 390
