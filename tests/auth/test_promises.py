"""Guessing passwords is rate-limited across processes and restarts, without locking people out."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text

from portal.config import Settings
from portal.core.actor import Role
from portal.core.db import command, db
from portal.core.history import Activity
from portal.users import passwords
from portal.web.given import current_settings
from tests.access.visitor import Visitor, token_in, without_tokens
from tests.acting import acting, portal_on, within_one_minute
from tests.cast import PASSWORD, Builder, Person, Tenant

WRONG = "a password that is not the right one"
DEFAULT_LIMITS = {
    "guesses_per_account": Settings.guesses_per_account,
    "guesses_per_network": Settings.guesses_per_network,
}
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.77"}
BURST = 5  # of the ten in five minutes


@pytest.fixture
def portal(fresh_database: str) -> Iterator[Flask]:
    """A portal with the default rate limits."""
    with portal_on(fresh_database, **DEFAULT_LIMITS) as app:
        yield app


@pytest.fixture
def acme(portal: Flask) -> Tenant:
    return Builder(portal).tenant("Acme")


@pytest.fixture
def ada(portal: Flask, acme: Tenant) -> Person:
    return Builder(portal).person("ada@example.com", role=Role.ADMIN, tenant=acme)


@pytest.fixture
def uma(portal: Flask, acme: Tenant) -> Person:
    return Builder(portal).person("uma@example.com", tenant=acme)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were compared with a hash."""
    seen: list[str] = []
    verify = passwords.verify

    def record(password: str, stored: str | None) -> passwords.Verdict:
        seen.append(password)
        return verify(password, stored)

    monkeypatch.setattr("portal.users.passwords.verify", record)
    return seen


def guess(visitor: Visitor, email: str, password: str = WRONG, **kwargs: Any) -> int:
    return visitor.post("/login", {"email": email, "password": password}, **kwargs).status_code


def attack(portal: Flask, person: Person) -> Visitor:
    """Guess the person's password until rate-limited, and return the attacker."""
    attacker = Visitor(portal)
    assert [guess(attacker, person.email, environ_base=ELSEWHERE) for _ in range(BURST + 1)][-1] == 429
    return attacker


def without_session(visitor: Visitor) -> Visitor:
    """The same device after its session ended."""
    visitor.client.delete_cookie("portal")
    visitor.token = token_in(visitor.get("/login").text)
    return visitor


def events(app: Flask, action: str) -> list[Activity]:
    with acting(app):
        return db.session.query(Activity).filter_by(action=action).order_by(Activity.id).all()


@command
def advance_clock(minutes: int) -> None:
    db.session.execute(text(f"UPDATE rate_limits SET free_at = free_at - interval '{minutes} minutes'"))  # noqa: S608


