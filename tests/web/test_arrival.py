"""Signing in leads to the home page if the requested page is forbidden or doesn't exist."""

from __future__ import annotations

import uuid

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.core.db import db
from portal.core.history import Activity
from portal.tokens import commands as tokens
from portal.web import drafts
from tests.acting import acting
from tests.cast import Person, SignIn, Tenant
from tests.pages import HTMX, PageClient, fields_of

NOBODY = uuid.UUID(int=7)
START = {"uma": "/account/", "ada": "/", "root": "/"}
PAGES = (
    "/users/{person}",
    "/users/{person}/edit",
    "/organizations/{tenant}",
    "/organizations/{tenant}/edit",
    "/activity/people/{person}",
)
NO_PAGES = ("/users/{person}/restore", "/users/{person}/nothing", "/nothing")


@pytest.fixture
def cast(uma: Person, ada: Person, root: Person, bea: Person) -> dict[str, Person]:
    return {"uma": uma, "ada": ada, "root": root, "bea": bea}


def signed_in_at(client: PageClient, person: Person, path: str, **headers: str) -> list[tuple[int, str]]:
    """Status and path of each response after signing in at a page, up to the first that isn't a redirect."""
    door = client.get(path)
    assert (door.status_code, client.get(path).headers["Location"]) == (303, f"/login?next={path}")
    sent = {**fields_of(client.get(door.headers["Location"]).text), "email": person.email, "password": person.password}
    answer = client.post("/login", data=sent)
    seen = [(answer.status_code, "/login")]
    while answer.status_code == 303:
        path = answer.headers["Location"]
        answer = client.get(path)
        seen.append((answer.status_code, path))
    return seen


@pytest.mark.parametrize("who", START)
@pytest.mark.parametrize("page", PAGES)
def test_missing_and_hidden_records_both_lead_to_the_start(
    app: Flask, cast: dict[str, Person], birch: Tenant, page: str, who: str
) -> None:
    theirs = page.format(person=cast["bea"].id, tenant=birch.id)
    for path in (theirs, page.format(person=NOBODY, tenant=NOBODY)):
        client = PageClient(app, app.response_class, use_cookies=True)
        is_seen = who == "root" and path == theirs

        *_, last = signed_in_at(client, cast[who], path)

        assert last == (200, path if is_seen else START[who])
        assert client.get(path).status_code in ((200,) if is_seen else (403, 404))


@pytest.mark.parametrize("page", NO_PAGES)
def test_a_missing_page_leads_to_the_start(client: PageClient, cast: dict[str, Person], page: str) -> None:
    path = page.format(person=cast["uma"].id)
    sent = {**client.form("/login"), "next": path, "email": cast["root"].email, "password": cast["root"].password}

    assert client.post("/login", data=sent).headers["Location"] == path
    assert client.get(path).headers["Location"] == "/"
    assert client.get(path).status_code in (404, 405)


@pytest.mark.parametrize(
    ("who", "path", "arrives"),
    [
        ("uma", "/users/", False), ("uma", "/organizations/", False), ("uma", "/browser/", False),
        ("ada", "/users/", True), ("ada", "/organizations/", False), ("ada", "/browser/", False),
        ("root", "/users/", True), ("root", "/organizations/", True), ("root", "/browser/", True),
    ],
)  # fmt: skip
def test_a_forbidden_page_leads_to_the_start(
    app: Flask, client: PageClient, cast: dict[str, Person], who: str, path: str, arrives: bool
) -> None:
    *_, last = signed_in_at(client, cast[who], path)

    assert last == (200, path if arrives else START[who])


@pytest.mark.parametrize("who", START)
def test_an_allowed_page_is_reached(app: Flask, client: PageClient, cast: dict[str, Person], who: str) -> None:
    person = cast[who]
    path = "/account/password" if who == "uma" else f"/users/{person.id}?back=/users/"

    door = client.get(path)
    sent = {**fields_of(client.get(door.headers["Location"]).text), "email": person.email, "password": person.password}

    assert client.post("/login", data=sent).headers["Location"] == path
    assert client.get(path).status_code == 200


def test_a_draft_of_another_tenants_person_is_not_disclosed_after_signing_in(
    app: Flask, client: PageClient, sign_in: SignIn, cast: dict[str, Person]
) -> None:
    path = f"/users/{cast['bea'].id}/edit"
    sign_in(cast["bea"])
    fields = client.form(path) | {"first_name": "Nia"}
    with acting(app):
        tokens.revoke_all(cast["bea"].id)
    door = client.post(path, data=fields)

    sent = fields_of(client.get(door.headers["Location"]).text)
    sent |= {"email": cast["ada"].email, "password": cast["ada"].password}
    assert client.post("/login", data=sent).headers["Location"] == path
    assert client.get(path).headers["Location"] == "/"
    page = client.get("/").text
    assert drafts.KEPT_FOR.format(drafts.ANOTHER) in page
    assert "Nia" not in page
    assert client.get(path).status_code == 404


def test_only_the_first_page_after_signing_in_is_replaced(
    app: Flask, client: PageClient, sign_in: SignIn, cast: dict[str, Person]
) -> None:
    path = f"/users/{cast['bea'].id}"
    sign_in(cast["ada"])
    assert client.get(path).status_code == 404

    assert signed_in_elsewhere(client, path) == path
    assert client.get(path, headers=HTMX).status_code == 404, "an htmx request is not redirected"
    assert client.get("/users/").status_code == 200
    assert client.get(path).status_code == 404


def signed_in_elsewhere(client: PageClient, path: str) -> str:
    """Where the sign-in page redirects a person who has signed in in another tab meanwhile."""
    return client.get(f"/login?next={path}").headers["Location"]


def test_a_refusal_after_signing_in_is_not_recorded(app: Flask, client: PageClient, cast: dict[str, Person]) -> None:
    signed_in_at(client, cast["uma"], "/browser/")

    refused = select(func.count()).select_from(Activity).where(Activity.action == "refused")
    with acting(app):
        assert db.session.scalar(refused) == 0
    assert client.get("/browser/").status_code == 403
    with acting(app):
        assert db.session.scalar(refused) == 1
