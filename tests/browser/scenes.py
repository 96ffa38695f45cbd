"""Every page of the portal, in each of its states."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pyotp
from playwright.sync_api import Page, expect
from sqlalchemy import update

from portal.activity import follows
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.jobs import running
from portal.jobs.models import Job
from portal.mfa import codes
from portal.mfa import commands as mfa
from portal.users.models import User
from tests.acting import acting, age_authentication
from tests.browser.browsing import ADA, ADMIN, UMA, Tabs, exceed_rate_limit, sign_in
from tests.browser.server import FAILING
from tests.cast import PASSWORD, Person, Tenant
from tests.mailbox import email_of, path_of, send_queued_emails
from tests.saved_views.test_views import saved
from tests.teams.test_views import Teams

LONG = "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh"
Scene = Callable[[Tabs], Page]


def at(path: str, person: str | None = ADMIN) -> Scene:
    """A page reached by its URL alone."""

    def scene(tabs: Tabs) -> Page:
        page = tabs.open(person)
        page.goto(path)
        return page

    return scene


def of_person(path: str = "", person: str = ADMIN) -> Scene:
    """A page about a person with long names."""

    def scene(tabs: Tabs) -> Page:
        page = tabs.open(person)
        page.goto(f"/users/{long_named_person(tabs).id}{path}")
        return page

    return scene


def of_organization(path: str = "", person: str = ADMIN) -> Scene:
    def scene(tabs: Tabs) -> Page:
        page = tabs.open(person)
        page.goto(f"/organizations/{tabs.site.acme.id}{path}")
        return page

    return scene


def following(tabs: Tabs) -> Page:
    page = tabs.open(ADMIN)
    page.goto(f"/organizations/{tabs.site.acme.id}")
    if (button := page.get_by_role("button", name="Follow", exact=True)).count():
        button.click()
        page.get_by_role("button", name="Unfollow", exact=True).wait_for()
    page.goto("/activity/followed/")
    return page


def of_empty_organization(tabs: Tabs) -> Page:
    page = tabs.open(ADMIN)
    page.goto(f"/organizations/{long_named_tenant(tabs).id}")
    return page


def long_named_person(tabs: Tabs) -> Person:
    email = f"{tabs.site.fresh('longest-of-all-the-addresses-')}@example.com"
    return tabs.site.build.person(email, tenant=tabs.site.acme, first_name=LONG, last_name=LONG)


def long_named_tenant(tabs: Tabs) -> Tenant:
    return tabs.site.build.tenant(tabs.site.fresh(f"{LONG} {LONG} "), slug=tabs.site.fresh(f"{LONG.lower()}-"))


def pressed(before: Scene, button: str, then: str) -> Scene:
    """The page after pressing a button; `then` selects an element to wait for."""

    def scene(tabs: Tabs) -> Page:
        page = before(tabs)
        page.get_by_role("button", name=button, exact=True).click()
        page.locator(then).first.wait_for()
        return page

    return scene


def dialog(before: Scene, opener: str) -> Scene:
    def scene(tabs: Tabs) -> Page:
        page = before(tabs)
        page.get_by_role("link", name=opener).click()
        page.get_by_role("dialog").wait_for()
        return page

    return scene


def offline(tabs: Tabs) -> Page:
    page = at("/users/")(tabs)
    page.context.set_offline(True)
    page.get_by_role("searchbox").fill("ada")
    page.locator(".note-error").wait_for()
    page.context.set_offline(False)
    tabs.complaints.clear()
    return page


def pressed_key(key: str, text: str = "") -> Scene:
    """The dialog that a shortcut opens over the list of people, with some text typed into its field."""

    def scene(tabs: Tabs) -> Page:
        page = at("/users/")(tabs)
        page.keyboard.press(key)
        page.get_by_role("dialog").wait_for()
        page.keyboard.type(text)
        page.locator("#found .face, dialog dl").first.wait_for()
        return page

    return scene


def phone_menu(tabs: Tabs) -> Page:
    page = tabs.open(ADMIN, width=390)
    page.goto("/users/")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Sign out").wait_for()
    return page


def conflict(tabs: Tabs) -> Page:
    person = long_named_person(tabs)
    mine, theirs = tabs.open(ADMIN), tabs.open(ADA)
    for page in (mine, theirs):
        page.goto(f"/users/{person.id}/edit")
    for page, first, last in ((theirs, "Theirs", "Example"), (mine, "Mine", LONG)):
        page.get_by_label("First name").fill(first)
        page.get_by_label("Last name").fill(last)
        page.get_by_role("button", name="Save changes").click()
        page.locator(".details").first.wait_for()
    expect(mine.get_by_role("heading", name="Someone else saved changes")).to_be_visible()
    return mine


def deleted_address(tabs: Tabs) -> Page:
    """Creating a person with the email of a deleted person."""
    person = long_named_person(tabs)
    page = tabs.open(ADMIN)
    page.goto(f"/users/{person.id}/delete")
    page.get_by_role("button", name="Delete person").click()
    page.goto("/users/new")
    page.get_by_label("Email").fill(person.email)
    page.get_by_role("button", name="Create person").click()
    page.get_by_role("button", name="Restore instead").wait_for()
    return page


def guest(tabs: Tabs) -> Person:
    """An invited person with long names."""
    email = f"{tabs.site.fresh('longest-of-all-the-guests-')}@example.com"
    names: dict[str, Any] = {"first_name": LONG, "last_name": LONG}
    return tabs.site.build.person(email, tenant=tabs.site.acme, invited_at=now(), **names)


def invited(tabs: Tabs) -> Page:
    page = tabs.open(ADMIN)
    page.goto(f"/users/{guest(tabs).id}")
    return page


invitation_link = pressed(invited, "Show link", "output")


def invitation_to_revoke(tabs: Tabs) -> Page:
    page = tabs.open(ADMIN)
    page.goto(f"/users/{guest(tabs).id}/invitation/revocation")
    return page


def opened(kind: str) -> Scene:
    """The page that an emailed link opens."""

    def scene(tabs: Tabs) -> Page:
        person = guest(tabs) if kind == "invitation" else long_named_person(tabs)
        page = tabs.open()
        page.goto(path_of(email_of(tabs.site.build.app, kind, person.id)))
        return page

    return scene


def outbox(tabs: Tabs) -> Page:
    page = pressed(invited, "Send again", ".note")(tabs)
    send_queued_emails(tabs.site.build.app)
    page.goto("/outbox/")
    page.get_by_role("link", name="Open the link").first.wait_for()
    return page


def pending_address(tabs: Tabs) -> Page:
    person = long_named_person(tabs)
    page = tabs.open()
    sign_in(page, person.email, PASSWORD)
    page.goto("/account/email")
    page.get_by_label("New email").fill(f"new.{person.email}")
    page.get_by_label("Current password").fill(PASSWORD)
    page.locator("form").get_by_role("button", name="Send link").last.click()
    page.get_by_role("button", name="Send again").wait_for()
    return page


def temporary_password(tabs: Tabs) -> Page:
    """The page after signing in with a temporary password."""
    person = tabs.site.build.person(f"{tabs.site.fresh('temporary')}@example.com", must_change_password=True)
    theirs = tabs.open()
    sign_in(theirs, person.email, PASSWORD)
    expect(theirs.get_by_role("heading", name="Choose your own password")).to_be_visible()
    return theirs


def strength(tabs: Tabs) -> Page:
    """A password that is rejected while it is typed."""
    page = at("/account/password", UMA)(tabs)
    page.get_by_label("New password").fill("Acme Logistics 26")
    page.locator(".strength").wait_for()
    return page


def reauthentication(path: str, button: str, **chosen: str) -> Scene:
    """Pressing a button on another person's page when the last authentication is too old."""

    def scene(tabs: Tabs) -> Page:
        other = long_named_person(tabs)
        chief = tabs.site.build.person(
            f"{tabs.site.fresh('chief')}@example.com", role=Role.ADMIN, tenant=tabs.site.acme
        )
        page = tabs.open()
        sign_in(page, chief.email, PASSWORD)
        with acting(tabs.site.build.app):
            age_authentication(chief, minutes=61)
        page.goto(f"/users/{other.id}{path}")
        for label, value in chosen.items():
            page.get_by_label(label).select_option(value)
        page.get_by_role("button", name=button).click()
        page.get_by_label("Your password").wait_for()
        return page

    return scene


