"""Saving a list as a view, opening it from the navigation, and making it the default."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from portal.core.actor import Role
from tests.browser.browsing import Tabs, sign_in
from tests.cast import PASSWORD


def test_a_list_is_saved_shared_opened_and_made_the_default(tabs: Tabs, scripts: bool) -> None:
    site, word = tabs.site, tabs.site.fresh("Admins ")
    admins = [
        site.build.person(f"{site.fresh(name)}@example.com", role=Role.ADMIN, tenant=site.acme)
        for name in ("wilma", "wim")
    ]
    page = tabs.open(scripts=scripts)
    sign_in(page, admins[0].email, PASSWORD)
    page.goto("/users/?role=ADMIN&sort=-name")
    page.get_by_role("link", name="Display options").click()
    page.get_by_role("link", name="Save this list as a view…").click()
    page.get_by_label("Name").fill(word)
    page.get_by_label("Who can use it").select_option("open")
    page.get_by_role("button", name="Create saved view").click()
    expect(page.locator(".opened strong")).to_have_text(word)

    theirs = tabs.open(scripts=scripts)
    sign_in(theirs, admins[1].email, PASSWORD)
    theirs.goto("/users/")
    theirs.get_by_label("Main").get_by_role("link", name=word).click()
    expect(theirs).to_have_url(re.compile(r"/users/\?view="))
    expect(theirs.get_by_label("Main").get_by_role("link", name=word)).to_have_attribute("aria-current", "page")
    expect(theirs.locator("tbody")).not_to_contain_text("User")

    theirs.get_by_role("link", name="Display options").click()
    theirs.get_by_label("Default view").select_option(label=word)
    theirs.get_by_role("button", name="Save", exact=True).last.click()
    expect(theirs.get_by_role("dialog")).to_have_count(0)
    theirs.get_by_label("Main").get_by_role("link", name="People", exact=True).click()
    expect(theirs.locator(".opened strong")).to_contain_text(word)
