"""Creating, changing, deleting and restoring an organization."""

from __future__ import annotations

import re
import unicodedata

from playwright.sync_api import expect

from portal.organizations.models import slug_of
from tests.browser.browsing import ADA, ADMIN, Tabs
from tests.organizations.test_models import SLUGS


def test_a_slug_follows_the_name_until_it_is_edited(tabs: Tabs) -> None:
    word = tabs.site.fresh("orchard")
    page = tabs.open(ADMIN)
    page.goto("/organizations/new")
    name, slug = page.get_by_label("Name", exact=True), page.get_by_label("URL name")
    expect(name).to_be_focused()

    name.press_sequentially("Møller & Söhne")
    expect(slug).to_have_value("moller-sohne")
    slug.fill(word)
    name.press("End")
    name.press_sequentially(" Orchards")
    expect(slug).to_have_value(word)
    page.get_by_role("button", name="Create organization").click()

    expect(page.get_by_role("heading", name="Møller & Söhne Orchards")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text(word)


def test_the_script_suggests_the_same_slug_as_the_server(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/organizations/new")
    name, slug = page.get_by_label("Name", exact=True), page.get_by_label("URL name")

    for text, suggested in SLUGS.items():
        name.fill(text)
        assert slug.input_value() == suggested == slug_of(text), text


def test_the_script_and_the_server_agree_on_every_character_of_the_basic_plane(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/organizations/new")
    known = [code for code in range(0x20, 0xFFFE) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Cc", "Co")]

    suggested = page.evaluate("(codes) => codes.map((code) => slug(`a${String.fromCodePoint(code)}b`))", known)

    assert [hex(code) for code, one in zip(known, suggested, strict=True) if one != slug_of(f"a{chr(code)}b")] == []


def test_without_scripts_an_empty_slug_is_derived_from_the_name(tabs: Tabs) -> None:
    word = tabs.site.fresh("bakery")
    page = tabs.open(ADMIN, scripts=False)
    page.goto("/organizations/new")

    page.get_by_label("Name", exact=True).fill(f"Čapek {word}")
    page.get_by_role("button", name="Create organization").click()

    expect(page.locator(".facts")).to_contain_text(f"capek-{word}")


def test_a_taken_slug_is_reported_at_the_field_and_input_is_kept(tabs: Tabs, scripts: bool) -> None:
    tenant = tabs.site.build.tenant(tabs.site.fresh("Quarry"))
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/organizations/new")

    page.get_by_label("Name", exact=True).fill("Another quarry")
    page.get_by_label("URL name").fill(tenant.slug)
    page.get_by_role("button", name="Create organization").click()

    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.get_by_label("URL name")).to_be_focused()
    expect(page.get_by_label("URL name")).to_have_attribute("aria-describedby", re.compile("slug-error"))
    expect(page.get_by_label("Name", exact=True)).to_have_value("Another quarry")


def test_an_organization_can_be_changed(tabs: Tabs, scripts: bool) -> None:
    tenant = tabs.site.build.tenant(tabs.site.fresh("Ferry"))
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto(f"/organizations/{tenant.id}")

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Name", exact=True).fill(f"{tenant.name} Lines")
    page.get_by_role("button", name="Save changes").click()

    expect(page.get_by_role("heading", name=f"{tenant.name} Lines")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("saved")
    expect(page.locator(".details")).to_contain_text("Grace Lindqvist")


def test_an_administrator_can_change_the_name_but_not_the_slug(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADA, scripts=scripts)
    page.goto("/")

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Organization").click()
    page.get_by_role("link", name="Edit", exact=True).click()

    expect(page.get_by_label("Name", exact=True)).to_have_value("Acme Logistics")
    expect(page.get_by_label("URL name")).to_have_count(0)


def test_deleting_an_organization_shows_who_loses_access_and_it_can_be_restored(tabs: Tabs, scripts: bool) -> None:
    tenant = tabs.site.build.tenant(tabs.site.fresh("Windmill"))
    tabs.site.build.person(f"{tabs.site.fresh('miller')}@example.com", tenant=tenant)
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto(f"/organizations/{tenant.id}")

    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("heading", name=f"Delete {tenant.name}?")).to_be_visible()
    expect(page.get_by_text("1 person loses access at once")).to_be_visible()
    page.get_by_role("button", name="Delete organization").click()
    expect(page.locator("#toasts")).to_contain_text(f"{tenant.name} deleted")
    page.get_by_role("navigation", name="Organizations by status").get_by_role("link", name="Deleted").click()
    page.get_by_role("button", name=f"Restore {tenant.name}", exact=True).click()

    expect(page.locator("#toasts")).to_contain_text(f"{tenant.name} restored")
    expect(page.locator(".facts")).to_contain_text("Active")