def rate_limited(tabs: Tabs) -> Page:
    page = tabs.open()
    exceed_rate_limit(page, f"{tabs.site.fresh('guessed')}@example.com")
    return page


def rate_limited_person(tabs: Tabs) -> Page:
    """A person locked after too many wrong passwords, as an administrator sees them."""
    person = long_named_person(tabs)
    exceed_rate_limit(tabs.open(), person.email)
    page = tabs.open(ADMIN)
    page.goto(f"/users/{person.id}")
    page.get_by_role("button", name="Unlock").wait_for()
    return page


def deactivated(tabs: Tabs) -> Page:
    page = of_person("/deactivation")(tabs)
    page.get_by_role("button", name="Deactivate person").click()
    page.get_by_role("button", name="Activate", exact=True).wait_for()
    return page


def without_token(tabs: Tabs) -> Page:
    page = at("/account/")(tabs)
    page.evaluate("document.querySelector('form[action=\"/logout\"] [name=csrf_token]').value = 'wrong'")
    page.get_by_role("button", name="Sign out").click()
    page.locator(".blank .number").wait_for()
    return page


def at_history_of_acme(tabs: Tabs) -> Page:
    page = tabs.open(ADA)
    page.goto(f"/activity/organizations/{tabs.site.acme.id}?at=2020-01-01T00:00")
    return page


