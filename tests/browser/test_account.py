"""Looking after one's own account, and what somebody else at the same desk can't do."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from portal.core.actor import Role
from tests.acting import acting, age_authentication
from tests.browser.browsing import Tabs, sign_in
from tests.cast import PASSWORD, Person


def somebody(tabs: Tabs, *, role: Role = Role.USER) -> Person:
    email = f"{tabs.site.fresh('somebody')}@example.com"
    return tabs.site.build.person(email, role=role, tenant=tabs.site.acme)


def at_password(tabs: Tabs, *, scripts: bool = True) -> Page:
    page = tabs.open(scripts=scripts)
    sign_in(page, somebody(tabs).email, PASSWORD)
    page.get_by_role("navigation", name="Account").get_by_role("link", name="Password").click()
    return page


def test_the_strength_of_a_password_is_shown_while_typing_and_the_current_one_is_never_sent(tabs: Tabs) -> None:
    page = at_password(tabs)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
    page.get_by_label("Current password").fill(PASSWORD)
    field, shown = page.get_by_label("New password"), page.locator("#strength")
    expect(shown).to_be_empty()

    for typed, word in (
        ("grey", "Too short 11 more characters."),
        ("qwertyuiop123456", "Not accepted"),
        ("Acme Logistics 26", "Not accepted This consists mostly of your name"),
        ("grey dolphin under lamps", "Strong"),
    ):
        field.fill(typed)
        expect(shown).to_contain_text(word)

    assert shown.get_attribute("aria-live") == "polite"
    field.fill("")
    expect(shown).to_be_empty()
    assert sent
    assert "battery" not in "".join(sent)
    assert not [line for line in sent if "grey" in line.split(" ")[0]]


def test_a_password_can_be_chosen_and_a_bad_one_is_refused_with_the_reason(tabs: Tabs, scripts: bool) -> None:
    page = at_password(tabs, scripts=scripts)

    for typed in ("Acme Logistics 26", "grey dolphin under lamps"):
        page.get_by_label("Current password").fill(PASSWORD)
        page.get_by_label("New password").fill(typed)
        page.get_by_role("button", name="Set new password").click()
        if typed.startswith("Acme"):
            expect(page.locator("#password-error")).to_contain_text("mostly of your name")
            expect(page.get_by_label("New password")).to_be_focused()
            if scripts:
                page.get_by_label("New password").fill("grey")
                expect(page.locator("#strength")).to_contain_text("Too short")
                expect(page.locator("#password-error")).to_have_count(0)
                expect(page.get_by_label("New password")).not_to_have_attribute("aria-invalid", "true")

    expect(page.get_by_text("Your new password is set.")).to_be_visible()


def test_a_chosen_time_zone_is_used_for_times(tabs: Tabs, scripts: bool) -> None:
    page = tabs.open(scripts=scripts, timezone_id="America/Los_Angeles")
    sign_in(page, somebody(tabs).email, PASSWORD)

    page.get_by_label("Time zone").select_option(label="Kathmandu")
    page.get_by_role("button", name="Save changes").click()

    expect(page.get_by_text("Profile saved.")).to_be_visible()
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Kathmandu")
    assert "+0545" in (page.locator(".trail time").first.get_attribute("title") or "")


def test_se10_after_a_while_a_new_role_needs_the_password_and_keeps_the_input(tabs: Tabs, scripts: bool) -> None:
    chief, other = somebody(tabs, role=Role.ADMIN), somebody(tabs)
    page = tabs.open(scripts=scripts)
    sign_in(page, chief.email, PASSWORD)
    with acting(tabs.site.build.app):
        age_authentication(chief, minutes=61)

    page.goto(f"/users/{other.id}/edit")
    page.get_by_label("First name").fill("Ursula")
    page.get_by_label("Role").select_option("ADMIN")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_label("Your password")).to_be_focused()
    page.get_by_label("Your password").fill("not this one")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Wrong password. Try again.")).to_be_visible()
    expect(page.get_by_label("First name")).to_have_value("Ursula")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Save changes").click()

    expect(page.get_by_role("heading", name="Ursula Example")).to_be_visible()


def test_se10_after_a_while_a_button_needs_the_password_and_then_continues(tabs: Tabs, scripts: bool) -> None:
    chief, other = somebody(tabs, role=Role.ADMIN), somebody(tabs)
    page = tabs.open(scripts=scripts)
    sign_in(page, chief.email, PASSWORD)
    with acting(tabs.site.build.app):
        age_authentication(chief, minutes=61)

    page.goto(f"/users/{other.id}")
    page.get_by_role("link", name="Reset…").click()
    page.get_by_role("button", name="Reset password").click()
    expect(page.get_by_role("heading", name="Confirm it’s you")).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()

    expect(page.locator("#toasts")).to_contain_text("A link to choose a new password is on its way")


def test_on_a_phone_the_current_tab_is_in_view(tabs: Tabs) -> None:
    page = tabs.open(width=320)
    sign_in(page, somebody(tabs).email, PASSWORD)

    page.goto("/account/tokens/")

    tab = page.get_by_role("navigation", name="Account").get_by_role("link", name="API tokens")
    expect(tab).to_be_in_viewport(ratio=0.9)
