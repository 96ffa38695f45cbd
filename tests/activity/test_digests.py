"""Following organizations and people, and the daily digest."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from portal.activity import digests, follows
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.mail.message import Email, message_of
from portal.users.commands import users
from tests.acting import acting, run_concurrently
from tests.cast import Builder, Person, SignIn, Tenant
from tests.mailbox import email_of, emails, jobs
from tests.pages import PageClient

TABLE = {Tenant: "organizations", Person: "users"}


def follow(app: Flask, person: Person, *rows: Person | Tenant) -> None:
    with acting(app, person):
        for row in rows:
            follows.follow(person.id, TABLE[type(row)], row.id)


def a_day_passes(app: Flask) -> None:
    """Everything that was followed until now is due."""
    with acting(app):
        db.session.execute(text("UPDATE follows SET digest_from = now() - interval '2 days', digest_until = :then"),
                           {"then": now() - timedelta(days=1, hours=1)})  # fmt: skip
        db.session.commit()


def send_due(app: Flask) -> list[Any]:
    """The digests that are queued now."""
    with acting(app):
        digests.send_due()
    return [one for one in emails(app) if one.subject == digests.SUBJECT]


def change(app: Flask, actor: Person | None, row: Person, name: str) -> None:
    with acting(app, actor):
        users.update(row.id, db.session.scalar(text("SELECT version FROM users WHERE id = :id"), {"id": row.id}) or 1,
                     {"last_name": name})  # fmt: skip


def said(email: Email) -> str:
    return "\n".join((*email.paragraphs, *email.closing))


def followed(app: Flask) -> int:
    with acting(app):
        return db.session.scalar(text("SELECT count(*) FROM follows")) or 0


def test_the_button_follows_and_stops(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant
) -> None:
    sign_in(ada)
    for path, follow_path in (
        (f"/organizations/{acme.id}", f"/activity/organizations/{acme.id}/follow"),
        (f"/users/{uma.id}", f"/activity/people/{uma.id}/follow"),
    ):
        assert client.send(follow_path, {}, at=path).status_code == 303
        assert ">Unfollow</button>" in client.get(path).text
    follow(app, ada, acme, uma)  # twice is once
    page = client.get("/activity/followed/").text
    assert ("Acme" in page, "Uma Example" in page, page.count(">Unfollow</button>")) == (True, True, 2)

    assert client.send(follow_path, {"stop": "1"}, at=path).status_code == 303
    assert ">Follow</button>" in client.get(path).text
    assert client.send("/activity/followed/stop", {}, at="/activity/followed/").status_code == 303
    assert "Not following anything" in client.get("/activity/followed/").text


def test_nobody_follows_what_they_cannot_see(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, uma: Person, bea: Person,
    birch: Tenant,
) -> None:  # fmt: skip
    sign_in(ada)
    for path in (f"organizations/{birch.id}", f"people/{bea.id}", f"people/{uuid.uuid4()}"):
        assert client.send(f"/activity/{path}/follow", {}, at=f"/users/{uma.id}").status_code == 404
    sign_in(uma, other_client)
    assert other_client.get("/activity/followed/").status_code == 403
    assert followed(app) == 0


def test_a_digest_names_what_others_did_and_nothing_else(
    app: Flask, acme: Tenant, birch: Tenant, ada: Person, uma: Person, bea: Person, build: Builder
) -> None:
    other = build.person("other@example.com", role=Role.ADMIN, tenant=acme)
    follow(app, ada, acme)
    a_day_passes(app)
    change(app, other, uma, "Changed")
    change(app, bea, bea, "Theirs")
    change(app, ada, uma, "Mine")

    (email,) = send_due(app)

    shown = said(email)
    assert email.recipient == ada.email
    assert "Acme: " in shown
    assert "Other Example changed" in shown
    assert "Theirs" not in shown
    assert "Ada Example changed" not in shown
    assert send_due(app) == [email] and len(jobs(app)) == 1, "the same one: a digest a day"


def test_nothing_is_sent_if_nothing_happened(app: Flask, acme: Tenant, ada: Person, uma: Person) -> None:
    follow(app, ada, uma)
    with acting(app):
        db.session.execute(text("UPDATE follows SET digest_from = :then, digest_until = :then"),
                           {"then": now() - timedelta(seconds=1)})  # fmt: skip
        db.session.commit()
    assert send_due(app) == []
    a_day_passes(app)
    with acting(app):
        db.session.execute(text("UPDATE follows SET digest_until = now() - interval '0 s'"))
        db.session.commit()

    assert send_due(app) == []


def test_sign_ins_are_not_counted_as_changes(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    follow(app, ada, uma)
    a_day_passes(app)
    with acting(app):
        since = db.session.scalar(text("SELECT count(*) FROM activity WHERE row_id = :id"), {"id": uma.id}) or 0
    sign_in(uma, client)
    (email,) = send_due(app)

    assert since == 1
    assert f"{uma.name}: 1 change, 1 sign-in event" in said(email)


def test_two_workers_queue_one_digest(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    uma = build.person("uma@example.com", tenant=acme)
    follow(fresh_app, ada, acme, uma)
    a_day_passes(fresh_app)
    change(fresh_app, None, uma, "Changed")

    assert run_concurrently(fresh_app, [digests.send_due] * 3) == [None] * 3

    assert jobs(fresh_app) == [("digest", ada.id)]


def test_a_digest_that_waits_for_the_mail_server_covers_the_next_day_too(
    app: Flask, acme: Tenant, ada: Person, uma: Person
) -> None:
    follow(app, ada, acme)
    a_day_passes(app)
    change(app, None, uma, "First")
    (email,) = send_due(app)
    assert "Acme: 4 changes" in said(email)
    with acting(app):
        db.session.execute(text("UPDATE follows SET digest_until = now() - interval '25 h'"))
        db.session.commit()
    change(app, None, uma, "Second")

    (email,) = send_due(app)
    assert "Acme: 5 changes" in said(email)
    assert len(jobs(app)) == 1


def test_a_digest_that_takes_too_long_keeps_nobody_else_from_theirs(
    app: Flask, acme: Tenant, ada: Person, uma: Person, build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = build.person("second@example.com", role=Role.ADMIN, tenant=acme)
    for person in (ada, second):
        follow(app, person, acme)
    a_day_passes(app)
    change(app, None, uma, "Changed")
    begun, slow = digests._section, min(ada.id, second.id)

    def section(one: Any, since: Any, until: Any, reader: Any) -> Any:
        if reader == slow:
            db.session.execute(text("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)"))
        return begun(one, since, until, reader)

    monkeypatch.setattr(digests, "_section", section)
    send_due(app)

    assert jobs(app) == [("digest", max(ada.id, second.id))]


def test_a_follower_who_loses_access_gets_nothing_more(
    app: Flask, acme: Tenant, birch: Tenant, ada: Person, uma: Person, build: Builder
) -> None:
    build.person("second@example.com", role=Role.ADMIN, tenant=acme)
    follow(app, ada, acme, uma)
    a_day_passes(app)
    change(app, None, uma, "Changed")
    (queued,) = send_due(app)
    assert "Uma Changed" in said(queued)

    change_to(app, ada, organization_id=birch.id)

    with acting(app):
        assert digests.digest(ada.id, None) is None, "what is queued already says nothing either"
    a_day_passes(app)
    assert [one for one in send_due(app) if "Uma" in said(one)] == []
    assert followed(app) == 0

    follow(app, ada, birch)
    change_to(app, ada, role=Role.USER)
    send_due(app)
    assert followed(app) == 0


def change_to(app: Flask, person: Person, **values: Any) -> None:
    with acting(app):
        version = db.session.scalar(text("SELECT version FROM users WHERE id = :id"), {"id": person.id})
        users.update(person.id, version or 1, values)


@pytest.mark.parametrize(("zone", "hour"), [("Asia/Kathmandu", 7), (None, 7)])
def test_digests_are_due_at_seven_in_the_followers_time_zone(zone: str | None, hour: int) -> None:
    due = digests.last_time(zone)

    assert (due.hour, due.minute) == (hour, 0)
    assert timedelta(0) <= now() - due < timedelta(days=1)


def test_the_link_in_a_digest_ends_it_without_a_session(
    app: Flask, client: PageClient, ada: Person, bea: Person, uma: Person, acme: Tenant, birch: Tenant
) -> None:
    follow(app, ada, acme)
    follow(app, bea, birch)
    a_day_passes(app)
    change(app, None, uma, "Changed")
    email = email_of(app, "digest", ada.id) if send_due(app) else None
    assert email is not None
    with acting(app):
        message = message_of(email, "Portal <portal@example.com>")
    (path,) = re.findall(rb"\r\nList-Unsubscribe: <https?://[^/]+(/\S+)>\r\n", message.as_bytes())
    path = path.decode()
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert path in said(email)

    assert "This stops the daily email" in client.get(path).text
    assert followed(app) == 2, "a scanner that opens the link changes nothing"
    answer = client.post(path, data={"List-Unsubscribe": "One-Click"})

    assert (answer.status_code, "You won’t get this email anymore" in answer.text) == (200, True)
    assert followed(app) == 1, "bea still follows"
    assert client.post(path).status_code == 200, "again changes nothing"


@pytest.mark.parametrize(
    "forge", [lambda token: token[:-1], lambda token: "x" + token, lambda _: "e30.x", lambda _: "."]
)
def test_a_forged_token_ends_nothing(
    app: Flask, client: PageClient, ada: Person, acme: Tenant, forge: Callable[[str], str]
) -> None:
    follow(app, ada, acme)
    with acting(app):
        token = follows.unsubscribe_url(ada.id).rpartition("/")[2]

    assert client.post(f"/unsubscribe/{forge(token)}").status_code == 404
    assert client.get(f"/unsubscribe/{forge(token)}").status_code == 404
    assert followed(app) == 1