def earlier_version(tabs: Tabs) -> Page:
    """The history of a renamed person, with an earlier version."""
    person = renamed(tabs)
    page = tabs.open(ADMIN)
    page.goto(f"/activity/people/{person.id}")
    page.get_by_label("Date and time, UTC").fill("2999-01-01T00:00")
    page.get_by_role("button", name="Show").click()
    page.locator(".details").wait_for()
    return page


def undo_refused(tabs: Tabs) -> Page:
    """Undoing a change to a field that has changed again since."""
    person = renamed(tabs)
    page = tabs.open(ADMIN)
    page.goto("/activity/?action=update")
    rename(tabs.open(ADA), person, "Again")
    page.get_by_role("button", name="Undo").first.click()
    page.locator(".note-error").wait_for()
    return page


def change_of_two(tabs: Tabs) -> Page:
    """A change of two people at once."""
    both = (
        update(User)
        .where(User.id.in_([long_named_person(tabs).id, long_named_person(tabs).id]))
        .values(last_name="Together")
    )
    with acting(tabs.site.build.app):
        command(lambda: db.session.execute(both, execution_options={"synchronize_session": False}))()
    page = tabs.open(ADMIN)
    page.goto("/activity/?status=changes")
    page.get_by_role("link", name=" more").first.click()
    expect(page.get_by_role("heading", name="Change details")).to_be_visible()
    return page


def change_of_one(tabs: Tabs) -> Page:
    """A change to a person with long names, with its source."""
    person = renamed(tabs)
    page = tabs.open(ADMIN)
    page.goto(f"/activity/?row={person.id}")
    page.locator(".trail a", has=page.locator("time")).first.click()
    expect(page.get_by_role("heading", name="Change details")).to_be_visible()
    return page


