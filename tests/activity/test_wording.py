"""The history reads as plain sentences, by day, and its pages stay small."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import html5lib
import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from portal.activity import queries
from portal.activity.entries import days, entries_of
from portal.auth.actions import SIGN_IN, SIGN_IN_FAILED, TWO_FACTOR_FAILED
from portal.core.actor import Role
from portal.core.batch import create_many
from portal.core.clock import now, stopped
from portal.core.db import command, db
from portal.core.history import record
from portal.demo_data.seed import SEED_ADDED
from portal.mfa.actions import RECOVERY_CODES_RENEWED, TWO_FACTOR_ADDED
from portal.mfa.words import CODE, MEANS
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.users.actions import TWO_FACTOR_RESET
from portal.users.commands import set_password, users
from portal.users.models import User
from tests.access.visitor import Visitor, token_in
from tests.acting import acting, actor_of
from tests.cast import Builder, Person, SignIn, Tenant
from tests.mailbox import email_of, path_of
from tests.pages import HTMX, PageClient, fields_of


def trails(text: str) -> list[Element]:
    return html5lib.parse(text, namespaceHTMLElements=False).findall(".//ol[@class='trail']")


def words(element: Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def sentences(text: str) -> list[str]:
    """The sentence of each entry on a page, newest first, without its time."""
    found = [entry.find("p") for trail in trails(text) for entry in trail.findall("li")]
    return [words(one).removesuffix(words(None if one is None else one.find(".//time"))).strip() for one in found]


CHANGES: dict[str, Callable[[Person], object]] = {
    "changed the first name of Ulla Example": lambda uma: users.update(uma.id, 1, {"first_name": "Ulla"}),
    "changed the role of Uma Example": lambda uma: users.update(uma.id, 1, {"role": Role.ADMIN}),
    "changed 2 fields of Ulla Else": lambda uma: users.update(uma.id, 1, {"first_name": "Ulla", "last_name": "Else"}),
    "deactivated Uma Example": lambda uma: users.set_active(uma.id, is_active=False),
    "set a new password for Uma Example": lambda uma: set_password(uma.id, "a new one for uma"),
    "marked the email as verified for Uma Example": lambda uma: users.update(uma.id, 1, {"email_verified": True}),
}


@pytest.mark.parametrize("sentence", CHANGES)
def test_a_change_is_one_plain_sentence(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, uma: Person, root: Person,
    sentence: str,
) -> None:  # fmt: skip
    with acting(app, root):
        CHANGES[sentence](uma)
    sign_in(root)

    assert f"{root.name} {sentence}" in sentences(client.get("/activity/").text)
    sign_in(ada, other_client)
    assert f"System administrator {sentence}" in sentences(other_client.get("/activity/").text)


def test_a_change_of_the_own_account_names_the_person_once(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    with acting(app, ada):
        set_password(ada.id, "a new one for ada")
    sign_in(replace(ada, password="a new one for ada"))  # noqa: S106

    assert f"{ada.name} set a new password for their own account" in sentences(client.get("/activity/").text)
    assert sentences(client.get("/account/").text) == [
        "You signed in", "You set a new password", "The system created your account"
    ]  # fmt: skip


def test_a_refusal_contains_the_path_in_its_sentence(
    client: PageClient, other_client: PageClient, sign_in: SignIn, uma: Person, root: Person
) -> None:
    sign_in(uma, other_client)
    other_client.get("/users/")
    sign_in(root)

    text = client.get("/activity/?action=refused").text

    assert sentences(text) == [f"{uma.name} was refused access to GET /users/"]
    assert "<ins>" not in text


def test_a_changed_secret_is_listed_without_its_value_among_other_fields(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, root: Person
) -> None:
    with acting(app):
        command(lambda: setattr(_row(uma), "password", "x") or setattr(_row(uma), "first_name", "Ulla"))()  # type: ignore[func-returns-value]
    sign_in(root)

    values = [words(one) for trail in trails(client.get("/activity/").text) for one in trail.findall("li/ul/li")]

    assert sorted(values) == ["First name Uma Ulla", "Password changed, not kept"]


def _row(person: Person) -> User:
    return db.session.get_one(User, person.id)


def test_failed_sign_ins_of_known_and_unknown_addresses_read_as_sentences(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, root: Person
) -> None:
    with acting(app):
        record(SIGN_IN_FAILED, about=uma.id, tenant=uma.organization_id)
        record(SIGN_IN_FAILED)
    sign_in(root)

    assert sentences(client.get("/activity/?action=sign_in_failed").text) == [
        "Somebody failed to sign in with an unknown email address",
        "Somebody failed to sign in as Uma Example",
    ]


def test_two_factor_authentication_reads_as_sentences(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, ada: Person
) -> None:
    about, tenant = uma.id, uma.organization_id
    with acting(app):
        own = {"by": actor_of(uma), "about": about}
        record(TWO_FACTOR_ADDED, **own, details={MEANS: "passkey Key"})  # type: ignore[arg-type]
        record(SIGN_IN, **own, details={MEANS: CODE})  # type: ignore[arg-type]
        record(RECOVERY_CODES_RENEWED, **own)  # type: ignore[arg-type]
        record(TWO_FACTOR_FAILED, about=about, tenant=tenant)
        record(TWO_FACTOR_RESET, by=actor_of(ada), about=about, tenant=tenant)
    sign_in(ada)

    assert sentences(client.get("/activity/").text)[1:6] == [
        "Ada Example reset two-factor authentication for Uma Example",
        "Somebody failed two-factor authentication as Uma Example",
        "Uma Example created new recovery codes",
        "Uma Example signed in with a recovery code",
        "Uma Example set up the passkey Key",
    ]


def test_accepting_an_invitation_is_one_entry_with_everything_it_changed(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    newt = build.person("newt@example.com", tenant=acme, invited_at=now())
    guest = Visitor(app)
    guest.get(path_of(email_of(app, "invitation", newt.id)))
    form = fields_of(guest.get("/invitations/").text)
    assert guest.post("/invitations/", {**form, "password": "quite another horse"}).status_code == 303
    guest.token = token_in(guest.get("/account/").text)
    guest.post("/account/devices/end-others")
    guest.post("/account/", {"first_name": "Newt", "last_name": "Example", "time_zone": "America/Indiana/Knox"})
    sign_in(ada)
    sentence = "Newt Example accepted the invitation, chose a password and signed in"

    for path in (f"/activity/people/{newt.id}", f"/users/{newt.id}", "/activity/"):
        shown = sentences(client.get(path).text)
        assert [one for one in shown if "invitation" in one or "password" in one] == [sentence], path
        assert "Newt Example signed in" not in shown
    page = client.get(f"/activity/people/{newt.id}").text
    assert "Email verified" in words(trails(page)[0])
    assert "Same as the browser Indiana, Knox" in words(trails(page)[0])
    lines = client.get(f"/activity/export?row={newt.id}").text.splitlines()
    assert len([line for line in lines if "invitation" in line]) == 1
    assert len(lines) == 7, "the file has the events that the sentence covers"


def test_a_new_address_and_ending_other_sessions_read_as_sentences(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, ada: Person
) -> None:
    browser, other = Visitor(app, uma), Visitor(app, uma)
    sent = {"email": "uma.new@example.com", "current_password": uma.password}
    assert browser.post("/account/email", sent).status_code == 303
    browser.post("/account/email/cancellation")
    browser.post("/account/devices/end-others")
    assert other.get("/account/").status_code == 303
    sign_in(ada)

    assert sentences(client.get(f"/activity/people/{uma.id}").text)[:3] == [
        "Uma Example ended all other sessions of this person",
        "Uma Example canceled uma.new@example.com as the new address",
        "Uma Example requested uma.new@example.com as the new address",
    ]


def test_the_sentence_contains_the_number_of_repeats(app: Flask, ada: Person, uma: Person) -> None:
    with acting(app, ada), app.test_request_context():
        record(SIGN_IN_FAILED, about=uma.id, tenant=uma.organization_id)
        entry = entries_of(queries.listing({"action": "sign_in_failed"}, "/activity/").page().rows)[0]
        text = app.jinja_env.get_template("components/history.html").module.sentence(replace(entry, times=1234), "x")  # type: ignore[attr-defined]

    assert text == "<b>Ada Example</b> failed to sign in 1,234 times"


def test_a_change_of_many_rows_says_how_many(
    app: Flask, client: PageClient, sign_in: SignIn, acme: Tenant, ada: Person
) -> None:
    with acting(app):
        command(lambda: create_many(User, [_person(acme, number) for number in range(5)]))()
    sign_in(ada)

    assert any(one.endswith("and 4 more") and "The system created P" in one for one in _of(client, "/activity/"))
    assert any(one.endswith("and 4 more") for one in _of(client, "/"))


def _of(client: PageClient, path: str) -> list[str]:
    return sentences(client.get(path).text)


def _person(tenant: Tenant, number: int) -> dict[str, object]:
    return {"email": f"p{number}@example.com", "first_name": f"P{number}", "organization_id": tenant.id}


def test_the_dashboard_shows_a_change_of_many_organizations_once(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person
) -> None:
    with acting(app):
        rows = [{"name": f"Branch {number}", "slug": f"branch-{number}"} for number in range(9)]
        command(lambda: db.session.execute(insert(Organization), rows))()
    sign_in(root)

    shown = _of(client, "/")

    assert not [one for one in shown if "signed in" in one]
    assert len([one for one in shown if "created Branch" in one]) == 1


def test_entries_are_grouped_by_day(app: Flask, ada: Person, uma: Person) -> None:
    with acting(app, ada), stopped():
        users.update(uma.id, 1, {"first_name": "Ulla"})
        entry = entries_of(queries.listing({}, "/activity/").page().rows)[0]
        midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
        yesterday = [midnight - timedelta(seconds=1), midnight - timedelta(days=1)]

        found = days([replace(entry, at=at) for at in (midnight, *yesterday, datetime(2026, 3, 4, tzinfo=UTC))])

    assert [(name, len(ones)) for name, ones in found] == [("Today", 1), ("Yesterday", 2), ("4 Mar 2026", 1)]


def test_pages_of_the_history_stay_small_if_every_change_can_be_undone(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    people = [build.person(f"p{number}@example.com", tenant=acme, first_name="Uma") for number in range(26)]
    with acting(app, ada):
        for one in people:
            users.update(one.id, 1, {"first_name": "Ulla"})
    sign_in(ada)
    page = client.get("/activity/?action=update").data
    part = client.get("/activity/?action=update", headers=HTMX).data

    assert page.count(b"formaction") == 25
    assert (len(page) < 24_600, len(gzip.compress(page)) < 6_000) == (True, True)
    assert (len(part) < 14_000, len(gzip.compress(part)) < 4_000) == (True, True)


def test_one_form_contains_all_undo_buttons_and_works_without_scripts(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    with acting(app, ada):
        users.update(uma.id, 1, {"first_name": "Ulla"})
        users.update(uma.id, 2, {"last_name": "Else"})
    sign_in(ada)
    page = html5lib.parse(client.get("/activity/").text, namespaceHTMLElements=False)
    form = next(form for form in page.iter("form") if form.find(".//ol") is not None)
    buttons = list(form.iter("button"))
    token = form.find("input[@name='csrf_token']")
    assert token is not None
    sent = {"csrf_token": token.get("value"), "version": buttons[-1].get("value")}

    client.post(buttons[-1].get("formaction", ""), data=sent)

    assert [button.get("value") for button in buttons] == ["3", "2"]
    row = build.read(User, uma.id)
    assert (row.first_name, row.last_name) == ("Uma", "Else")


def test_a_changed_url_name_keeps_its_capitals(
    app: Flask, client: PageClient, sign_in: SignIn, acme: Tenant, root: Person
) -> None:
    with acting(app, root):
        organizations.update(acme.id, 1, {"slug": "acme-two"})
    sign_in(root)

    assert "Root Example changed the URL name of Acme" in sentences(client.get("/activity/").text)


def test_a_change_whose_values_were_erased_names_no_number_of_fields(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, root: Person
) -> None:
    with acting(app, root):
        users.update(uma.id, 1, {"first_name": "Ulla"})
    with acting(app):
        command(lambda: db.session.scalar(select(func.portal_erase_activity("users", uma.id))))()
    sign_in(root)

    assert "Root Example changed Ulla Example" in sentences(client.get("/activity/").text)
    assert "The system erased the values in the history of Ulla Example" in sentences(client.get("/activity/").text)


def test_what_an_event_counted_is_listed_without_an_empty_former_value(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person
) -> None:
    with acting(app):
        record(SEED_ADDED, details={"people": "5,000"})
    sign_in(root)

    (trail,) = trails(client.get("/activity/?action=seed").text)

    assert words(trail.find("li/p[2]")) == "People 5,000"
