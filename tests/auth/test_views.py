"""Signing in and out, as people and attackers do it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import bcrypt
import pytest
from flask import Flask

from portal.auth import views as door
from portal.auth.lifetimes import lifetime
from portal.core.actor import SYSTEM, Role
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.organizations.commands import organizations
from portal.tokens.commands import add_session
from portal.tokens.models import Session
from portal.users import passwords
from portal.users.commands import users
from portal.users.models import User
from portal.web.urls import safe_next
from tests.access.visitor import SIGN_IN, Visitor, outcome, token_in, without_tokens
from tests.acting import portal_on
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.database import app_for, disconnect
from tests.pages import PageClient, fields_of

WRONG = "a password that is not the right one"
ELSEWHERE = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example", "https://evil.example",
    "http:evil.example", "javascript:alert(1)", "data:text/html,x", "/\tevil.example//", "/\n/evil.example",
    "\t//evil.example", " //evil.example", "https://localhost@evil.example/", "//localhost@evil.example", "/\x0b/evil",
    "evil.example", "/x\\..\\evil", "//evil.example/%2f..", "http://[", "/\r\nSet-Cookie: a=b", "/ /evil.example",
    "?next", "/users//", "/users//evil.example", "/x/..//evil.example", "/users/../login", "/users/..", "/users/.",
    "/./users/", "/%2f/evil.example", "/%2F%2Fevil.example", "/users/%2e%2e/login", "/users/.%2E/login", "/users/%2e",
    "/%5cevil.example", "/%255cevil.example", "/%252f%252fevil.example", "/x%25252e./y/%252e%252e", "/%00", "/..;/x",
    "/%09/evil.example", "/users/..?q=a", "/users/?q=https://x", "/users/?next=//evil.example", "/users/?q=/../x",
    "/users/#//evil.example",
]  # fmt: skip


def sign_in_response(app: Flask, email: str, password: str) -> tuple[int, list[tuple[str, str]], str]:
    """The response to a sign-in, without the email that the form shows again."""
    status, headers, text = without_tokens(Visitor(app).post("/login", {"email": email, "password": password}))
    return status, headers, text.replace(email, "ADDRESS")


def test_au4_all_reasons_for_a_failed_sign_in_give_the_same_response(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant
) -> None:
    here = build.person("here@example.com", tenant=acme)
    off = build.person("off@example.com", tenant=acme, is_active=False)
    gone = build.person("gone@example.com", tenant=acme, deleted_at=now())
    locked_out = build.person("locked-out@example.com", tenant=birch)
    with app.app_context(), acting_as(SYSTEM):
        organizations.delete(birch.id)

    answers = [
        sign_in_response(app, "nobody@example.com", PASSWORD),
        sign_in_response(app, here.email, WRONG),
        sign_in_response(app, off.email, PASSWORD),
        sign_in_response(app, gone.email, PASSWORD),
        sign_in_response(app, locked_out.email, PASSWORD),
    ]

    assert answers[0][0] == 422
    assert all(answer == answers[0] for answer in answers)


def test_au5_known_and_unknown_emails_take_the_same_time(
    app: Flask, build: Builder, acme: Tenant, change_settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing takes nearly all of it. That the statements are the same is tested in tests/activity."""
    change_settings(bcrypt_rounds=5)
    with app.app_context():
        hashed = passwords.hash_password(PASSWORD)
    build.person("known@example.com", tenant=acme, password=hashed)
    visitor, computed = Visitor(app), list[tuple[str, bytes]]()
    visitor.post("/login", {"email": "somebody@example.com", "password": WRONG})  # makes the hash for unknown emails

    def recording(name: str, work: Callable[[bytes, bytes], Any]) -> Callable[[bytes, bytes], Any]:
        def record(password: bytes, salt: bytes) -> Any:
            computed.append((name, salt[:7]))
            return work(password, salt)

        return record

    for name in ("checkpw", "hashpw"):
        monkeypatch.setattr(bcrypt, name, recording(name, getattr(bcrypt, name)))
    for email in ("known@example.com", "unknown@example.com"):
        visitor.post("/login", {"email": email, "password": WRONG})

    assert computed == [("checkpw", b"$2b$05$")] * 2


@pytest.mark.parametrize("target", ELSEWHERE)
def test_au11_next_never_leads_to_another_site(app: Flask, ada: Person, target: str) -> None:
    answer = Visitor(app).post("/login", {"email": ada.email, "password": PASSWORD, "next": target})

    assert answer.status_code in (303, 400)
    assert answer.headers.get("Location", "/") == "/"
    with app.test_request_context():
        assert safe_next(target, "default") == "default"


