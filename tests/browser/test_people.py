"""Inviting, changing and deactivating people."""

from __future__ import annotations

import re
import uuid
from urllib.parse import urlsplit

from playwright.sync_api import expect

from portal.jobs import running
from tests.browser.browsing import ADA, ADMIN, Tabs, focused, sign_in
from tests.cast import PASSWORD
from tests.mailbox import send_queued_emails

OWN = "a password of my own"


def test_an_invited_person_opens_the_link_from_the_outbox_and_is_signed_in(tabs: Tabs, scripts: bool) -> None:
    email = f"{tabs.site.fresh('noor')}@example.com"
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/")
    page.get_by_role("link", name="New person").click()
    page.get_by_label("First name").fill("Noor")
    page.get_by_label("Last name").fill("Halloran")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Organization").fill("acme-logistics")
    page.get_by_role("button", name="Create person").click()
    expect(page.get_by_role("heading", name="Noor Halloran")).to_be_visible()
    expect(page.get_by_text("Pending, sent")).to_be_visible()
    send_queued_emails(tabs.site.build.app)
    page.goto("/outbox/")
    link = page.get_by_role("link", name="Open the link").first.get_attribute("href")
    assert link is not None

    theirs = tabs.open(scripts=scripts)
    theirs.goto(urlsplit(link).path)
    expect(theirs).to_have_url(re.compile("/invitations/$"))
    theirs.get_by_label("New password").fill(OWN)
    theirs.get_by_role("button", name="Set password and sign in").click()

    expect(theirs.get_by_role("heading", name="Noor Halloran")).to_be_visible()
    theirs.get_by_role("button", name="Sign out").click()
    sign_in(theirs, email, OWN)
    expect(theirs.get_by_role("heading", name="Noor Halloran")).to_be_visible()
    theirs.goto(urlsplit(link).path)
    expect(theirs.get_by_role("heading", name="This link no longer works")).to_be_visible()


def test_many_people_are_invited_by_their_addresses(tabs: Tabs, scripts: bool) -> None:
    name = tabs.site.fresh("many")
    page = tabs.open(ADA, scripts=scripts)
    page.goto("/users/")
    page.get_by_role("link", name="Invite people").click()
    page.get_by_label("Email addresses").fill(f"Ada Byron <{name}.ada@example.com>, {name}.bob@example.com\n{ADA}")
    page.get_by_label("Team").fill("No such team")
    page.get_by_role("button", name="Check addresses").click()
    expect(page.locator("#team-error")).to_contain_text("No team matches")
    expect(page.get_by_label("Email addresses")).to_have_value(re.compile(f"{name}.bob"))
    page.get_by_label("Team").fill("")
    page.get_by_label("Role").select_option("ADMIN")
    page.get_by_role("button", name="Check addresses").click()
    expect(page.locator(".figures")).to_contain_text(
        re.compile(r"Will be invited\s*2\s*Has an account\s*1\s*Refused\s*0")
    )
    preview = page.url
    page.get_by_role("button", name="Send 2 invitations").click()
    expect(page).to_have_url(re.compile("/jobs/"))
    with tabs.site.build.app.app_context():
        running.run(uuid.UUID(page.url.rstrip("/").rpartition("/")[2]))

    page.goto(preview)

    expect(page.locator(".figures")).to_contain_text(re.compile(r"Invited\s*2"))
    page.goto(f"/users/?invitation=pending&q={name}")
    expect(page.get_by_text("1–2 of 2")).to_be_visible()


def test_organizations_are_suggested_by_name_while_typing(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    page.goto("/users/new")

    page.get_by_label("Organization").press_sequentially("acme")

    expect(page.locator('#organization_id-options option[value="Acme Logistics"]')).to_have_count(1)
    assert focused(page) == "organization_id"


def test_a_person_can_be_changed_and_the_page_shows_who_did_it(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('olga')}@example.com")
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto(f"/users/{person.id}")

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("First name").fill("Olga")
    page.get_by_label("Last name").fill("Ångström")
    page.get_by_role("button", name="Save changes").click()

    expect(page.get_by_role("heading", name="Olga Ångström")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("Changes to Olga Ångström saved")
    expect(page.locator(".details")).to_contain_text("by Grace Lindqvist")


def test_errors_are_shown_at_their_fields_and_input_is_kept(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto("/users/new")

    page.get_by_label("First name").fill("Zainab")
    page.get_by_label("Email").fill("zainab.example.com")
    page.get_by_label("Organization").fill("no-such-organization")
    page.get_by_label("Role").select_option("ADMIN")
    page.get_by_role("button", name="Create person").click()

    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.get_by_label("Email")).to_be_focused()
    for label, name, words in (
        ("Email", "email", "This address has no @"),
        ("Organization", "organization_id", "No such organization"),
    ):
        expect(page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label(label)).to_have_attribute("aria-describedby", re.compile(rf"\b{name}-error\b"))
        expect(page.locator(f"#{name}-error")).to_contain_text(words)
    expect(page.get_by_label("First name")).to_have_value("Zainab")
    expect(page.get_by_label("Email")).to_have_value("zainab.example.com")
    expect(page.get_by_label("Organization")).to_have_value("no-such-organization")
    expect(page.get_by_label("Role")).to_have_value("ADMIN")


def test_the_email_of_a_deleted_person_offers_to_restore_them(tabs: Tabs, scripts: bool) -> None:
    person = tabs.site.build.person(f"{tabs.site.fresh('piet')}@example.com")
    page = tabs.open(ADMIN, scripts=scripts)
    page.goto(f"/users/{person.id}/delete")
    page.get_by_role("button", name="Delete person").click()
    page.goto("/users/new")

    page.get_by_label("Email").fill(person.email)
    page.get_by_role("button", name="Create person").click()
    page.get_by_role("button", name="Restore instead").click()

    expect(page.get_by_role("heading", name=person.name)).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("restored")


def test_a_deactivated_person_is_signed_out_by_their_next_click(tabs: Tabs, scripts: bool) -> None:
    quinn = tabs.site.build.person(f"{tabs.site.fresh('quinn')}@example.com", tenant=tabs.site.acme)
    theirs = tabs.open(scripts=scripts)
    sign_in(theirs, quinn.email, PASSWORD)
    page = tabs.open(ADA, scripts=scripts)
    page.goto(f"/users/{quinn.id}")

    page.get_by_role("link", name="Deactivate…").click()
    expect(page.get_by_text("is signed out on 1 device at once")).to_be_visible()
    page.get_by_role("button", name="Deactivate person").click()
    expect(page.locator("#toasts")).to_contain_text("deactivated")
    theirs.goto("/account/")

    expect(theirs.get_by_role("heading", name="Sign in")).to_be_visible()
