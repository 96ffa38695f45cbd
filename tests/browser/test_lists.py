"""Searching, filtering, sorting and paging lists."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.browsing import ADMIN, Tabs, focused, names, texts


def search(page: Page, text: str, *, scripts: bool) -> None:
    """Type the text letter by letter, and press the button if there are no scripts."""
    page.get_by_role("searchbox").press_sequentially(text)
    if not scripts:
        page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile(rf"[?&]q={text}"))


def choose(page: Page, label: str, option: str, *, scripts: bool) -> None:
    page.get_by_label(label).select_option(option)
    if not scripts:
        page.get_by_role("button", name="Search").click()


def entries(page: Page) -> int:
    return int(page.evaluate("history.length"))


def test_searching_while_typing_keeps_the_focus_and_makes_one_entry_in_the_browser_history(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/users/")
    everybody = names(page)
    before = entries(page)

    search(page, "oka", scripts=True)
    page.get_by_role("searchbox").press_sequentially("for")
    expect(page).to_have_url(re.compile("q=okafor"))

    assert "Ada Okafor" in names(page)
    assert focused(page) == "q"
    assert entries(page) == before + 1
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("")
    assert names(page) == everybody
    page.go_forward()
    expect(page.get_by_role("searchbox")).to_have_value("okafor")
    assert "Ada Okafor" in names(page)


def test_going_back_from_a_person_shows_the_search_again(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/")
    search(page, "okafor", scripts=scripts)
    found = names(page)

    page.get_by_role("link", name="Ada Okafor", exact=True).click()
    expect(page.get_by_role("heading", name="Ada Okafor")).to_be_visible()
    page.go_back()

    expect(page.get_by_role("searchbox")).to_have_value("okafor")
    assert names(page) == found


def test_edits_return_to_the_list_as_it_was(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/")
    search(page, "okafor", scripts=scripts)
    list_url = page.url

    page.get_by_role("link", name="Edit Ada Okafor").click()
    page.get_by_role("button", name="Save changes").click()
    expect(page).to_have_url(list_url)
    page.get_by_role("link", name="Ada Okafor", exact=True).click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("heading", name="Ada Okafor")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="People").click()

    expect(page).to_have_url(list_url)


def test_a_filter_is_shown_as_a_chip_that_removes_it(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/")

    choose(page, "Role: any", "SUPER_ADMIN", scripts=scripts)
    expect(page).to_have_url(re.compile("role=SUPER_ADMIN"))
    assert set(texts(page.locator(".list tbody .role"))) == {"Super admin"}
    page.get_by_role("link", name="Remove the filter").click()

    expect(page).to_have_url(tabs.site.url + "/users/")
    expect(page.get_by_label("Role: any")).to_have_value("")


def test_a_column_heading_sorts_in_both_directions(tabs: Tabs, scripts: bool) -> None:
    word = f"{tabs.site.fresh('sorted')}x"
    for number, last_name in enumerate(("Berg", "Cole", "Adams")):
        tabs.site.build.person(f"{word}{number}@example.com", first_name=word, last_name=last_name)
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto(f"/users/?sort=-created_at&q={word}")
    head = page.get_by_role("columnheader", name="Name")

    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert names(page) == [f"{word} Adams", f"{word} Berg", f"{word} Cole"]
    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names(page) == [f"{word} Cole", f"{word} Berg", f"{word} Adams"]


def test_tabs_show_deactivated_and_deleted_people_and_keep_the_search(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/")
    search(page, "example", scripts=scripts)
    tab = page.get_by_role("navigation", name="People by status")
    expect(tab.locator("span")).to_have_count(1)  # other tabs aren't searched
    expect(tab.locator("[aria-current] span")).to_have_text(re.compile("^[1-9]"))

    tab.get_by_role("link", name="Deactivated").click()
    expect(tab.get_by_role("link", name="Deactivated")).to_have_attribute("aria-current", "page")
    states = set(texts(page.locator(".list tbody .dot")))

    assert {"Deactivated"} <= states <= {"Deactivated", "Organization deleted"}
    assert set(page.url.partition("?")[2].split("&")) == {"status=deactivated", "q=example"}
    expect(page.get_by_role("searchbox")).to_have_value("example")


def test_page_links_go_forward_to_the_end_and_back(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/")
    first = names(page)
    pages = page.get_by_role("navigation", name="Pages")

    def follow(label: str) -> list[str]:
        before = page.url
        pages.get_by_role("link", name=label, exact=True).click()
        expect(page).not_to_have_url(before)
        return names(page)

    second = follow("Next")
    last = follow("Last")

    assert len(first) == len(second) == 25
    assert not set(first) & set(last)
    expect(pages.get_by_role("link", name="Next")).to_have_count(0)
    assert follow("First") == first
    assert follow("Next") == second
    assert follow("Previous") == first


def test_the_number_of_rows_on_a_page_can_be_chosen(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/")

    page.locator(".sizes").get_by_role("link", name="50").click()

    expect(page).to_have_url(re.compile("per_page=50"))
    expect(page.locator(".list tbody tr")).to_have_count(50)


def test_an_empty_list_explains_why_and_offers_a_way_out(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/")
    search(page, "nobodyhere", scripts=scripts)

    expect(page.get_by_role("heading", name="No people match")).to_contain_text("nobodyhere")
    page.get_by_role("link", name="Clear search and filters").click()

    expect(page.locator(".list tbody tr")).to_have_count(25)


def test_a_figure_on_the_dashboard_links_to_exactly_its_rows(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/")
    figure = page.locator(".figures a", has_text="Deactivated")
    number = figure.locator("strong").inner_text()

    figure.click()

    expect(page.locator(".pager [role=status]")).to_have_text(re.compile(rf"of {number}$"))


def test_columns_are_chosen_and_moved_and_stay_that_way(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/teams/")
    page.get_by_role("link", name="Display options").click()
    page.get_by_role("button", name="Move Created up").click()
    page.get_by_role("checkbox", name="Changed").check()
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("columnheader", name="Changed")).to_be_visible()
    assert texts(page.get_by_role("columnheader"))[:5] == ["Name", "Organization", "Created", "People", "Changed"]
    page.get_by_role("link", name="Display options").click()
    page.get_by_role("button", name="Reset to default").click()
    expect(page.get_by_role("columnheader", name="Changed")).to_have_count(0)