def test_next_never_repeats_control_characters(app: Flask) -> None:
    with app.test_request_context():
        assert safe_next("/users/?q=a%0Ab%01%%0101%7F&x=%1fé%250a") == "/users/?q=a+b+%+01+&x=+é%250a"
        assert safe_next("/users/%01?q=a", "default") == "default"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/users/?q=a%2F%2Fb&status=deleted",
        "/account/",
        "/users/?q=https%3A%2F%2Fx",
        "/users/?q=..",
        "/a..b/.c/d./...",
        "/?q=100%25",
        "/%C3%A9/100%",
    ],
)
def test_au11_next_leads_to_a_path_of_this_site(app: Flask, ada: Person, target: str) -> None:
    answer = Visitor(app).post("/login", {"email": ada.email, "password": PASSWORD, "next": target})

    assert answer.headers["Location"] == target


@pytest.mark.parametrize("typed", ["UMA@Example.COM", "  uma@example.com ", "uma@EXAMPLE.com"])
def test_au12_the_case_of_an_email_does_not_matter(app: Flask, uma: Person, typed: str) -> None:
    answer = Visitor(app).post("/login", {"email": typed, "password": PASSWORD})

    assert answer.status_code == 303


@pytest.mark.parametrize(
    "twin",
    ["UMA@EXAMPLE.COM", "Uma@example.com", "u\u043ca@example.com", "uma@ex\u0430mple.com", "\uff55ma@example.com"],
)
def test_au12_a_lookalike_of_an_existing_email_cannot_be_created(
    app: Flask, ada: Person, uma: Person, twin: str
) -> None:
    answer = Visitor(app, ada).post("/users/new", {"email": twin, "role": "USER", "is_active": "true"})

    assert answer.status_code == 422


@pytest.mark.parametrize("letter", ["\u0131", "\u017f", "\u0430"])
def test_au12_lookalike_letters_in_the_local_part_are_refused(app: Flask, ada: Person, letter: str) -> None:
    answer = Visitor(app, ada).post("/users/new", {"email": f"k{letter}m@example.com", "role": "USER"})

    assert answer.status_code == 422


def test_au12_the_kelvin_sign_is_read_as_k(app: Flask, ada: Person, build: Builder) -> None:
    answer = Visitor(app, ada).post(
        "/users/new", {"email": "\u212aim@example.com", "role": "USER", "is_active": "true"}
    )

    assert answer.status_code == 303
    assert build.read(User, UUID(answer.headers["Location"].split("/")[-1])).email == "kim@example.com"


def test_a_user_lands_on_their_account_and_an_admin_on_the_dashboard(app: Flask, uma: Person, ada: Person) -> None:
    visitor = Visitor(app)

    assert visitor.sign_in(uma).headers["Location"] == "/account/"
    assert visitor.sign_in(ada).headers["Location"] == "/"