def test_au6_at_most_ten_of_two_hundred_concurrent_guesses_are_verified(
    portal: Flask, fresh_database: str, uma: Person, verified: list[str]
) -> None:
    statuses: Counter[int] = Counter()

    def guess_often(app: Flask, number: int) -> None:
        visitor = Visitor(app)
        for turn in range(25):
            origin = {"REMOTE_ADDR": f"192.0.2.{number * 25 + turn}"}
            statuses[guess(visitor, uma.email, f"{WRONG} {number} {turn}", environ_base=origin)] += 1

    for _ in range(2):  # the second round is after a restart
        with ExitStack() as stack:
            both = [stack.enter_context(portal_on(fresh_database, **DEFAULT_LIMITS)) for _ in range(2)]
            threads = [threading.Thread(target=guess_often, args=(both[n % 2], n)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=120)

    assert sum(statuses.values()) == 200
    assert statuses == {422: len(verified), 429: 200 - len(verified)}
    assert BURST <= len(verified) <= 10


def test_au6_the_response_says_when_to_retry_and_keeps_the_email(portal: Flask, uma: Person) -> None:
    answer = attack(portal, uma).post("/login", {"email": uma.email, "password": PASSWORD})

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "Too many attempts. Try again in" in answer.text
    assert f'value="{uma.email}"' in answer.text
    assert PASSWORD not in answer.text


def test_au4_au6_an_unknown_email_is_rate_limited_with_the_same_response(portal: Flask) -> None:
    vera, answers = Builder(portal).person("vera@example.com"), []
    for email in (vera.email, "nobody@example.com"):
        visitor = Visitor(portal)
        for _ in range(BURST + 1):
            answer = visitor.post("/login", {"email": email, "password": WRONG})
        status, headers, page = without_tokens(answer)
        kept = [(name, "soon" if name == "Retry-After" else value) for name, value in headers]
        answers.append((status, kept, re.sub(r"Wait \d+ seconds?", "Wait", page).replace(email, "ADDRESS")))

    assert answers[0][0] == 429
    assert answers[0] == answers[1]


def test_au5_au6_a_refusal_takes_the_same_work_for_known_and_unknown_emails(
    portal: Flask, uma: Person, verified: list[str]
) -> None:
    statements: list[str] = []
    with portal.app_context():
        engine = db.engine

    def watch(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    seen = []
    for email in (uma.email, "nobody@example.com"):
        visitor = Visitor(portal)
        for _ in range(BURST):
            guess(visitor, email)
        verified.clear()
        statements.clear()
        event.listen(engine, "before_cursor_execute", watch)
        assert guess(visitor, email) == 429
        event.remove(engine, "before_cursor_execute", watch)
        seen.append(list(statements))
        assert verified == []

    assert seen[0] == seen[1]


def test_au6_all_spellings_of_an_email_count_together(portal: Flask, uma: Person) -> None:
    visitor = Visitor(portal)
    spellings = ("uma@example.com", " UMA@example.com", "Uma@Example.com ", "UMA@EXAMPLE.COM", "uma@EXAMPLE.COM")

    statuses = [guess(visitor, email) for email in (*spellings, *spellings)]

    assert statuses.count(429) >= 4


def test_au6_signing_in_resets_the_accounts_counter(portal: Flask, uma: Person) -> None:
    for _ in range(3):
        visitor = Visitor(portal)
        assert [guess(visitor, uma.email) for _ in range(BURST - 1)] == [422] * (BURST - 1)
        assert guess(visitor, uma.email, PASSWORD) == 303


def test_au6_failures_from_one_network_are_limited_across_accounts_but_successes_are_not(
    fresh_database: str, uma: Person
) -> None:
    with portal_on(fresh_database, guesses_per_account=10, guesses_per_network=10) as portal:
        many = [guess(Visitor(portal), uma.email, PASSWORD) for _ in range(12)]
        statuses = [guess(Visitor(portal), f"somebody{number}@example.com") for number in range(7)]

        assert many == [303] * 12
        assert statuses == [422] * 5 + [429] * 2
        assert guess(Visitor(portal), uma.email, PASSWORD, environ_base=ELSEWHERE) == 303


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "no address", True),
    ],
)
def test_au6_an_ipv6_network_of_64_bits_counts_as_one(
    fresh_database: str, uma: Person, one: str, other: str, *, is_same: bool
) -> None:
    with portal_on(fresh_database, guesses_per_network=2, guesses_per_account=10) as portal:
        first = guess(Visitor(portal), "a@example.com", environ_base={"REMOTE_ADDR": one})
        second = guess(Visitor(portal), "b@example.com", environ_base={"REMOTE_ADDR": other})

    assert (first, second) == (422, 429 if is_same else 422)


def test_au7_the_person_can_sign_in_after_waiting(portal: Flask, uma: Person) -> None:
    attack(portal, uma)
    assert guess(Visitor(portal), uma.email, PASSWORD) == 429

    with acting(portal):
        advance_clock(minutes=1)

    assert guess(Visitor(portal), uma.email, PASSWORD) == 303


