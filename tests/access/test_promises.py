"""Nobody can read, change or learn about rows that are out of their reach."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from flask import Flask

from portal.core.actor import SYSTEM, Role
from portal.core.clock import now
from portal.core.db import acting_as, db
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.users.models import User
from tests.access.visitor import Visitor, without_tokens
from tests.cast import Builder, Person, Tenant

CANARY = "Quetzalcoatlus"
ACTIONS = ("edit", "delete", "deactivation", "password", "restore")


def rows(app: Flask, table: str) -> list[Any]:
    with app.app_context(), acting_as(SYSTEM):
        statement = f"SELECT * FROM {table} ORDER BY id"  # noqa: S608 -- our own table
        return [tuple(row) for row in db.session.connection().exec_driver_sql(statement)]


@pytest.fixture
def stranger(build: Builder) -> Person:
    """A person of another tenant, whose every text contains the canary."""
    tenant = build.tenant(f"{CANARY} Ltd", slug=f"{CANARY.lower()}-ltd")
    return build.person(f"{CANARY.lower()}@example.org", first_name=CANARY, last_name=CANARY, tenant=tenant)


def body(**changes: Any) -> dict[str, Any]:
    return {"role": "USER", "is_active": "true", "version": "1", "base": "{}", **changes}


def test_ac3_no_page_contains_a_word_of_another_tenant(app: Flask, ada: Person, uma: Person, stranger: Person) -> None:
    visitor = Visitor(app, ada)
    listed = [
        f"/users/?{query}&per_page=100"
        for query in ("", "q=quet", "status=deleted", "status=organization-deleted", "sort=name", "role=USER",
                      f"organization={stranger.organization_id}", "page=last", "verified=no")
    ]  # fmt: skip
    shown = ["/", "/account/", "/users/new", f"/organizations/{ada.organization_id}", f"/users/{uma.id}"]
    shown += ["/activity/", "/activity/export", f"/activity/people/{uma.id}", f"/activity/people/{stranger.id}"]
    shown += [f"/users/{stranger.id}", f"/organizations/{stranger.organization_id}", "/organizations/options?q=quet"]

    for path in [*listed, *shown]:
        for htmx in (False, True):
            text = visitor.get(path, htmx=htmx).text.replace("q=quet", "").replace('value="quet"', "")
            assert CANARY.lower() not in text.lower(), path


def test_ac3_a_search_for_a_foreign_word_looks_like_one_for_nonsense(
    app: Flask, ada: Person, uma: Person, stranger: Person
) -> None:
    visitor = Visitor(app, ada)

    foreign = without_tokens(visitor.get("/users/?q=quetzal", htmx=True))
    nonsense = without_tokens(visitor.get("/users/?q=qzxqzxq", htmx=True))

    assert foreign[2].replace("quetzal", "") == nonsense[2].replace("qzxqzxq", "")


def test_ac3_the_dashboard_counts_only_the_admins_tenant(
    app: Flask, build: Builder, ada: Person, uma: Person, stranger: Person
) -> None:
    visitor = Visitor(app, ada)
    before = visitor.get("/").text
    for number in range(5):
        tenant = Tenant(stranger.organization_id or uuid.uuid4(), "", "")
        build.person(f"more{number}@example.org", tenant=tenant)

    assert without_ids(visitor.get("/").text) == without_ids(before)


def without_ids(text: str) -> list[str]:
    return [line for line in text.splitlines() if "token" not in line]


def test_ac3_a_conflict_with_a_foreign_email_reveals_nothing_else(
    app: Flask, ada: Person, build: Builder, stranger: Person
) -> None:
    gone = build.person("gone@example.org", tenant=None, first_name=CANARY, deleted_at=now())
    visitor = Visitor(app, ada)

    taken = visitor.post("/users/new", body(email=stranger.email))
    free = visitor.post("/users/new", body(email=gone.email))

    assert taken.status_code == 422
    assert "can&#39;t be used here. Ask your system administrator" in taken.text.replace("’", "&#39;")
    assert "Restore" not in taken.text
    assert CANARY not in taken.text
    assert free.status_code == 303


def test_ac4_filtering_by_a_foreign_organization_looks_like_a_nonexistent_one(
    app: Flask, ada: Person, uma: Person, stranger: Person
) -> None:
    visitor = Visitor(app, ada)
    nonsense = str(uuid.uuid4())

    foreign = without_tokens(visitor.get(f"/users/?organization={stranger.organization_id}", htmx=True))
    made_up = without_tokens(visitor.get(f"/users/?organization={nonsense}", htmx=True))

    assert foreign[2].replace(str(stranger.organization_id), "KEY") == made_up[2].replace(nonsense, "KEY")
    assert uma.name not in foreign[2]


@pytest.mark.parametrize(
    "argument", ["sort=password", "sort=-password", "sort=token", "password=x", "sort=version", "sort=search_text"]
)
def test_ac5_hidden_columns_cannot_be_sorted_or_filtered_by(
    app: Flask, ada: Person, uma: Person, argument: str
) -> None:
    visitor = Visitor(app, ada)

    filtered = without_tokens(visitor.get(f"/users/?{argument}", htmx=True))

    status, headers, text = without_tokens(visitor.get("/users/", htmx=True))
    assert filtered[:2] == (status, headers)
    assert "so it has no effect." in filtered[2]
    assert re.sub(r'<p class="error refused".*?</p>\n', "", filtered[2]).split() == text.split()


def test_ac5_searching_for_the_beginning_of_a_hash_finds_nobody(app: Flask, ada: Person, uma: Person) -> None:
    visitor = Visitor(app, ada)

    for beginning in ("$2b$", "$2b$04$", "2b"):
        text = visitor.get(f"/users/?q={beginning}", htmx=True).text
        assert uma.name not in text
        assert "$2b$04" not in text.replace(beginning, "")


@pytest.mark.parametrize("action", ACTIONS)
def test_ac6_an_admin_cannot_change_a_super_admin_of_the_same_tenant(
    app: Flask, build: Builder, acme: Tenant, ada: Person, action: str
) -> None:
    sue = build.person("sue@example.com", role=Role.SUPER_ADMIN, tenant=acme, first_name="Hidden")
    visitor = Visitor(app, ada)
    before = rows(app, "users")

    answer = visitor.post(f"/users/{sue.id}/{action}", body(email=sue.email))

    assert answer.status_code == 404
    assert rows(app, "users") == before
    assert "Hidden" not in visitor.get("/users/").text
    assert "Hidden" not in visitor.get(f"/organizations/{acme.id}").text


@pytest.mark.parametrize("role", ["SUPER_ADMIN", "super_admin", "ROOT", ""])
def test_ac6_ac7_an_admin_cannot_create_or_promote_super_admins(
    app: Flask, ada: Person, uma: Person, build: Builder, role: str
) -> None:
    visitor = Visitor(app, ada)

    new = visitor.post("/users/new", body(email="new@example.com", role=role))
    edited = visitor.post(f"/users/{uma.id}/edit", body(email=uma.email, role=role))

    assert (new.status_code, edited.status_code) == (422, 422)
    assert build.read(User, uma.id).role is Role.USER


def test_ac7_a_user_cannot_grant_roles(app: Flask, uma: Person, build: Builder) -> None:
    visitor = Visitor(app, uma)

    answers = [
        visitor.post(path, body(email=uma.email, role="ADMIN")).status_code
        for path in ("/users/new", f"/users/{uma.id}/edit")
    ]

    assert answers == [403, 403]
    assert build.read(User, uma.id).role is Role.USER


def test_ac8_a_forged_organization_cannot_move_anyone(
    app: Flask, ada: Person, uma: Person, build: Builder, birch: Tenant
) -> None:
    visitor = Visitor(app, ada)

    for forged in (str(birch.id), birch.slug, ""):
        email = f"n{uuid.uuid4().hex}@example.com"
        new = visitor.post("/users/new", body(email=email, organization_id=forged, organization=forged))
        key = uuid.UUID(new.headers["Location"].split("/")[-1])
        assert build.read(User, key).organization_id == ada.organization_id
        version = str(build.read(User, uma.id).version)
        visitor.post(f"/users/{uma.id}/edit", body(email=uma.email, organization_id=forged, version=version))
        assert build.read(User, uma.id).organization_id == ada.organization_id


FORGED = {
    "id": "00000000-0000-0000-0000-000000000001",
    "password": "$2b$04$forged",
    "email_verified": "true",
    "must_change_password": "",
    "created_by": "00000000-0000-0000-0000-000000000001",
    "updated_by": "00000000-0000-0000-0000-000000000001",
    "deleted_by": "00000000-0000-0000-0000-000000000001",
    "created_at": "2001-01-01",
    "deleted_at": "2001-01-01",
    "search_text": "x",
    "sort_name": "x",
}


@pytest.mark.parametrize("who", ["ada", "root"])
def test_ac9_ac14_forged_fields_of_a_new_person_are_ignored(
    app: Flask, build: Builder, ada: Person, root: Person, who: str
) -> None:
    actor = {"ada": ada, "root": root}[who]
    visitor = Visitor(app, actor)

    answer = visitor.post("/users/new", {**body(email="forged@example.com"), **FORGED, "version": "77"})

    row = build.read(User, uuid.UUID(answer.headers["Location"].split("/")[-1]))
    assert str(row.id) != FORGED["id"]
    assert (row.created_by, row.updated_by, row.deleted_by, row.deleted_at) == (actor.id, actor.id, None, None)
    assert (row.version, row.email_verified, row.accepted_at, row.pending_email) == (1, False, None, None)
    assert row.created_at.year > 2001


def test_ac9_forged_fields_of_an_edit_are_ignored(app: Flask, build: Builder, ada: Person, uma: Person) -> None:
    before = build.read(User, uma.id)

    answer = Visitor(app, ada).post(f"/users/{uma.id}/edit", {**body(email=uma.email, first_name="New"), **FORGED})

    row = build.read(User, uma.id)
    assert answer.status_code == 303
    assert (row.first_name, row.version, row.updated_by) == ("New", 2, ada.id)
    for name in ("id", "created_by", "created_at", "deleted_at", "deleted_by", "email_verified"):
        assert getattr(row, name) == getattr(before, name), name


def test_ac9_an_admin_cannot_change_the_slug(app: Flask, build: Builder, acme: Tenant, ada: Person) -> None:
    Visitor(app, ada).post(
        f"/organizations/{acme.id}/edit", {"name": "New", "slug": "forged", "version": "1", **FORGED}
    )

    row = build.read(Organization, acme.id)
    assert (row.name, row.slug, row.deleted_at, row.updated_by) == ("New", "acme", None, ada.id)


@pytest.mark.parametrize("change", [{"role": "USER"}, {"is_active": "false"}])
@pytest.mark.parametrize("who", ["ada", "root"])
def test_ac11_nobody_can_demote_or_deactivate_themselves(
    app: Flask, build: Builder, ada: Person, root: Person, who: str, change: dict[str, str]
) -> None:
    actor = {"ada": ada, "root": root}[who]
    sent = {**body(email=actor.email, role=actor.role.name), **change}

    answer = Visitor(app, actor).post(f"/users/{actor.id}/edit", sent)

    row = build.read(User, actor.id)
    assert answer.status_code == 422
    assert (row.role, row.is_active) == (actor.role, True)


@pytest.mark.parametrize("who", ["ada", "root"])
def test_ac11_nobody_can_delete_or_deactivate_themselves(
    app: Flask, build: Builder, ada: Person, root: Person, who: str
) -> None:
    actor = {"ada": ada, "root": root}[who]
    visitor = Visitor(app, actor)

    answers = visitor.post(f"/users/{actor.id}/delete"), visitor.post(f"/users/{actor.id}/deactivation")

    assert all(answer.status_code in (409, 422) for answer in answers)
    assert build.read(User, actor.id).is_active
    assert visitor.get("/account/").status_code == 200


def test_ac11_removing_the_last_administrator_of_a_tenant_shows_a_warning(
    app: Flask, ada: Person, root: Person
) -> None:
    visitor = Visitor(app, root)

    for action in ("delete", "deactivation"):
        assert "last active administrator" in visitor.get(f"/users/{ada.id}/{action}").text


def test_ac12_requests_to_a_foreign_row_change_and_reveal_nothing(app: Flask, ada: Person, stranger: Person) -> None:
    visitor = Visitor(app, ada)
    before = rows(app, "users"), rows(app, "organizations")

    for action in ACTIONS:
        answer = visitor.post(f"/users/{stranger.id}/{action}", body(email="x@example.com", ids=str(ada.id)))
        assert answer.status_code == 404
    visitor.post(f"/organizations/{stranger.organization_id}/edit", {"name": "Mine", "version": "1"})

    assert (rows(app, "users"), rows(app, "organizations")) == before


def test_ac13_deleted_people_are_shown_only_on_request(app: Flask, ada: Person, gil: Person) -> None:
    visitor = Visitor(app, ada)

    assert gil.name not in visitor.get("/users/").text
    assert gil.name not in visitor.get("/users/?q=gil", htmx=True).text
    assert gil.name not in visitor.get(f"/organizations/{ada.organization_id}").text
    assert gil.name in visitor.get("/users/?status=deleted").text
    assert visitor.get(f"/users/{gil.id}").status_code == 200


def test_ac13_people_who_cannot_delete_cannot_restore(
    app: Flask, build: Builder, uma: Person, bea: Person, gil: Person
) -> None:
    answers = [Visitor(app, person).post(f"/users/{gil.id}/restore").status_code for person in (uma, bea)]

    assert answers == [403, 404]
    assert build.read(User, gil.id).deleted_at is not None


def test_ac13_nobody_can_be_restored_into_a_deleted_organization(
    app: Flask, build: Builder, acme: Tenant, root: Person, gil: Person
) -> None:
    with app.app_context(), acting_as(SYSTEM):
        organizations.delete(acme.id)
    visitor = Visitor(app, root)

    visitor.post(f"/users/{gil.id}/restore")

    assert "Not restored." in visitor.get(f"/users/{gil.id}").text
    assert build.read(User, gil.id).deleted_at is not None


def test_ac13_nobody_can_be_created_in_or_moved_to_a_deleted_organization(
    app: Flask, build: Builder, birch: Tenant, uma: Person, root: Person
) -> None:
    with app.app_context(), acting_as(SYSTEM):
        organizations.delete(birch.id)
    visitor = Visitor(app, root)

    for organization in (birch.slug, str(birch.id)):
        new = visitor.post("/users/new", body(email="n@example.com", organization_id=organization))
        moved = visitor.post(f"/users/{uma.id}/edit", body(email=uma.email, organization_id=organization))
        assert (new.status_code, moved.status_code) == (422, 422)


def test_ac14_a_change_from_outside_the_tenant_is_shown_as_by_the_system_administrator(
    app: Flask, ada: Person, uma: Person, build: Builder
) -> None:
    root = build.person("boss@example.com", role=Role.SUPER_ADMIN, first_name="Secret", last_name="Name")
    sent = body(email=uma.email, first_name="By root", organization_id="acme")
    Visitor(app, root).post(f"/users/{uma.id}/edit", sent)

    text = Visitor(app, ada).get(f"/users/{uma.id}").text

    assert "system administrator" in text
    assert "Secret" not in text
    assert "boss@example.com" not in text


def test_an_admin_without_an_organization_sees_only_themselves(app: Flask, build: Builder, uma: Person) -> None:
    lone = build.person("lone@example.com", role=Role.ADMIN)
    build.person("other@example.com")
    visitor = Visitor(app, lone)

    text = visitor.get("/users/").text

    assert lone.name in text
    assert uma.name not in text
    assert "Other" not in text
    assert visitor.get(f"/users/{uma.id}").status_code == 404
