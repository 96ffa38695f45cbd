"""Viewing the portal as another person, from the reason to the end."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from portal.core.actor import Role
from tests.browser.browsing import Tabs, sign_in
from tests.cast import PASSWORD


def test_an_admin_views_as_another_and_stops(tabs: Tabs, scripts: bool) -> None:
    site = tabs.site
    admins = [
        site.build.person(f"{site.fresh(name)}@example.com", role=Role.ADMIN, tenant=site.acme)
        for name in ("vera", "vito")
    ]
    page = tabs.open(scripts=scripts, width=390)
    sign_in(page, admins[0].email, PASSWORD)
    page.goto(f"/users/{admins[1].id}")
    page.get_by_role("link", name="View as…").click()
    page.get_by_role("button", name=f"View as {admins[1].name}").click()
    expect(page.get_by_text("Enter a reason, such as a support ticket number.")).to_be_visible()
    page.get_by_label("Reason").fill("Ticket 4711")
    page.get_by_role("button", name=f"View as {admins[1].name}").click()

    banner = page.get_by_label("Viewing as another person")
    expect(banner).to_contain_text(re.compile(rf"Viewing as {admins[1].name} until .* \(read-only\)"))
    page.goto(f"/users/{admins[0].id}/edit")
    page.get_by_label("First name").fill("Changed")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("You can’t change or download anything while viewing as another person.")).to_be_visible()
    page.goto("/users/")
    page.evaluate("scrollTo(0, 600)")
    menu = page.get_by_role("button", name="Menu").bounding_box()
    shown = banner.bounding_box()
    assert menu is not None
    assert shown is not None
    assert menu["y"] >= shown["y"] + shown["height"], "the banner doesn't cover the menu of a scrolled page"
    page.get_by_role("button", name="Stop viewing").click()

    expect(page.get_by_role("heading", name=admins[1].name)).to_be_visible()
    expect(page.get_by_text("You’re viewing the portal as yourself again.")).to_be_visible()
    expect(banner).to_have_count(0)
    page.goto(f"/activity/people/{admins[1].id}")
    expect(page.get_by_text("Ticket 4711")).to_be_visible()
