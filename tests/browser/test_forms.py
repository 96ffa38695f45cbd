"""Forms never lose input, and their small conveniences work."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Dialog, Page, expect

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.keys import uuid7
from portal.demo import DEMO_PASSWORD
from portal.mfa import codes
from portal.mfa import commands as mfa
from portal.tokens import personal
from portal.tokens.commands import revoke_all
from tests.acting import acting
from tests.browser.browsing import ADA, ADMIN, Tabs, focused, sign_in
from tests.cast import PASSWORD, Person
from tests.teams.test_views import Teams

NEW = "/users/new"


def administrator(tabs: Tabs) -> Person:
    email = f"{tabs.site.fresh('chief')}@example.com"
    return tabs.site.build.person(email, role=Role.ADMIN, tenant=tabs.site.acme)


def fill_in(tabs: Tabs, page: Page) -> str:
    """Fill in the form for a new person without submitting it, and return the email that was entered."""
    email = f"{tabs.site.fresh('typed')}@example.com"
    page.goto(NEW)
    page.get_by_label("First name").fill("Łucja")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Role").select_option("ADMIN")
    return email


def expect_filled_in(page: Page, email: str) -> None:
    expect(page.get_by_label("First name")).to_have_value("Łucja")
    expect(page.get_by_label("Email")).to_have_value(email)
    expect(page.get_by_label("Role")).to_have_value("ADMIN")


def sign_out_in_another_tab(page: Page) -> Page:
    other = page.context.new_page()
    other.goto("/account/")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    return other


def sign_in_here(page: Page, person: Person) -> None:
    """Sign in on the sign-in page that is shown."""
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def dialogs_of(page: Page, *, is_dismissed: bool) -> list[str]:
    """The dialogs that the browser opens before leaving a page, which are dismissed or accepted."""
    dialogs: list[str] = []

    def answer(dialog: Dialog) -> None:
        dialogs.append(dialog.type)
        dialog.dismiss() if is_dismissed else dialog.accept()

    page.on("dialog", answer)
    return dialogs


@pytest.mark.parametrize("how", ["in another tab", "on the server"])
def test_after_signing_in_the_form_comes_back_filled_in(tabs: Tabs, scripts: bool, how: str) -> None:
    person, page = administrator(tabs), tabs.open(scripts=scripts)
    sign_in(page, person.email, PASSWORD)
    email = fill_in(tabs, page)
    if how == "in another tab":
        sign_out_in_another_tab(page)
    else:
        with acting(tabs.site.build.app):
            revoke_all(person.id)

    page.get_by_role("button", name="Create person").click()
    expect(page.locator("#toasts")).to_contain_text("to continue with your entries")
    sign_in_here(page, person)

    expect(page).to_have_url(re.compile(f"{NEW}$"))
    expect(page.locator("#toasts")).to_contain_text("nothing was saved")
    expect_filled_in(page, email)
    page.get_by_role("button", name="Create person").click()
    expect(page.get_by_text("An invitation is on its way")).to_be_visible()


def test_after_signing_in_in_another_tab_going_back_shows_the_input(tabs: Tabs, scripts: bool) -> None:
    person, page = administrator(tabs), tabs.open(scripts=scripts)
    sign_in(page, person.email, PASSWORD)
    email = fill_in(tabs, page)
    other = sign_out_in_another_tab(page)

    page.get_by_role("button", name="Create person").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in_here(other, person)
    expect(other.get_by_role("heading", name="Sign in")).to_have_count(0)
    page.go_back()

    expect_filled_in(page, email)


def test_following_a_link_and_coming_back_shows_the_input(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(ADA, scripts=scripts)
    email = fill_in(tabs, page)
    dialogs_of(page, is_dismissed=False)

    page.get_by_role("link", name="Activity", exact=True).click()
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    page.go_back()

    expect_filled_in(page, email)


def test_somebody_else_who_signs_in_does_not_see_the_input(tabs: Tabs) -> None:
    person, other, page = administrator(tabs), administrator(tabs), tabs.open()
    sign_in(page, person.email, PASSWORD)
    email = fill_in(tabs, page)
    sign_out_in_another_tab(page)
    page.get_by_role("button", name="Create person").click()

    sign_in_here(page, other)

    expect(page.get_by_role("heading", name="New person")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value("")
    assert email not in page.content()


def test_two_tabs_with_the_sign_in_page_both_sign_in(tabs: Tabs, scripts: bool) -> None:
    person, first = administrator(tabs), tabs.open(scripts=scripts)
    first.goto("/login")
    second = first.context.new_page()
    second.goto("/activity/")

    for page, path in ((first, "/"), (second, "/activity/")):
        sign_in_here(page, person)
        expect(page).to_have_url(tabs.site.url + path)
    first.get_by_role("link", name="People", exact=True).click()
    expect(first.get_by_role("heading", name="People")).to_be_visible()


def test_leaving_a_form_with_unsaved_changes_asks_first(tabs: Tabs) -> None:
    page = tabs.open(ADA)
    email = fill_in(tabs, page)
    dialogs = dialogs_of(page, is_dismissed=True)

    page.get_by_role("link", name="Cancel").click()
    page.wait_for_timeout(200)

    assert dialogs == ["beforeunload"]
    expect_filled_in(page, email)
    page.get_by_label("Email").fill("none")
    page.get_by_role("button", name="Create person").click()
    expect(page.locator("[aria-invalid]")).to_have_count(1)
    page.get_by_role("heading", name="New person").click()
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_timeout(200)
    assert len(dialogs) == 2, "input that a response shows again is still unsaved"


def test_leaving_saved_unchanged_and_sign_in_forms_asks_nothing(tabs: Tabs) -> None:
    person, page = administrator(tabs), tabs.open()
    dialogs = dialogs_of(page, is_dismissed=False)
    page.goto("/login")
    page.get_by_label("Email").fill("some")
    page.get_by_role("link", name="Forgot your password?").click()
    sign_in(page, person.email, PASSWORD)
    page.goto("/account/")
    page.get_by_label("First name").fill("Adeline")
    page.get_by_label("First name").fill("Chief1")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Profile saved")).to_be_visible()
    page.get_by_label("Last name").fill("Another")
    page.get_by_label("Last name").fill("Example")
    page.get_by_role("link", name="People", exact=True).click()
    expect(page.get_by_role("heading", name="People")).to_be_visible()
    page.get_by_role("searchbox").press_sequentially("uma")
    page.get_by_role("link", name="Activity", exact=True).click()
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()

    assert dialogs == []


def test_an_htmx_response_after_the_session_ended_keeps_the_input(tabs: Tabs) -> None:
    page = tabs.open()
    sign_in(page, ADMIN)
    email = fill_in(tabs, page)
    sign_out_in_another_tab(page)

    page.get_by_label("Organization").press_sequentially("acme")

    expect(page.locator("#toasts")).to_contain_text("You are signed out. Sign in from another tab")
    expect_filled_in(page, email)


def test_a_query_that_was_run_is_not_an_unsaved_change(tabs: Tabs) -> None:
    page = tabs.open()
    sign_in(page, ADMIN)
    page.goto("/browser/sql")
    dialogs = dialogs_of(page, is_dismissed=False)
    page.get_by_role("textbox", name="Query").fill("SELECT 1 AS one")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#answer")).to_contain_text("one")

    page.get_by_role("link", name="People", exact=True).click()
    expect(page.get_by_role("heading", name="People")).to_be_visible()

    assert dialogs == []


def test_a_password_can_be_shown_and_is_hidden_again_on_submit(tabs: Tabs) -> None:
    page = tabs.open()
    page.goto("/login")
    field, button = page.get_by_label("Password", exact=True), page.get_by_role("button", name="Show password")
    field.fill("not the one")
    expect(field).to_have_attribute("type", "password")
    expect(button).to_have_attribute("aria-pressed", "false")

    button.click()
    expect(field).to_have_attribute("type", "text")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.press("Enter")
    expect(field).to_have_attribute("type", "password")
    button.click()
    page.get_by_label("Email").fill(f"{tabs.site.fresh('nobody')}@example.com")
    page.evaluate("document.addEventListener('submit', (event) => event.preventDefault())")
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(field).to_have_attribute("type", "password")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_every_password_field_has_its_own_show_button_but_not_without_scripts(tabs: Tabs, scripts: bool) -> None:
    person, page = administrator(tabs), tabs.open(scripts=scripts)
    sign_in(page, person.email, PASSWORD)
    page.goto("/account/password")

    for name in ("Show current password", "Show new password"):
        expect(page.get_by_role("button", name=name)).to_have_count(1 if scripts else 0)
    if scripts:
        page.get_by_role("button", name="Show new password").click()
        expect(page.get_by_label("New password", exact=True)).to_have_attribute("type", "text")
        expect(page.get_by_label("Current password", exact=True)).to_have_attribute("type", "password")


def test_recovery_codes_can_be_downloaded_and_printed(tabs: Tabs, tmp_path: Path) -> None:
    person, page = administrator(tabs), tabs.open()
    with acting(tabs.site.build.app, person):
        secret = codes.new_secret()
        mfa.add_authenticator(secret, pyotp.TOTP(secret).at(now()))
    page.goto("/login")
    sign_in_here(page, person)
    page.get_by_role("textbox", name="Code").fill(pyotp.TOTP(secret).at(now() + timedelta(seconds=30)))
    page.get_by_role("button", name="Continue").click()
    page.goto("/account/second-factor")
    page.get_by_role("button", name="Create new codes").click()
    shown = page.locator("#codes > li").all_inner_texts()

    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    downloading.value.save_as(tmp_path / "codes.txt")
    page.evaluate("window.print = () => { window.printed = true; }")
    page.get_by_role("button", name="Print").click()

    lines = (tmp_path / "codes.txt").read_text(encoding="utf-8").splitlines()
    assert downloading.value.suggested_filename == "portal-recovery-codes.txt"
    assert (lines[2:], person.email in lines[0]) == (shown, True)
    assert page.evaluate("window.printed")
    page.emulate_media(media="print")
    expect(page.locator("#codes")).to_be_visible()
    expect(page.get_by_text(f"Recovery codes for Portal, {person.email}")).to_be_visible()
    for hidden in ("Download", "Print", "Sign out"):
        expect(page.get_by_role("button", name=hidden)).to_have_count(0)


def test_clicking_a_demo_account_fills_in_the_form(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(scripts=scripts)
    page.goto("/activity/")

    page.get_by_role("link", name=ADA).click()

    expect(page.get_by_label("Email")).to_have_value(ADA)
    if scripts:
        expect(page.get_by_label("Password", exact=True)).to_have_value(DEMO_PASSWORD)
        assert focused(page) == "BUTTON"
        page.keyboard.press("Enter")
    else:
        page.get_by_label("Password", exact=True).fill(DEMO_PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(tabs.site.url + "/activity/")


def member_of(tabs: Tabs) -> tuple[Person, str]:
    """A person in a new team, and the address of the team's page."""
    person = tabs.site.build.person(f"{tabs.site.fresh('mel')}@example.com", tenant=tabs.site.acme)
    made = Teams(tabs.site.build.app)
    return person, f"/teams/{made.add(tabs.site.acme, tabs.site.fresh('Drivers '), person)}"