def activity_of_long_names(tabs: Tabs) -> Page:
    person = renamed(tabs)
    page = tabs.open(ADA)
    page.goto(f"/activity/?row={person.id}&from=2020-01-01&field=first_name")
    page.locator(".trail").wait_for()
    return page


def undone(tabs: Tabs) -> Page:
    """The page of a person right after an undo, which can itself be undone."""
    person = renamed(tabs)
    page = tabs.open(ADMIN)
    page.goto(f"/users/{person.id}")
    page.locator(".trail").get_by_role("button", name="Undo").first.click()
    page.locator(".note").first.wait_for()
    return page


def renamed(tabs: Tabs) -> Person:
    person = long_named_person(tabs)
    rename(tabs.open(ADMIN), person, f"Another {LONG}")
    return person


def rename(page: Page, person: Person, name: str) -> None:
    page.goto(f"/users/{person.id}/edit")
    page.get_by_label("First name").fill(name)
    page.get_by_role("button", name="Save changes").click()
    page.get_by_role("button", name="Undo").first.wait_for()


def with_devices(tabs: Tabs) -> Page:
    """A person who is signed in on two devices."""
    person = long_named_person(tabs)
    for _ in range(2):
        sign_in(tabs.open(), person.email, PASSWORD)
    page = tabs.open(ADMIN)
    page.goto(f"/users/{person.id}")
    page.get_by_role("button", name="Sign out everywhere").wait_for()
    return page


def row(tabs: Tabs) -> Page:
    page = tabs.open(ADMIN)
    page.goto(f"/browser/users/row?key={long_named_person(tabs).id}")
    return page


def row_preview(tabs: Tabs) -> Page:
    page = row(tabs)
    page.locator("dd a.mono").first.click()
    page.locator("dialog[open]").wait_for()
    return page


def invalid_query(tabs: Tabs) -> Page:
    page = tabs.open(ADMIN)
    page.goto("/browser/sql")
    page.get_by_role("textbox", name="Query", exact=True).fill("SELECT nothing\nFROM users")
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator("#answer-error").wait_for()
    return page


def selected(tabs: Tabs) -> Page:
    """A list with selected rows, and the actions on them."""
    page = at("/users/?q=ada", ADA)(tabs)
    for place in range(3):
        page.locator("tbody input[name=id]").nth(place).check()
    return page


def with_menu(tabs: Tabs) -> Page:
    page = selected(tabs)
    page.locator(".selected summary").click()
    return page


def asked_about_many(tabs: Tabs) -> Page:
    """The question of an action on rows, some of which stay as they are."""
    page = selected(tabs)
    page.get_by_label("Select Ada Okafor").check()  # herself, which is refused
    page.get_by_role("button", name="Deactivate").click()
    page.locator(".kept").wait_for()
    return page


def invitations(tabs: Tabs) -> Page:
    page = at("/imports/invite", ADA)(tabs)
    page.get_by_label("Email addresses").fill(f"{LONG} <{tabs.site.fresh(LONG.lower())}@example.com>, {ADA}, nobody")
    page.get_by_role("button", name="Check addresses").click()
    page.locator(".figures").wait_for()
    return page


def imported(tabs: Tabs) -> Page:
    page = at("/imports/")(tabs)
    content = f"Email;Vorname;{LONG}\nnew@example.com;Jörg;{LONG}\nbad;;\n".encode()
    page.get_by_label("File").set_input_files({"name": f"{LONG}.csv", "mimeType": "text/csv", "buffer": content})
    page.get_by_role("button", name="Check file").click()
    page.locator(".figures").wait_for()
    return page


def viewing(tabs: Tabs) -> Page:
    """The portal as another person sees it."""
    viewer = tabs.site.build.person(f"{tabs.site.fresh('viewer')}@example.com", role=Role.SUPER_ADMIN)
    page = tabs.open(width=390)
    sign_in(page, viewer.email, PASSWORD)
    page.goto(f"/users/{long_named_person(tabs).id}/view-as")
    page.get_by_label("Reason").fill("A question about their account")
    if (password := page.get_by_label("Password")).count():
        password.fill(PASSWORD)
    page.get_by_role("button", name="View as").click()
    page.get_by_role("button", name="Stop viewing").wait_for()
    return page


