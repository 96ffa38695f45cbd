"""RT7, RT8, RT10: access tokens have one valid form, reflect the person's current state, and are for programs only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask

from portal.api import access
from portal.core.actor import Role
from portal.core.db import db
from portal.tokens.rotation import ClientSession
from portal.users.commands import users
from tests.acting import acting, portal_on
from tests.api.calling import LOGIN, ME, Program
from tests.cast import Builder, Person, SignIn, Tenant
from tests.database import SECRET_KEY
from tests.pages import PageClient

KEY = hmac.digest(SECRET_KEY.encode(), b"access token", hashlib.sha256)
Claims = dict[str, Any]


@pytest.fixture
def good(program: Program, uma: Person) -> str:
    return str(program.sign_in(uma)["access_token"])


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(claims: Claims, header: Claims, key: bytes = KEY) -> str:
    """Signed by hand, because libraries refuse to write some of these."""
    body = f"{part(header)}.{part(claims)}"
    mac = hmac.digest(key, body.encode(), hashlib.sha256)
    return f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_header(**members: Any) -> Callable[[Claims], str]:
    return lambda claims: signed(claims, {**access.HEADER, **members})


def with_claims(**members: Any) -> Callable[[Claims], str]:
    def forge(claims: Claims) -> str:
        changed = {**claims, **{name: value for name, value in members.items() if value is not None}}
        return signed({name: one for name, one in changed.items() if members.get(name, 0) is not None}, access.HEADER)

    return forge


def with_time(name: str, made: Callable[[int], Any]) -> Callable[[Claims], str]:
    """One of its times is made from the moment when the token was issued."""
    return lambda claims: with_claims(**{name: made(claims["iat"])})(claims)


def by_rsa(claims: Claims) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(claims, key, "RS256", headers={"typ": "at+jwt"})


# What a claim says, and which time would be good there.
INVALID_TIMES: dict[str, Callable[[int], Any]] = {
    "a string": str,
    "a string with spaces": " {}\n".format,
    "true": lambda _: True,
    "false": lambda _: False,
    "an empty string": lambda _: "",
    "a list": lambda good: [good],
    "an object": lambda _: {},
    "a fraction": lambda good: good + 0.5,
    "infinity": lambda _: 1e400,
    "-infinity": lambda _: -1e400,
    "not a number": lambda _: float("nan"),
    "huge": lambda _: 10**400,
    "minus huge": lambda _: -(10**400),
}
GOOD = {"iat": 0, "nbf": 0, "exp": 60}  # seconds after the token was issued
FORGED: dict[str, Callable[[Claims], str]] = {
    "none": lambda claims: f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(claims)}.",
    "none, with our signature": with_header(alg="none"),
    "RS256": by_rsa,
    "HS512": lambda claims: jwt.encode(claims, KEY * 2, "HS512", headers={"typ": "at+jwt"}),
    "an empty signature": lambda claims: signed(claims, access.HEADER).rpartition(".")[0] + ".",
    "another key": lambda claims: signed(claims, access.HEADER, b"k" * 32),
    "an empty key": lambda claims: signed(claims, access.HEADER, b""),
    "the secret itself": lambda claims: signed(claims, access.HEADER, SECRET_KEY.encode()),
    "kid": with_header(kid="../../dev/null"),
    "jku": with_header(jku="https://evil.example/keys"),
    "jwk": with_header(jwk={"kty": "oct", "k": "AAAA"}),
    "x5u": with_header(x5u="https://evil.example/key"),
    "crit": with_header(crit=["exp"]),
    "another type": with_header(typ="JWT"),
    "no type": lambda claims: signed(claims, {"alg": "HS256"}),
    "another audience": with_claims(aud="other"),
    "audiences": with_claims(aud=["portal-api", "other"]),
    "another issuer": with_claims(iss="https://evil.example"),
    "expired": with_time("exp", lambda issued: issued - 1),
    "no expiry": with_claims(exp=None),
    "no subject": with_claims(sub=None),
    "no session": with_claims(sid=None),
    "a session that doesn't exist": with_claims(sid=str(uuid.UUID(int=1))),
    "another person": with_claims(sub=str(uuid.UUID(int=1))),
    "a number as the person": with_claims(sub=7),
    "a session with an invalid key": with_claims(sid="' OR true"),
    "issued tomorrow": with_time("iat", lambda issued: issued + 86_400),
    **{
        f"{name} is {kind}": with_time(name, lambda issued, name=name, made=made: made(issued + GOOD[name]))  # type: ignore[misc]
        for name in GOOD
        for kind, made in INVALID_TIMES.items()
        if (name, kind) != ("nbf", "minus huge")
    },
    "expires too late": with_time("exp", lambda issued: issued + 86_400),
    "expires in an absurd future": with_claims(exp=2**62),
    "issued long ago": with_claims(iat=0),
    "issued after its expiry": with_time("iat", lambda issued: issued + 600),
    "not yet": with_time("nbf", lambda issued: issued + 86_400),
    "not a JWT": lambda _claims: "a.b.c",
    "too few parts": lambda _claims: "eyJhbGciOiJIUzI1NiJ9.e30",
    "deep JSON": lambda _claims: base64.urlsafe_b64encode(b"[" * 1200).decode() + ".e30.AAAA",
}


@pytest.mark.parametrize("kind", FORGED)
def test_rt7_a_forged_token_is_rejected_with_401(program: Program, good: str, kind: str) -> None:
    claims = jwt.decode(good, options={"verify_signature": False})
    assert signed(claims, access.HEADER) and program.me(signed(claims, access.HEADER)).status_code == 200
    answer = program.me(FORGED[kind](claims))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="portal", error="invalid_token"'


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer a b", "Token x", "Bearer \u00e9"])
def test_rt7_tokens_outside_the_bearer_header_are_rejected_with_401(program: Program, good: str, header: str) -> None:
    assert program.get(ME, headers={"Authorization": header}).status_code == 401
    assert program.get(f"{ME}?access_token={good}").status_code == 401
    assert program.get(ME, headers={"Authorization": f"bearer {good}"}).status_code == 200


def test_rt7_a_refresh_token_is_not_an_access_token(program: Program, uma: Person) -> None:
    assert program.me(program.sign_in(uma)["refresh_token"]).status_code == 401


def test_rt7_a_browser_session_has_no_access_token(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person
) -> None:
    sign_in(uma, client)
    with app.test_request_context(), acting(app):
        from_cookie = db.session.connection().exec_driver_sql("SELECT id FROM sessions").scalar()
        token, _ = access.issued(ClientSession(from_cookie, uma.id))  # type: ignore[arg-type]

    assert Program(app).me(token).status_code == 401


def test_rt7_tokens_of_a_former_key_stay_valid_until_they_expire(fresh_database: str) -> None:
    new = "another-key-for-tests-0123456789-abcdef"
    with portal_on(fresh_database) as former:
        build = Builder(former)
        uma = build.person("uma@example.com", tenant=build.tenant("Acme"))
        token = Program(former).sign_in(uma)["access_token"]
    with portal_on(fresh_database, secret_key=new, secret_key_fallbacks=(SECRET_KEY,)) as app:
        assert Program(app).me(token).status_code == 200
    with portal_on(fresh_database, secret_key=new) as app:
        assert Program(app).me(token).status_code == 401


def test_rt8_an_access_token_lives_five_minutes_and_contains_no_role_or_tenant(good: str, uma: Person) -> None:
    claims = jwt.decode(good, options={"verify_signature": False})

    assert claims["exp"] - claims["iat"] == 300
    assert claims["sub"] == str(uma.id)
    assert set(claims) == set(access.REQUIRED)


def test_rt8_role_and_state_are_current(
    app: Flask, build: Builder, program: Program, root: Person, acme: Tenant
) -> None:
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    token = program.sign_in(ada)["access_token"]
    me = program.me(token).json
    assert me is not None
    assert (me["role"], me["organization"]) == ("ADMIN", {"id": str(acme.id), "name": "Acme"})
    assert "users:write" in me["permissions"]

    with acting(app, root):
        users.set_active(ada.id, is_active=False)
    assert program.me(token).status_code == 401


def test_rt8_a_person_who_must_change_their_password_is_refused(program: Program, build: Builder, acme: Tenant) -> None:
    new = build.person("new@example.com", tenant=acme, must_change_password=True)

    assert program.me(program.sign_in(new)["access_token"]).status_code == 403


def test_rt10_a_cookie_does_not_authenticate_a_program(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person
) -> None:
    sign_in(uma, client)
    assert client.get("/account/").status_code == 200

    assert client.get(ME).status_code == 401
    assert client.get(ME, headers={"Authorization": "Bearer x"}).status_code == 401


def test_rt10_a_token_does_not_open_a_page(app: Flask, client: PageClient, program: Program, uma: Person) -> None:
    tokens = program.sign_in(uma)

    for token in (tokens["access_token"], tokens["refresh_token"]):
        for headers in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"portal={token}"}):
            answer = client.get("/account/", headers=headers)
            assert answer.status_code == 303
            assert answer.headers["Location"].startswith("/login")


def test_rt10_a_cross_site_form_cannot_sign_in(client: PageClient, uma: Person) -> None:
    sent = {"email": uma.email, "password": uma.password}

    assert client.post(LOGIN, data=sent).status_code == 415
    assert client.post(LOGIN, data=json.dumps(sent), content_type="text/plain").status_code == 415
