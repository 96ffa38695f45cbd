"""Setting up, using and removing two-factor authentication, as people and attackers do it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from sqlalchemy import text

from portal.auth import views as door
from portal.core.clock import now
from portal.core.db import db
from portal.core.history import Activity
from portal.mfa import codes
from portal.mfa import commands as mfa
from portal.mfa.passkeys import NewPasskey
from portal.mfa.words import APP, CODE
from portal.tokens.queries import live_of
from portal.web.given import current_settings
from tests.access.visitor import Visitor, token_in
from tests.acting import acting, actor_of, run_concurrently
from tests.cast import PASSWORD, Builder, Person, Tenant
from tests.mailbox import email_of, emails

URL = "/account/second-factor"
AT = now()
KEY = re.compile(r'<output aria-label="Key" id="key">([A-Z2-7 ]+)</output>')
SEALED = re.compile(r'name="sealed"[^>]* value="([^"]+)"')


@pytest.fixture(autouse=True)
def at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes are those of one moment, so that none expires while a test runs."""
    monkeypatch.setattr(codes, "now", lambda: AT)


class Phone:
    """An authenticator app with a person's secret, and their recovery codes."""

    def __init__(self, secret: str, recovery: list[str]) -> None:
        self.secret = secret
        self.recovery = recovery

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(AT + timedelta(seconds=30 * steps))


def set_up(browser: Visitor, *, htmx: bool = False) -> Phone:
    """Set up an app through the pages, with the code of the previous time step."""
    page = browser.get(f"{URL}/app").text
    key, sealed = KEY.search(page), SEALED.search(page)
    assert key
    assert sealed
    phone = Phone(key.group(1).replace(" ", ""), [])
    done = browser.post(f"{URL}/app", {"sealed": html.unescape(sealed.group(1)), "code": phone.code(-1)}, htmx=htmx)
    phone.recovery = re.findall(r"<li>([a-z2-9]{4}(?:-[a-z2-9]{4}){3})</li>", done.text)
    return phone


def after_password(app: Flask, person: Person) -> Visitor:
    """A browser in which the password was just entered."""
    browser = Visitor(app)
    answer = browser.post("/login", {"email": person.email, "password": person.password})
    assert answer.headers["Location"] == "/login/second", answer.text[:500]
    return browser


def enter_code(browser: Visitor, code: str, *, htmx: bool = False) -> int:
    answer = browser.post("/login/second", {"code": code}, htmx=htmx)
    return 303 if "HX-Redirect" in answer.headers else answer.status_code


def active_sessions(app: Flask, person: Person) -> int:
    with acting(app):
        return db.session.scalar(live_of(person.id)) or 0


def actions_of(app: Flask, person: Person) -> list[str]:
    with acting(app):
        events = db.session.query(Activity).where(Activity.row_id == person.id).order_by(Activity.id)
        return [event.action for event in events]


@pytest.fixture
def phone(app: Flask, uma: Person) -> Phone:
    return set_up(Visitor(app, uma))


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_session_opens_after_both_factors_and_not_before(app: Flask, uma: Person, htmx: bool) -> None:
    phone = set_up(Visitor(app, uma), htmx=htmx)
    before = active_sessions(app, uma)

    browser = after_password(app, uma)
    assert active_sessions(app, uma) == before
    assert browser.get("/account/").headers["Location"].startswith("/login")
    assert enter_code(browser, phone.code(), htmx=htmx) == 303

    assert browser.get("/account/").status_code == 200
    assert active_sessions(app, uma) == before + 1
    assert actions_of(app, uma)[-1] == "sign_in"


def test_a_code_opens_one_session_and_cannot_be_reused(app: Flask, uma: Person, phone: Phone) -> None:
    code = phone.code()
    assert enter_code(after_password(app, uma), code) == 303

    assert enter_code(after_password(app, uma), code) == 422
    assert enter_code(after_password(app, uma), phone.code(-1)) == 422
    assert actions_of(app, uma)[-1] == "two_factor_failed"


def test_the_code_used_for_the_setup_is_refused_afterwards(app: Flask, uma: Person, phone: Phone) -> None:
    assert enter_code(after_password(app, uma), phone.code(-1)) == 422


def test_a_recovery_code_works_once_and_is_removed(app: Flask, uma: Person, phone: Phone) -> None:
    assert len(phone.recovery) == 10
    browser = after_password(app, uma)
    assert enter_code(browser, phone.recovery[3].upper()) == 303

    assert "9 are left" in browser.get(URL).text
    assert enter_code(after_password(app, uma), phone.recovery[3]) == 422
    assert enter_code(after_password(app, uma), phone.recovery[4]) == 303


def test_new_recovery_codes_replace_the_old_ones(app: Flask, uma: Person, phone: Phone) -> None:
    browser = after_password(app, uma)
    assert enter_code(browser, phone.code()) == 303

    browser.token = token_in(browser.get(URL).text)
    made = browser.post(f"{URL}/codes").text

    assert enter_code(after_password(app, uma), phone.recovery[0]) == 422
    new = re.findall(r"<li>([a-z2-9-]{19})</li>", made)
    assert enter_code(after_password(app, uma), new[0]) == 303


