"""Resending, revoking and copying invitations, and the links that were sent before."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.core.errors import Conflict, Missing
from portal.core.history import Activity
from portal.core.keys import uuid7
from portal.users import invitations, resets
from portal.users.commands import users
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.mailbox import email_of, jobs, path_of
from tests.pages import HTMX, PageClient, fields_of, text_of
from tests.selecting import agree, listed

COMMANDS = (invitations.invite_again, invitations.revoke, invitations.link_of)


def opens(app: Flask, path: str) -> bool:
    visitor = Visitor(app)
    visitor.get(path)
    return visitor.get("/invitations/").status_code == 200


@pytest.mark.parametrize("act", COMMANDS)
def test_au10_links_sent_before_stop_working_and_the_history_names_the_actor(
    app: Flask, build: Builder, ada: Person, guest: Person, act: Callable[..., Any]
) -> None:
    sent = path_of(email_of(app, "invitation", guest.id))
    assert opens(app, sent)

    with acting(app, ada):
        act(guest.id)

    assert not opens(app, sent)
    with acting(app, ada):
        newest = db.session.scalars(
            select(Activity).where(Activity.row_id == guest.id).order_by(Activity.id.desc())
        ).first()
        assert newest is not None
        assert (newest.actor_id, newest.organization_id, newest.changes) == (ada.id, ada.organization_id, None)
    assert build.read(User, guest.id).updated_by == ada.id


def test_the_tenant_sees_a_super_admins_change_without_their_name(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, root: Person, guest: Person
) -> None:
    Visitor(app, root).post(f"/users/{guest.id}/invitation/revocation")
    sign_in(ada)

    page = client.get(f"/users/{guest.id}").text

    assert "revoked the invitation of" in page
    assert root.name not in page
    assert "Revoked" in page


@pytest.mark.parametrize("act", COMMANDS)
def test_nobody_can_change_invitations_of_people_out_of_reach(
    app: Flask, bea: Person, uma: Person, build: Builder, guest: Person, act: Callable[..., Any]
) -> None:
    for person in (bea, uma):
        with acting(app, person), pytest.raises(Missing):
            act(guest.id)
    assert build.read(User, guest.id).version == 1


@pytest.mark.parametrize("act", COMMANDS)
def test_people_who_accepted_or_were_never_invited_cannot_be_invited_again(
    app: Flask, build: Builder, ada: Person, acme: Tenant, act: Callable[..., Any]
) -> None:
    accepted = build.person("accepted@example.com", tenant=acme, invited_at=now(), accepted_at=now())
    never = build.person("never@example.com", tenant=acme)

    for person in (accepted, never):
        with acting(app, ada), pytest.raises(Conflict, match="already has a password"):
            act(person.id)


def test_an_expired_invitation_is_marked_and_can_be_sent_again(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant
) -> None:
    late = build.person("late@example.com", tenant=acme, invited_at=now() - timedelta(days=8))
    sign_in(ada)
    assert "Invitation expired" in client.get("/users/?status=invited").text

    client.send(f"/users/{late.id}/invitation", at=f"/users/{late.id}")

    assert build.read(User, late.id).invitation == "pending"
    assert jobs(app) == [("invitation", late.id)]
    assert "Invited" in client.get("/users/").text


def test_a_revoked_invitation_stays_revoked_until_it_is_sent_again(
    app: Flask, ada: Person, build: Builder, guest: Person
) -> None:
    with acting(app, ada):
        invitations.revoke(guest.id)
    assert build.read(User, guest.id).invitation == "revoked"
    with acting(app):
        users.update(guest.id, 2, {"email": "other@example.com"})
    assert build.read(User, guest.id).invitation == "revoked"

    with acting(app, ada):
        invitations.invite_again(guest.id)
    assert build.read(User, guest.id).invitation == "pending"


def test_a_deactivated_new_person_is_invited_once_activated(app: Flask, ada: Person) -> None:
    new = {"email": "later@example.com", "is_active": False, "role": Role.USER}
    with acting(app, ada):
        key = users.create(new, row_id=uuid7())
    assert jobs(app) == []

    with acting(app, ada):
        users.set_active(key, is_active=True)

    assert jobs(app) == [("invitation", key)]


def test_a_new_address_of_an_invited_person_gets_the_invitation(app: Flask, ada: Person, guest: Person) -> None:
    with acting(app, ada):
        users.update(guest.id, 1, {"email": "right@example.com"})

    assert jobs(app) == [("email_changed", guest.id), ("invitation", guest.id)]
    assert email_of(app, "invitation", guest.id).recipient == "right@example.com"


def test_resetting_the_password_of_an_invited_person_is_refused(app: Flask, ada: Person, guest: Person) -> None:
    with acting(app, ada), pytest.raises(Conflict, match="Send the invitation again"):
        resets.reset_password(guest.id)


def test_an_invitation_link_is_shown_only_once(client: PageClient, sign_in: SignIn, ada: Person, guest: Person) -> None:
    sign_in(ada)

    shown = client.send(f"/users/{guest.id}/invitation/link", at=f"/users/{guest.id}").text

    link = shown.split('<output aria-label="Link" id="invitation-link">')[1].split("<")[0]
    assert link.startswith("http://127.0.0.1:8000/invitations/")
    assert link not in client.get(f"/users/{guest.id}").text
    assert link not in client.get("/activity/").text


@pytest.mark.parametrize("change", [{"role": Role.ADMIN}, {"organization_id": None}], ids=["role", "organization"])
def test_au10_a_copied_link_stops_working_when_the_role_or_organization_changes(
    app: Flask, ada: Person, build: Builder, guest: Person, change: dict[str, Any]
) -> None:
    with acting(app, ada):
        _, link = invitations.link_of(guest.id)
        version = build.read(User, guest.id).version
    with acting(app):
        users.update(guest.id, version, change)

    assert Visitor(app).get(urlsplit(link).path, follow_redirects=True).status_code == 410


def test_resending_an_invitation_is_rate_limited(app: Flask, ada: Person, guest: Person) -> None:
    visitor = Visitor(app, ada)

    for _ in range(10):
        visitor.post(f"/users/{guest.id}/invitation")

    assert "Too many emails" in visitor.get(f"/users/{guest.id}").text
    assert len(jobs(app)) < 10


def test_without_a_mail_server_pages_offer_the_link_instead(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, change_settings: Callable[..., None]
) -> None:
    sign_in(ada)
    change_settings(production=True, smtp_url=None, public_url="http://localhost")
    assert "Email is not set up." in client.get("/users/new").text

    answer = client.send("/users/new", {"email": "nia@example.com", "role": "USER"})

    page = client.get(answer.headers["Location"]).text
    assert "The invitation was not sent: email is not set up." in page
    assert "on its way" not in page
    path = f"{answer.headers['Location']}/invitation/link"
    assert "/invitations/" in client.post(path, data=fields_of(page, path)).text
    page = client.get(answer.headers["Location"]).text
    assert "The invitation was not sent" in page  # until it is accepted
    uma = build.person("una@example.com", tenant=acme)
    assert "no link to choose a new one can be sent" in client.get(f"/users/{uma.id}/password").text
    change_settings(production=False)
    assert "was not sent" not in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_revoking_an_invitation_needs_confirmation(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, guest: Person, headers: dict[str, str]
) -> None:
    sent = path_of(email_of(app, "invitation", guest.id))
    path = f"/users/{guest.id}/invitation/revocation"
    sign_in(ada)
    page = client.get(f"/users/{guest.id}").text
    assert f'href="{path}"' in page
    assert f'action="{path}"' not in page

    question = client.get(path, headers=headers)

    assert question.status_code == 200
    assert question.text.startswith("<dialog") is bool(headers)
    assert f"Revoke the invitation of {guest.name}?" in question.text
    assert "All links that were sent or shown stop working." in question.text
    assert opens(app, sent)
    assert client.post(path, data=fields_of(question.text, path)).status_code == 303
    assert build.read(User, guest.id).invitation == "revoked"
    assert not opens(app, sent)


def test_people_who_accepted_have_no_invitation_to_revoke(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, bea: Person, acme: Tenant
) -> None:
    accepted = build.person("accepted@example.com", tenant=acme, invited_at=now(), accepted_at=now())
    sign_in(ada)

    assert client.get(f"/users/{accepted.id}/invitation/revocation").status_code == 409
    assert client.get(f"/users/{bea.id}/invitation/revocation").status_code == 404


def test_the_button_that_shows_the_link_warns_about_earlier_links(
    client: PageClient, sign_in: SignIn, ada: Person, guest: Person
) -> None:
    sign_in(ada)

    assert "Earlier links stop working." in client.get(f"/users/{guest.id}").text


LONG_AGO = now() - timedelta(days=30)
STATES: dict[str, dict[str, Any]] = {
    "pending": {"invited_at": now()},
    "expired": {"invited_at": LONG_AGO},
    "revoked": {"invited_at": LONG_AGO, "revoked_at": LONG_AGO},
}


@pytest.fixture
def invited(build: Builder, acme: Tenant, birch: Tenant) -> dict[str, list[Person]]:
    """By state: the first two people in Acme, the third in Birch. Others have no open invitation."""
    found = {
        state: [
            build.person(f"{state}{place}@example.com", tenant=birch if place == 2 else acme, **values)
            for place in range(3)
        ]
        for state, values in STATES.items()
    }
    build.person("accepted@example.com", tenant=acme, invited_at=LONG_AGO, accepted_at=now())
    build.person("off@example.com", tenant=acme, invited_at=LONG_AGO, is_active=False)
    return found


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("query", ["", "&sort=name", "&q=example", "&role=USER&per_page=50", "&status=deactivated"])
def test_each_invitation_state_has_its_own_list(
    app: Flask, client: PageClient, sign_in: SignIn, invited: dict[str, list[Person]], ada: Person, root: Person,
    acme: Tenant, state: str, query: str,
) -> None:  # fmt: skip
    path = f"/users/?invitation={state}{query}"
    sign_in(root)
    assert set(listed(client, path)) == {one.id for one in invited[state]}
    inside = {one.id for one in invited[state][:2]}
    assert set(listed(client, f"{path}&organization={acme.id}")) == inside

    own = page_client(app, ada)
    assert set(listed(own, path)) == inside
    assert own.get(path, headers=HTMX).text.count('name="id"') == 2


def test_each_invitation_state_shows_its_count(
    app: Flask, invited: dict[str, list[Person]], ada: Person, root: Person, uma: Person
) -> None:
    for person, each in ((root, 3), (ada, 2)):
        client = page_client(app, person)
        for path in ("/users/?status=invited", "/users/?invitation=revoked"):
            text = text_of(client.get(path).text)
            assert f"All {each * 3} Pending {each} Expiring soon 0 Expired {each} Revoked {each}" in text
    assert "Pending" not in text_of(client.get("/users/?invitation=nonsense").text)
    assert 'href="/users/"' in client.get("/users/?invitation=revoked").text  # the first tab has no such filter
    assert page_client(app, uma).get("/users/?invitation=pending").status_code == 403


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_all_expired_invitations_are_sent_again(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, invited: dict[str, list[Person]], ada: Person,
    headers: dict[str, str],
) -> None:  # fmt: skip
    sign_in(ada)
    page = client.get("/users/?invitation=expired")
    assert "Resend all" in page.text
    url = "/users/selection?status=invited&invitation=expired"
    button = re.search(r'form="all-rows" formaction="([^"]+)" name="action" value="([^"]+)"', page.text)
    assert button is not None
    assert html.unescape(button[1]) == url
    sent = {**fields_of(page.text, url), "all": "1", "action": button[2]}

    asked = client.post(url, data=sent, headers=headers)

    assert "Resend the invitation of 2 people?" in text_of(asked.text)
    assert not jobs(app)
    assert agree(client, asked).status_code == 303
    assert sorted(jobs(app)) == sorted(("invitation", one.id) for one in invited["expired"][:2])
    assert [build.read(User, one.id).invitation for one in invited["expired"]] == ["pending", "pending", "expired"]
    assert [build.read(User, one.id).invitation for one in invited["revoked"]] == ["revoked"] * 3
    assert "Resend all" not in client.get("/users/?invitation=expired").text