def test_an_entry_survives_removing_another_row(tabs: Tabs, scripts: bool) -> None:
    person, address = member_of(tabs)
    page = tabs.open(ADA, scripts=scripts)
    page.goto(address)
    dialogs = dialogs_of(page, is_dismissed=False)
    page.get_by_role("combobox", name="Add person").fill("Somebody I am looking f")

    page.get_by_role("button", name=f"Remove {person.name}").click()

    expect(page.locator("#toasts")).to_contain_text(f"{person.name} removed from")
    expect(page.get_by_role("combobox", name="Add person")).to_have_value("Somebody I am looking f")
    page.get_by_role("combobox", name="Add person").fill(person.email)
    page.get_by_role("combobox", name="Add person").press("Enter")
    expect(page.locator("#toasts")).to_contain_text(f"{person.name} added to")
    expect(page.get_by_role("combobox", name="Add person")).to_have_value("")
    assert dialogs == []


def test_an_entry_survives_undo_on_the_same_page(tabs: Tabs) -> None:
    person, address = member_of(tabs)
    page = tabs.open(ADA)
    page.goto(address)
    dialogs = dialogs_of(page, is_dismissed=False)
    page.get_by_role("button", name=f"Remove {person.name}").click()

    for button in (
        page.locator("#toasts").get_by_role("button", name="Undo"),
        page.get_by_role("region", name="History").get_by_role("button", name=re.compile("^Undo")).first,
    ):
        page.get_by_role("combobox", name="Add person").fill("Somebody I am looking f")
        with page.expect_navigation():
            button.click()
        expect(page.get_by_role("combobox", name="Add person")).to_have_value("Somebody I am looking f")
    page.reload()
    expect(page.get_by_role("combobox", name="Add person")).to_have_value("")
    assert dialogs == ["beforeunload"], "reloading asks, the actions don't"


def test_a_form_for_a_token_survives_revoking_another_one(tabs: Tabs) -> None:
    person, page = administrator(tabs), tabs.open()
    sign_in(page, person.email, PASSWORD)
    with acting(tabs.site.build.app, person):
        personal.create("Old script", ["profile"], timedelta(days=9), row_id=uuid7())
    page.goto("/account/tokens/")
    page.get_by_label("Name").fill("New script")
    page.get_by_role("checkbox").first.check()

    page.get_by_role("button", name="Revoke Old script").click()

    expect(page.get_by_role("button", name="Revoke Old script")).to_have_count(0)
    expect(page.get_by_label("Name")).to_have_value("New script")
    expect(page.get_by_role("checkbox").first).to_be_checked()
    page.goto("/account/email")
    expect(page.get_by_label("New email")).to_have_value("")