def test_au7_the_person_can_sign_in_from_a_known_device_during_an_attack(portal: Flask, uma: Person) -> None:
    known = Visitor(portal, uma)
    attacker = attack(portal, uma)

    assert guess(without_session(known), uma.email) == 422
    assert guess(known, uma.email, PASSWORD) == 303
    assert guess(attacker, uma.email, PASSWORD, environ_base=ELSEWHERE) == 429, (
        "the person's success doesn't help the attacker"
    )


def test_au7_a_device_is_known_even_if_the_stored_email_has_capital_letters(portal: Flask, acme: Tenant) -> None:
    person = Builder(portal).person("Old.Berg@Example.com", tenant=acme)
    known = Visitor(portal, person)
    attack(portal, person)

    assert guess(without_session(known), person.email, PASSWORD) == 303


def test_au7_the_person_can_sign_in_from_a_known_device_in_a_rate_limited_network(
    fresh_database: str, uma: Person
) -> None:
    with portal_on(fresh_database, guesses_per_account=10, guesses_per_network=4) as portal:
        known = Visitor(portal, uma)
        assert [guess(Visitor(portal), f"x{number}@example.com") for number in range(3)][-1] == 429

        assert guess(known, uma.email, PASSWORD) == 303


def test_au6_a_known_device_has_its_own_limit_and_only_for_its_account(portal: Flask, uma: Person, ada: Person) -> None:
    known = Visitor(portal, uma)

    assert [guess(known, uma.email) for _ in range(BURST + 1)][-1] == 429
    attack(portal, ada)
    assert guess(known, ada.email, PASSWORD) == 429
    assert guess(Visitor(portal), uma.email) == 422, "guesses from a known device don't limit others"


def test_au7_a_device_remembers_five_accounts_and_forgets_the_oldest(portal: Flask, acme: Tenant) -> None:
    people = [Builder(portal).person(f"p{number}@example.com", tenant=acme) for number in range(6)]
    device = Visitor(portal)
    for person in people:
        device.sign_in(person)
    for person in (people[0], people[1], people[5]):
        attack(portal, person)

    statuses = [guess(without_session(device), one.email, PASSWORD) for one in (people[1], people[5], people[0])]
    assert statuses == [303, 303, 429]


def test_au7_a_device_stays_known_while_the_secret_key_is_rotated(
    portal: Flask, fresh_database: str, uma: Person
) -> None:
    cookie = Visitor(portal, uma).cookie("portal-device")
    new: dict[str, Any] = {"secret_key": "another-key-0123456789-abcdefghijklm", **DEFAULT_LIMITS}

    for fallbacks, status in (((current_settings.of(portal).secret_key,), 303), ((), 429)):
        with portal_on(fresh_database, secret_key_fallbacks=fallbacks, **new) as restarted:
            attack(restarted, uma)
            visitor = Visitor(restarted)
            visitor.client.set_cookie("portal-device", cookie)
            assert guess(visitor, uma.email, PASSWORD) == status
            with acting(restarted):
                advance_clock(minutes=5)