@pytest.mark.parametrize("code", ["", " ", "٠٠٠٠٠٠", "0" * 10_000, "' OR 1=1", "000000\u200b", "é", "{}", "-" * 60])
def test_hostile_codes_are_refused_without_an_error(app: Flask, uma: Person, phone: Phone, code: str) -> None:
    assert enter_code(after_password(app, uma), code) == 422


def test_au6_wrong_codes_are_rate_limited_until_an_administrator_unlocks(
    app: Flask, uma: Person, ada: Person, phone: Phone
) -> None:
    browser = after_password(app, uma)
    answers = [enter_code(browser, "000000") for _ in range(7)]

    assert answers[:5] == [422] * 5
    assert answers[5:] == [429] * 2
    assert enter_code(browser, phone.code()) == 429
    assert Visitor(app, ada).post(f"/users/{uma.id}/unlock").status_code == 303
    assert enter_code(browser, phone.code()) == 303


def test_a_pending_sign_in_expires_after_a_password_change_or_five_minutes(
    app: Flask, uma: Person, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired, changed = after_password(app, uma), after_password(app, uma)
    with monkeypatch.context() as patch:
        patch.setattr(door, "now", lambda: now() + timedelta(seconds=301))
        assert expired.get("/login/second").headers["Location"] == "/login"
    with acting(app):
        db.session.execute(text("UPDATE users SET password = 'x' WHERE id = :id"), {"id": uma.id})
        db.session.commit()

    assert changed.post("/login/second", {"code": phone.code()}).headers["Location"] == "/login"


def test_a_code_used_concurrently_opens_one_session(fresh_app: Flask) -> None:
    uma = Builder(fresh_app).person("uma@example.com")
    secret = codes.new_secret()
    with acting(fresh_app, uma):
        recovery = mfa.add_authenticator(secret, pyotp.TOTP(secret).at(AT - timedelta(seconds=30)))
    code = pyotp.TOTP(secret).at(AT)

    def use(typed: str) -> Callable[[], str | None]:
        return lambda: mfa.use_code(uma.id, typed)

    assert sorted(map(str, run_concurrently(fresh_app, [use(code)] * 4))) == sorted([APP, *["None"] * 3])
    assert sorted(map(str, run_concurrently(fresh_app, [use(recovery[0])] * 4))) == sorted([CODE, *["None"] * 3])


def test_a_wrong_code_or_somebody_elses_secret_sets_up_nothing(app: Flask, uma: Person, ada: Person) -> None:
    browser, other = Visitor(app, uma), Visitor(app, ada)
    sealed = SEALED.search(other.get(f"{URL}/app").text)
    assert sealed

    foreign = browser.post(f"{URL}/app", {"sealed": html.unescape(sealed.group(1)), "code": "000000"})
    own = SEALED.search(foreign.text)
    assert own
    assert own.group(1) != sealed.group(1)
    wrong = browser.post(f"{URL}/app", {"sealed": html.unescape(own.group(1)), "code": "000000"})

    assert (foreign.status_code, wrong.status_code) == (200, 422)
    assert "Off." in browser.get(URL).text


def test_au13_no_secret_is_in_the_database_the_history_or_a_later_page(
    app: Flask, uma: Person, ada: Person, phone: Phone
) -> None:
    browser = Visitor(app, ada)
    with acting(app):
        tables = ("authenticators", "recovery_codes", "activity", "users")
        stored = "".join(str(db.session.scalar(text(f"SELECT array_agg(t::text) FROM {t} t"))) for t in tables)  # noqa: S608
    pages = browser.get(f"/users/{uma.id}").text + browser.get("/activity/export").text

    for secret in (phone.secret, *phone.recovery):
        assert secret not in stored + pages
    assert "set up an authenticator app" in pages


def test_se10_removing_needs_the_password_and_a_short_password_must_be_changed_first(
    app: Flask, build: Builder, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = build.person("eve@example.com", tenant=acme)
    browser = Visitor(app, eve)
    set_up(browser)

    assert browser.post(f"{URL}/remove", {"password": "not the one"}).status_code == 422
    monkeypatch.setitem(app.extensions, current_settings.key, replace(current_settings.of(app), password_minimum=40))
    short = browser.post(f"{URL}/remove", {"password": PASSWORD})
    monkeypatch.undo()
    assert short.status_code == 422
    assert "at least 40 characters" in short.text
    assert browser.post(f"{URL}/remove", {"password": PASSWORD}).status_code == 303

    assert "Off." in browser.get(URL).text
    assert actions_of(app, eve)[-1] == "two_factor_removed"


def test_au1_eight_characters_are_enough_only_with_two_factor(app: Flask, uma: Person) -> None:
    browser = Visitor(app, uma)
    sent = {"current_password": PASSWORD, "password": "kqzv7wyx"}

    assert browser.post("/account/password", sent).status_code == 422
    set_up(browser)
    assert browser.post("/account/password", {**sent, "password": "kqzv7wy"}).status_code == 422
    assert browser.post("/account/password", sent).status_code == 303


def test_people_whose_role_requires_two_factor_must_set_it_up_and_cannot_remove_it(
    app: Flask, ada: Person, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(current_settings.of(app), two_factor_roles=("ADMIN",))
    monkeypatch.setitem(app.extensions, current_settings.key, settings)
    browser = Visitor(app)
    browser.post("/login", {"email": ada.email, "password": PASSWORD})

    for path in ("/", "/users/", "/account/", "/activity/export"):
        assert browser.get(path).headers["Location"] == URL
    browser.token = token_in(browser.get(URL).text)
    set_up(browser)
    assert browser.get("/users/").status_code == 200
    assert (
        "Two-factor authentication is required for your account"
        in browser.post(f"{URL}/remove", {"password": PASSWORD}).text
    )
    assert Visitor(app, uma).get("/account/").status_code == 200


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_reset_by_an_administrator_ends_sessions_and_asks_for_a_new_password(
    app: Flask, uma: Person, ada: Person, phone: Phone, htmx: bool
) -> None:
    chief = Visitor(app, ada)
    assert "Reset two-factor authentication" in chief.get(f"/users/{uma.id}").text
    assert 'aria-label="Two-factor authentication"' in chief.get("/users/").text

    chief.post(f"/users/{uma.id}/second-factor", htmx=htmx)

    assert active_sessions(app, uma) == 0
    assert "two_factor_reset" in actions_of(app, uma)
    assert 'aria-label="Two-factor authentication"' not in chief.get("/users/").text
    assert (
        Visitor(app, uma).get("/account/").headers["Location"] == "/account/password"
    )  # one that is long enough without a second factor


def test_every_change_of_two_factor_and_every_used_recovery_code_is_notified_by_email(
    app: Flask, ada: Person, uma: Person
) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/130.0"}
    browser = Visitor(app, uma)
    browser.post("/account/", {"first_name": "Uma", "last_name": "Example", "time_zone": "Asia/Tokyo"})
    phone = set_up(browser)
    after_password(app, uma).post("/login/second", {"code": phone.recovery[0]}, headers=agent)
    browser.post(f"{URL}/codes")
    Visitor(app, ada).post(f"/users/{uma.id}/second-factor")

    texts = {message.subject: " ".join(message.paragraphs) for message in emails(app)}

    assert all(re.search(r"On \d+ \w{3} 2\d{3} at \d\d:\d\d JST", text) for text in texts.values())
    assert "an authenticator app was added" in texts["Two-factor authentication: a new method was added"]
    used = texts["A recovery code was used"]
    assert "with Firefox on Linux, one of your recovery codes was used" in used
    assert "None are left" in used, "the email is written after they were removed"
    assert "The former ones no longer work" in texts["You have new recovery codes"]
    reset = texts["Your two-factor authentication was reset"]
    assert "Ada Example, your administrator, reset the two-factor authentication" in reset
    assert "If you didn’t request this" in reset


def test_the_email_counts_the_remaining_recovery_codes_and_names_no_outsider(
    app: Flask, root: Person, uma: Person, phone: Phone
) -> None:
    after_password(app, uma).post("/login/second", {"code": phone.recovery[0]})
    assert "9 are left." in " ".join(email_of(app, "recovery_code_used", uma.id).paragraphs)

    Visitor(app, root).post(f"/users/{uma.id}/second-factor")

    text = " ".join(email_of(app, "two_factor_reset", uma.id).paragraphs)
    assert "a system administrator reset" in text
    assert root.name not in text


def test_the_menu_stays_for_people_who_set_it_up_voluntarily(app: Flask, uma: Person) -> None:
    browser = Visitor(app, uma)

    for path in (URL, f"{URL}/app"):
        assert 'id="sidebar"' in browser.get(path).text, path


def test_nobody_can_reset_a_super_admins_another_tenants_or_their_own_two_factor(
    app: Flask, uma: Person, ada: Person, bea: Person, root: Person, phone: Phone
) -> None:
    set_up(Visitor(app, root))

    assert Visitor(app, bea).post(f"/users/{uma.id}/second-factor").status_code == 404
    assert Visitor(app, ada).post(f"/users/{root.id}/second-factor").status_code == 404
    assert Visitor(app, ada).post(f"/users/{ada.id}/second-factor").status_code == 409
    with acting(app):
        assert mfa.methods_of(uma.id).exist
        assert mfa.methods_of(root.id).exist


def test_nobody_can_see_or_remove_another_persons_passkey(app: Flask, uma: Person, ada: Person) -> None:
    with acting(app):
        made = NewPasskey(b"key", b"public", 0)
        mfa._add_passkey(actor_of(uma), "Laptop", made)
        key = mfa.methods_of(uma.id).passkeys[0].id

    browser = Visitor(app, ada)

    assert browser.get(f"{URL}/remove?passkey={key}").status_code == 404
    assert browser.post(f"{URL}/remove", {"passkey": str(key), "password": PASSWORD}).status_code == 404