def test_after_signing_in_people_return_to_the_page_they_requested(
    client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    redirect = client.get("/users/?q=ada&status=deactivated")
    path = redirect.headers["Location"]

    answer = client.post(path, data={**client.form(path), "email": ada.email, "password": PASSWORD})

    assert redirect.status_code == 303
    assert answer.headers["Location"] == "/users/?q=ada&status=deactivated"


def test_a_failed_sign_in_keeps_the_email_but_not_the_password(client: PageClient, uma: Person) -> None:
    answer = client.send("/login", {"email": uma.email, "password": WRONG})

    assert answer.status_code == 422
    assert f'value="{uma.email}"' in answer.text
    assert WRONG not in answer.text
    assert "<title>Error:" in answer.text


def test_cs3_signing_in_or_out_without_a_csrf_token_does_nothing(app: Flask, uma: Person) -> None:
    visitor = Visitor(app)
    refused = visitor.client.post("/login", data={"email": uma.email, "password": PASSWORD})
    visitor.sign_in(uma)
    stayed = visitor.client.post("/logout")

    assert (refused.status_code, stayed.status_code) == (400, 400)
    assert visitor.get("/account/").status_code == 200


def test_se1_the_cookie_from_before_signing_in_is_worthless_afterwards(app: Flask, uma: Person) -> None:
    visitor = Visitor(app)
    before = visitor.cookie()
    visitor.sign_in(uma)
    after = visitor.cookie()
    victim = Visitor(app)
    victim.client.set_cookie("portal", before)

    assert before != after
    assert outcome(victim.get("/account/")) == SIGN_IN


def test_se1_a_new_sign_in_ends_the_session_it_replaces(app: Flask, uma: Person, ada: Person) -> None:
    visitor = Visitor(app, uma)
    first = visitor.cookie()
    visitor.sign_in(ada)
    replayed = Visitor(app)
    replayed.client.set_cookie("portal", first)

    assert outcome(replayed.get("/account/")) == SIGN_IN
    assert outcome(visitor.get("/users/")) == "page"


def test_se2_signing_out_ends_the_session_on_the_server_and_needs_a_post(app: Flask, uma: Person) -> None:
    visitor = Visitor(app, uma)
    kept = visitor.cookie()
    assert visitor.get("/logout").status_code == 405
    assert visitor.get("/account/").status_code == 200

    visitor.post("/logout")
    visitor.client.set_cookie("portal", kept)

    assert outcome(visitor.get("/account/")) == SIGN_IN


@pytest.mark.parametrize("end", ["deactivate", "delete", "delete organization"])
def test_se3_people_who_lose_access_are_signed_out_by_their_next_request(
    app: Flask, acme: Tenant, uma: Person, root: Person, end: str
) -> None:
    two = Visitor(app, uma), Visitor(app, uma)
    assert [visitor.get("/account/").status_code for visitor in two] == [200, 200]

    with app.app_context(), acting_as(SYSTEM):
        if end == "deactivate":
            users.set_active(uma.id, is_active=False)
        elif end == "delete":
            users.delete(uma.id)
        else:
            organizations.delete(acme.id)

    assert [outcome(visitor.get("/account/")) for visitor in two] == [SIGN_IN, SIGN_IN]
    assert [outcome(visitor.post("/account/", {"first_name": "X"})) for visitor in two] == [SIGN_IN, SIGN_IN]


def test_se5_a_demotion_takes_effect_with_the_next_request(
    app: Flask, build: Builder, acme: Tenant, root: Person
) -> None:
    boss = build.person("boss@example.com", role=Role.ADMIN, tenant=acme)
    theirs, ours = Visitor(app, boss), Visitor(app, root)
    assert theirs.get("/users/").status_code == 200

    demoted = {"email": boss.email, "role": "USER", "is_active": "true", "organization_id": "acme", "version": "1"}
    question = ours.post(f"/users/{boss.id}/edit", demoted)
    assert ours.post(f"/users/{boss.id}/edit", fields_of(question.text)).status_code == 303

    assert theirs.get("/users/").status_code == 403
    assert theirs.post("/users/new", {"email": "x@example.com", "role": "ADMIN"}).status_code == 403


def test_se5_a_move_to_another_tenant_takes_effect_with_the_next_request(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, uma: Person, root: Person
) -> None:
    boss = build.person("boss@example.com", role=Role.ADMIN, tenant=acme)
    theirs, ours = Visitor(app, boss), Visitor(app, root)
    assert uma.name in theirs.get("/users/").text

    moved = {"email": boss.email, "role": "ADMIN", "is_active": "true", "organization_id": "birch", "version": "1"}
    question = ours.post(f"/users/{boss.id}/edit", moved)
    assert ours.post(f"/users/{boss.id}/edit", fields_of(question.text)).status_code == 303

    assert uma.name not in theirs.get("/users/").text
    assert theirs.get(f"/users/{uma.id}").status_code == 404


@pytest.mark.parametrize("path", ["/login", "/account/", "/users/"])
def test_people_whose_session_ended_elsewhere_are_told_once(app: Flask, ada: Person, path: str) -> None:
    here, there, stranger = Visitor(app, ada), Visitor(app, ada), Visitor(app)
    forged = Visitor(app)
    forged.client.set_cookie("session", here.cookie()[::-1])
    there.post("/account/devices/end-others")

    first = here.client.get(path, follow_redirects=True).text

    assert door.ENDED in first
    for other in (here, stranger, forged):
        assert door.ENDED not in other.client.get(path, follow_redirects=True).text
    there.post("/logout")
    assert door.ENDED not in there.client.get(path, follow_redirects=True).text


def test_forms_of_ended_sessions_all_show_the_same_message(app: Flask, ada: Person) -> None:
    here, there = Visitor(app, ada), Visitor(app, ada)
    there.post("/account/devices/end-others")

    shown = here.client.post("/account/", data={"csrf_token": here.token}, follow_redirects=True).text

    assert "You were signed out, so nothing was changed." in shown
    assert door.ENDED not in shown + here.get("/login").text


def test_se8_cookies_are_small_http_only_and_same_site(app: Flask, uma: Person) -> None:
    answer = Visitor(app).post("/login", {"email": uma.email, "password": PASSWORD})

    lines = answer.headers.getlist("Set-Cookie")
    assert sorted(line.split("=")[0] for line in lines) == ["portal", "portal-device"]
    for line in lines:
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
        assert len(line) < 1000


def test_se8_with_https_cookies_are_secure_and_bound_to_the_host(fresh_database: str) -> None:
    app, base = app_for(fresh_database, public_url="https://portal.example.com"), "https://portal.example.com"
    uma = Builder(app).person("uma@example.com")
    client = app.test_client()
    fields = fields_of(client.get("/login", base_url=base).text)
    sent = {**fields, "email": uma.email, "password": PASSWORD}
    answer = client.post("/login", data=sent, base_url=base, headers={"Referer": base})
    disconnect(app)

    lines = answer.headers.getlist("Set-Cookie")
    assert sorted(line.split("=")[0] for line in lines) == ["__Host-portal", "__Host-portal-device"]
    for line in lines:
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
        assert "Domain" not in line


def test_se9_broken_cookies_are_ignored(app: Flask, uma: Person, ada: Person) -> None:
    cookie, other = Visitor(app, uma).cookie(), Visitor(app, ada).cookie()
    payload, stamp, signature = cookie.rsplit(".", 2)
    swapped = f"{payload}.{stamp}.{other.rsplit('.', 1)[1]}"
    broken = [cookie[:-1], cookie[1:], cookie + "A", payload, f"{payload}..{signature}", swapped, cookie.upper(), "."]

    for value in [*broken, cookie[: len(cookie) // 2], cookie * 2, "a.b.c", "{}", "null"]:
        visitor = Visitor(app)
        visitor.client.set_cookie("portal", value)
        assert outcome(visitor.get("/account/")) == SIGN_IN, value


def age_sessions(app: Flask, hours: float) -> None:
    """Pretend that this many hours have passed."""
    moments = ("created_at", "authenticated_at", "used_at", "expires_at", "ends_at")
    earlier = ", ".join(f"{name} = {name} - %(hours)s * interval '1 hour'" for name in moments)
    with app.app_context(), acting_as(SYSTEM):
        db.session.connection().exec_driver_sql(f"UPDATE sessions SET {earlier}", {"hours": hours})  # noqa: S608
        db.session.commit()


@pytest.mark.parametrize(("keep", "idle"), [("", 8), ("y", 168)], ids=["closed with the browser", "kept"])
def test_se6_a_session_ends_after_its_idle_timeout_which_use_restarts(
    app: Flask, uma: Person, keep: str, idle: float
) -> None:
    visitor = Visitor(app)
    visitor.post("/login", {"email": uma.email, "password": PASSWORD, "keep": keep})

    for _ in range(3):
        age_sessions(app, idle - 0.1)
        assert outcome(visitor.get("/account/")) == "page"
    age_sessions(app, idle + 0.1)

    assert outcome(visitor.get("/account/")) == SIGN_IN


def test_se6_a_session_cannot_outlive_its_maximum_lifetime(app: Flask, uma: Person) -> None:
    visitor = Visitor(app)
    visitor.post("/login", {"email": uma.email, "password": PASSWORD, "keep": "y"})

    for _ in range(7):
        age_sessions(app, 102)
        assert outcome(visitor.get("/account/")) == "page"
    age_sessions(app, 7)  # 721 hours in total

    assert outcome(visitor.get("/account/")) == SIGN_IN


def test_se6_timeouts_can_be_configured(fresh_database: str) -> None:
    with portal_on(fresh_database, idle_hours=1, kept_idle_hours=2, session_hours=3) as app:
        uma = Builder(app).person("uma@example.com")
        for keep, hours in (("", 1.1), ("y", 2.1)):
            visitor = Visitor(app)
            visitor.post("/login", {"email": uma.email, "password": PASSWORD, "keep": keep})
            age_sessions(app, hours - 0.2)
            assert outcome(visitor.get("/account/")) == "page"
            age_sessions(app, hours)
            assert outcome(visitor.get("/account/")) == SIGN_IN


def test_se6_the_cookie_ends_with_the_browser_unless_keep_was_chosen(app: Flask, uma: Person) -> None:
    expiries = []
    for keep in ("", "y"):
        answer = Visitor(app).post("/login", {"email": uma.email, "password": PASSWORD, "keep": keep})
        (line,) = [one for one in answer.headers.getlist("Set-Cookie") if one.startswith("portal=")]
        until = re.search("Expires=([^;]+)", line)
        expiries.append(parsedate_to_datetime(until[1]) if until else None)

    assert expiries[0] is None
    assert expiries[1] is not None
    assert abs(expiries[1] - now() - timedelta(hours=720)) < timedelta(minutes=1)  # the session's maximum lifetime


def test_se4_changing_the_password_ends_all_other_sessions_and_replaces_the_token(app: Flask, uma: Person) -> None:
    here, there = Visitor(app, uma), Visitor(app, uma)
    former = here.cookie()
    with app.app_context(), acting_as(SYSTEM):
        session = command(add_session)(uma.id, uma.organization_id, now(), lifetime=lifetime(is_kept=False), token=None)

    sent = {"current_password": PASSWORD, "password": "quite another horse and battery"}
    assert here.post("/account/password", sent).status_code == 303

    replayed = Visitor(app)
    replayed.client.set_cookie("portal", former)
    assert [outcome(one.get("/account/")) for one in (here, there, replayed)] == ["page", SIGN_IN, SIGN_IN]
    with app.app_context(), acting_as(SYSTEM):
        row = db.session.get(Session, session)
        assert row is not None
        assert row.ended_at is not None


@pytest.mark.parametrize("keep", ["", "y"])
def test_se1_after_a_password_change_the_cookie_expires_as_before(app: Flask, uma: Person, keep: str) -> None:
    visitor = Visitor(app)
    visitor.post("/login", {"email": uma.email, "password": PASSWORD, "keep": keep})
    visitor.token = token_in(visitor.get("/account/password").text)

    sent = {"current_password": PASSWORD, "password": "quite another horse and battery"}
    (line,) = visitor.post("/account/password", sent).headers.getlist("Set-Cookie")

    assert ("Expires=" in line) == bool(keep)


def test_se1_a_new_role_needs_no_new_token_because_tokens_contain_no_role(
    app: Flask, acme: Tenant, uma: Person, root: Person
) -> None:
    theirs, ours = Visitor(app, uma), Visitor(app, root)
    before = theirs.cookie()
    raised = {"email": uma.email, "role": "ADMIN", "is_active": "true", "organization_id": "acme", "version": "1"}

    assert theirs.get("/users/").status_code == 403
    question = ours.post(f"/users/{uma.id}/edit", raised)
    ours.post(f"/users/{uma.id}/edit", fields_of(question.text))

    assert theirs.get("/users/").status_code == 200
    assert theirs.cookie() == before


def test_only_the_digest_of_a_token_is_stored(app: Flask, uma: Person) -> None:
    visitor = Visitor(app, uma)
    with visitor.client.session_transaction() as cookie:
        token = cookie["_user_id"]
    with app.app_context(), acting_as(SYSTEM):
        stored = db.session.connection().exec_driver_sql("SELECT token FROM sessions").scalars().all()

    assert len(token) >= 40
    assert token not in stored


def test_password_managers_find_the_page_for_changing_the_password(
    client: PageClient, sign_in: SignIn, uma: Person
) -> None:
    redirect = client.get("/.well-known/change-password")
    assert (redirect.status_code, redirect.headers["Location"]) == (303, "/account/password")
    assert client.get("/account/password").headers["Location"] == "/login?next=/account/password"
    sign_in(uma)
    assert client.get("/.well-known/change-password", follow_redirects=True).request.path == "/account/password"


def test_other_well_known_urls_are_404(client: PageClient) -> None:
    for name in ("resource-that-should-not-exist-whose-status-code-should-not-be-200", "change-password/", ""):
        assert client.get(f"/.well-known/{name}").status_code == 404


def test_a_demo_account_can_be_filled_in_without_scripts_but_no_other_email(client: PageClient) -> None:
    page = client.get("/login").text
    assert 'href="/login?email=ada@example.com"' in page.replace("%40", "@")

    assert fields_of(client.get("/login?email=ada@example.com").text)["email"] == "ada@example.com"
    assert fields_of(client.get("/login?email=eve@evil.example").text)["email"] == ""