def test_au6_a_forged_broken_or_expired_device_cookie_is_ignored(
    portal: Flask, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = Visitor(portal, uma).cookie("portal-device")
    payload, stamp, signature = cookie.rsplit(".", 2)
    attack(portal, uma)

    for value in (
        cookie[:-1],
        "x" + cookie,
        payload,
        f"{payload}..{signature}",
        f"{payload}.{stamp}.",
        "",
        "null",
        ".",
    ):
        visitor = Visitor(portal)
        visitor.client.set_cookie("portal-device", value)
        assert guess(visitor, uma.email, PASSWORD) == 429, value
    visitor = Visitor(portal)
    visitor.client.set_cookie("portal-device", cookie)
    monkeypatch.setattr("portal.web.attempts.REMEMBERED_SECONDS", -1)
    assert guess(visitor, uma.email, PASSWORD) == 429


def test_the_device_cookie_and_the_counters_contain_no_personal_data(portal: Flask, uma: Person) -> None:
    cookie = Visitor(portal, uma).cookie("portal-device")
    attack(portal, uma)

    with acting(portal):
        kept = db.session.scalars(text("SELECT t::text FROM rate_limits t")).all()
    assert len(kept) == 2
    for one in (cookie, *kept):
        for secret in ("uma", "example.com", b"uma@example.com".hex(), str(uma.id), "192.0.2"):
            assert secret not in one


def test_au7_an_administrator_can_unlock_a_person_while_they_are_rate_limited(
    portal: Flask, ada: Person, uma: Person
) -> None:
    chief, address = Visitor(portal, ada), f"/users/{uma.id}"
    assert "/unlock" not in chief.get(address).text
    attack(portal, uma)
    assert f"{address}/unlock" in chief.get(address).text

    assert chief.post(f"{address}/unlock").headers["Location"] == address

    page = chief.get(address).text
    assert "Uma Example can try to sign in again." in page
    assert "/unlock" not in page
    assert guess(Visitor(portal), uma.email, PASSWORD) == 303
    (one,) = events(portal, "unlock")
    assert (one.actor_id, one.row_id, one.organization_id) == (ada.id, uma.id, ada.organization_id)


def test_au7_unlocking_somebody_who_is_not_rate_limited_changes_nothing(
    portal: Flask, ada: Person, uma: Person
) -> None:
    assert Visitor(portal, ada).post(f"/users/{uma.id}/unlock").status_code == 303

    assert events(portal, "unlock") == []


def test_au7_the_tenant_does_not_see_who_unlocked_a_super_admin(portal: Flask, acme: Tenant, ada: Person) -> None:
    build = Builder(portal)
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    sue = build.person("sue@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    attack(portal, sue)

    assert Visitor(portal, ada).post(f"/users/{sue.id}/unlock").status_code == 404
    assert Visitor(portal, root).post(f"/users/{sue.id}/unlock").status_code == 303

    assert [one.organization_id for name in ("unlock", "rate_limited") for one in events(portal, name)] == [None, None]


def test_lg2_a_rate_limited_attack_is_shown_in_the_tenants_activity(portal: Flask, ada: Person, acme: Tenant) -> None:
    def attack_on(number: int) -> Person:
        person = Builder(portal).person(f"person{number}@example.com", tenant=acme)
        attacker = attack(portal, person)
        for _ in range(5):
            guess(attacker, person.email, environ_base=ELSEWHERE)
        return person

    person = within_one_minute(portal, attack_on)

    (one,) = (each for each in events(portal, "rate_limited") if each.row_id == person.id)
    assert (one.organization_id, one.address) == (acme.id, "192.0.2.77")
    assert (one.actor_id, one.actor_role) == (None, "SYSTEM")
    shown = Visitor(portal, ada).get("/activity/?action=rate_limited").text
    words = "entered too many wrong passwords or codes for"
    assert re.search(rf"Somebody.{{0,200}}{words}.{{0,300}}{person.name}", shown, re.S)


def test_au6_attempts_at_the_current_password_have_their_own_limit(
    portal: Flask, uma: Person, verified: list[str]
) -> None:
    visitor = Visitor(portal, uma)
    attack(portal, uma)
    verified.clear()

    for status in [422] * BURST + [429, 429]:
        sent = {"current_password": WRONG, "password": "quite another horse and battery"}
        answer = visitor.post("/account/password", sent)
        assert answer.status_code == status
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "Too many attempts. Try again in" in answer.text
    assert len(verified) == BURST
    assert events(portal, "rate_limited")[-1].actor_id == uma.id

    with acting(portal):
        advance_clock(minutes=1)
    sent["current_password"] = PASSWORD
    assert visitor.post("/account/password", sent).status_code == 303


@pytest.mark.parametrize("email", ["x" * 320, "no address", "a@b@c", "ünï@exämple.com", "'; DROP TABLE rate_limits --"])
def test_au6_anything_typed_as_an_email_is_counted(portal: Flask, email: str) -> None:
    visitor = Visitor(portal)

    assert [guess(visitor, email) for _ in range(BURST + 1)] == [422] * BURST + [429]