def set_up_app(tabs: Tabs, person: Person) -> pyotp.TOTP:
    """Set up an authenticator app for the person, whose current code is used then."""
    secret = codes.new_secret()
    with acting(tabs.site.build.app, person):
        mfa.add_authenticator(secret, pyotp.TOTP(secret).at(now()))
    return pyotp.TOTP(secret)


def code_after_password(tabs: Tabs) -> Page:
    """The question for a code, right after the password."""
    person = long_named_person(tabs)
    set_up_app(tabs, person)
    page = tabs.open()
    sign_in(page, person.email, PASSWORD)
    return page


def with_app(path: str) -> Scene:
    """A page of a person who signed in with an authenticator app."""

    def scene(tabs: Tabs) -> Page:
        if "with an app" not in tabs.site.states:
            person = long_named_person(tabs)
            app = set_up_app(tabs, person)
            page = tabs.open()
            sign_in(page, person.email, PASSWORD)
            page.get_by_label("Code", exact=True).fill(app.at(now() + timedelta(seconds=30)))
            page.get_by_role("button", name="Continue").click()
            page.get_by_role("link", name="Two-factor authentication").wait_for()
            tabs.site.states["with an app"] = page.context.storage_state()
        page = tabs.open("with an app")
        page.goto(path)
        return page

    return scene


def required_two_factor(tabs: Tabs) -> Page:
    """What a person sees who has to set up a second factor first."""
    tenant = tabs.site.build.tenant(tabs.site.fresh("Strict "), two_factor_for="everybody")
    person = tabs.site.build.person(f"{tabs.site.fresh('strict')}@example.com", tenant=tenant)
    page = tabs.open()
    sign_in(page, person.email, PASSWORD)
    expect(page.get_by_role("heading", name="Authenticator app")).to_be_visible()
    return page


def permanently_deleted(tabs: Tabs) -> Page:
    """The question before a deleted person is permanently deleted."""
    email = f"{tabs.site.fresh('deleted')}@example.com"
    person = tabs.site.build.person(email, tenant=tabs.site.acme, last_name=LONG, password="-", deleted_at=now())
    page = tabs.open(ADMIN)
    page.goto(f"/users/{person.id}/purge")
    return page


def created_token(tabs: Tabs) -> Page:
    page = at("/account/tokens/", UMA)(tabs)
    page.get_by_label("Name").fill(tabs.site.fresh(LONG))
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Create token").click()
    page.locator("#token").wait_for()
    return page


def team(tabs: Tabs) -> Page:
    """A team with a member of long names."""
    made = Teams(tabs.site.build.app).add(tabs.site.acme, tabs.site.fresh(LONG), long_named_person(tabs))
    page = tabs.open(ADMIN)
    page.goto(f"/teams/{made}")
    return page


def saved_view(tabs: Tabs) -> Page:
    chief = tabs.site.build.person(f"{tabs.site.fresh('chief')}@example.com", role=Role.ADMIN, tenant=tabs.site.acme)
    view = saved(tabs.site.build.app, chief, tabs.site.fresh(LONG), "role=ADMIN&verified=yes")
    page = tabs.open(ADA)
    page.goto(f"/saved_views/{view}")
    return page


def waiting(tabs: Tabs) -> Page:
    """A job that waits for a worker."""
    page = invitations(tabs)
    page.get_by_role("button", name="Send 1 invitation").click()
    page.wait_for_url("**/jobs/*/")
    return page


def job_on(page: Page) -> uuid.UUID:
    return uuid.UUID(page.url.rstrip("/").rpartition("/")[2])


def half_done(tabs: Tabs) -> Page:
    """A job that is running."""
    page = waiting(tabs)
    values: dict[str, Any] = {"state": "running", "started_at": now(), "total": 2_000, "done": 1_000}
    change = update(Job).where(Job.id == job_on(page)).values(**values)
    with acting(tabs.site.build.app):
        command(lambda: db.session.execute(change))()
    page.reload()
    page.get_by_role("heading", name="Running").wait_for()
    return page


def ended(tabs: Tabs) -> Page:
    """A job that has ended."""
    page = waiting(tabs)
    with tabs.site.build.app.app_context():
        running.run(job_on(page))
    page.reload()
    return page


def imported_addresses(tabs: Tabs) -> Page:
    page = ended(tabs)
    page.get_by_role("link", name="View result").last.click()
    page.locator(".figures").wait_for()
    return page


def unsubscribing(tabs: Tabs) -> Page:
    with acting(tabs.site.build.app):
        path = urlsplit(follows.unsubscribe_url(uuid.uuid4())).path
    page = tabs.open()
    page.goto(path)
    return page


SCENES: dict[str, Scene] = {
    "sign-in": at("/login", None),
    "sign-in, refused": pressed(at("/login", None), "Sign in", ".error"),
    "sign-in, rate limited": rate_limited,
    "sign-in, second factor": code_after_password,
    "error 404, signed out": at("/nothing-here", None),
    "dashboard": at("/"),
    "dashboard of an administrator": at("/", ADA),
    "reports": at("/reports/"),
    "failed emails": at("/outbox/failed/"),
    "branding": at("/branding/"),
    "what is followed": following,
    "people": at("/users/"),
    "people of an administrator": at("/users/", ADA),
    "people, filtered": at("/users/?q=a&role=USER&verified=yes&last_sign_in_before=2999-01-01&sort=-last_sign_in_at"),
    "people, deactivated": at("/users/?status=deactivated"),
    "people, deleted": at("/users/?status=deleted"),
    "people, selected": selected,
    "people, question about selected": asked_about_many,
    "people, entry for selected": pressed(with_menu, "Add to team", "#entry"),
    "people, invited": at("/users/?invitation=pending"),
    "people, addresses to invite, with errors": pressed(at("/imports/invite"), "Check addresses", ".error"),
    "people, addresses to invite": invitations,
    "people, imported file": imported,
    "people, imported addresses": imported_addresses,
    "people, none found": at("/users/?q=nobodyhere"),
    "people, offline": offline,
    "people, all filters": at("/users/filters"),
    "people, display options": at("/users/arrange"),
    "people, columns to download": at("/users/columns"),
    "saved views": at("/saved_views/", ADA),
    "saved view, new": at("/saved_views/new?list=users&query=role%3DADMIN", ADA),
    "saved view": saved_view,
    "teams": at("/teams/"),
    "team": team,
    "import": at("/imports/"),
    "jobs": at("/jobs/"),
    "job, waiting": waiting,
    "job, running": half_done,
    "job, ended": ended,
    "two-factor authentication": at("/account/second-factor", UMA),
    "two-factor authentication, required": required_two_factor,
    "two-factor authentication, an app to set up": at("/account/second-factor/app", UMA),
    "two-factor authentication, set up": with_app("/account/second-factor"),
    "two-factor authentication, an app to remove": with_app("/account/second-factor/remove"),
    "recovery codes": pressed(with_app("/account/second-factor"), "Create new codes", "#codes li"),
    "API tokens": at("/account/tokens/", UMA),
    "API token, created": created_token,
    "person, view as": of_person("/view-as"),
    "viewing as another person": viewing,
    "person": of_person(),
    "person for an administrator": of_person(person=ADA),
    "person, with devices": with_devices,
    "person, new": at("/users/new"),
    "person, new with errors": pressed(at("/users/new"), "Create person", ".error"),
    "person, new with the email of a deleted person": deleted_address,
    "person, rate limited": rate_limited_person,
    "person, edit": of_person("/edit"),
    "person, delete": of_person("/delete"),
    "person, delete permanently": permanently_deleted,
    "person, delete dialog": dialog(of_person(), "Delete…"),
    "person, deleted with undo": pressed(of_person("/delete"), "Delete person", ".note"),
    "person, deactivate": of_person("/deactivation"),
    "person, deactivated": deactivated,
    "person, reset password": of_person("/password"),
    "person, invited": invited,
    "person, invitation link": invitation_link,
    "person, revoke invitation": invitation_to_revoke,
    "outbox": outbox,
    "account, email": pending_address,
    "password, forgotten": at("/password/forgot", None),
    "invitation": opened("invitation"),
    "password, reset by link": opened("password_reset"),
    "address to confirm": opened("verification"),
    "digest, unsubscribe": unsubscribing,
    "error 410, invalid link": at("/invitations/", None),
    "person, conflict": conflict,
    "organizations": at("/organizations/"),
    "organizations, deleted": at("/organizations/?status=deleted"),
    "organizations, none found": at("/organizations/?q=nothinghere"),
    "organization": of_organization(),
    "organization, empty": of_empty_organization,
    "organization of an administrator": of_organization(person=ADA),
    "organization, new": at("/organizations/new"),
    "organization, new with errors": pressed(at("/organizations/new"), "Create organization", ".error"),
    "organization, edit": of_organization("/edit"),
    "organization, edit by an administrator": of_organization("/edit", ADA),
    "organization, settings": of_organization("/settings"),
    "organization, settings by an administrator": of_organization("/settings", ADA),
    "organization, inactive people": of_organization("/inactivity"),
    "organization, delete": of_organization("/delete"),
    "organization, delete dialog": dialog(of_organization(), "Delete…"),
    "activity": at("/activity/"),
    "activity of an administrator": at("/activity/", ADA),
    "activity, filtered": at("/activity/?q=a&action=sign_in&from=2020-01-01&to=2999-01-01"),
    "activity of a person with long names": activity_of_long_names,
    "activity, none found": at("/activity/?q=nobodyhere&field=slug"),
    "activity, a change of two people": change_of_two,
    "activity, a change of one person": change_of_one,
    "history of a person": earlier_version,
    "history of an organization": at_history_of_acme,
    "history, undone": undone,
    "history, undo refused": undo_refused,
    "data browser": at("/browser/"),
    "data browser, a table": at("/browser/users?column=created_at"),
    "data browser, invalid filter": at("/browser/users?column=version&operator=is&value=many"),
    "data browser, a row": row,
    "data browser, row preview": row_preview,
    "data browser, a query": pressed(at("/browser/sql?table=users"), "Run", "#answer table"),
    "data browser, invalid query": invalid_query,
    "data browser, a plan": pressed(at("/browser/sql?table=users"), "Explain", "#answer pre"),
    "account": at("/account/", UMA),
    "devices": at("/account/devices", UMA),
    "password": at("/account/password", UMA),
    "password, with errors": pressed(at("/account/password", UMA), "Set new password", ".error"),
    "password, temporary": temporary_password,
    "password, strength": strength,
    "reauthentication page": reauthentication("/password", "Reset password"),
    "reauthentication in a form": reauthentication("/edit", "Save changes", Role="ADMIN"),
    "search": at("/search?q=a"),
    "search, nothing found": at("/search?q=xqzvw", UMA),
    "search dialog": pressed_key("Control+k", "ada"),
    "keyboard shortcuts": pressed_key("?"),
    "phone menu": phone_menu,
    "error 400": without_token,
    "error 403": at("/users/", UMA),
    "error 404": at("/nothing-here"),
    "error 405": at("/logout"),
    **{f"error {code}": at(f"{FAILING}{code}") for code in (409, 413, 500, 503)},
}
