"""Acting on the selected rows of a list."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.core.history import Activity
from portal.organizations.models import Organization
from portal.teams.models import Team, TeamMember
from portal.tokens.models import Session
from portal.users.models import User
from tests.acting import acting, age_authentication
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant, page_client
from tests.pages import PageClient, fields_of, text_of
from tests.selecting import act, add, address_of, agree, choose, listed, set_values


@pytest.fixture
def crew(build: Builder, acme: Tenant) -> list[Person]:
    """Three people of Acme."""
    return [build.person(f"crew{place}@example.com", tenant=acme) for place in range(3)]


def ids_of(people: list[Person]) -> list[uuid.UUID]:
    return [one.id for one in people]


def states(build: Builder, ids: list[uuid.UUID], name: str = "is_active") -> list[Any]:
    return [getattr(build.read(User, key), name) for key in ids]


def test_selected_people_are_deactivated_as_one_operation(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, crew: list[Person], uma: Person
) -> None:
    sign_in(ada)
    page_client(app, crew[0])
    chosen = ids_of(crew)

    asked = choose(client, "/users/", "deactivate", chosen)
    assert "Deactivate 3 people?" in text_of(asked.text)
    assert "They are signed out on 1 device at once and can no longer sign in." in text_of(asked.text)
    assert states(build, chosen) == [True] * 3  # nothing happened yet
    done = agree(client, asked)

    assert done.headers["Location"] == "/users/"
    assert "3 people deactivated." in text_of(client.get("/users/").text)
    assert states(build, [*chosen, uma.id]) == [False, False, False, True]
    with acting(app):
        ended = select(func.count()).where(Session.user_id == crew[0].id, Session.ended_at.is_(None))
        assert db.session.scalar(ended) == 0
        operations = (
            select(Activity.operation_id).distinct().where(Activity.row_id.in_(chosen), Activity.action == "update")
        )
        assert len(db.session.scalars(operations).all()) == 1
        actors = db.session.scalars(select(User.updated_by).where(User.id.in_(chosen))).all()
        assert actors == [ada.id] * 3


def test_the_question_names_rows_that_stay_as_they_are_and_why(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, bea: Person, uma: Person
) -> None:
    off = build.person("off@example.com", tenant=acme, is_active=False)
    sign_in(ada)

    asked = text_of(choose(client, "/users/", "deactivate", [ada.id, off.id, uma.id, bea.id, uuid.uuid4()]).text)

    assert "Deactivate Uma Example?" in asked
    assert "Your own account Ada Example" in asked
    assert "Already deactivated Off Example" in asked
    assert "Deleted in the meantime, or not visible to you 2" in asked
    assert "Bea" not in asked


def test_rows_that_all_stay_as_they_are_leave_nothing_to_confirm(
    client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)

    asked = choose(client, "/users/", "deactivate", [ada.id])

    assert "Nothing to change" in text_of(asked.text)
    assert "btn-danger" not in asked.text
    assert agree(client, asked).status_code == 200  # asks again instead of acting


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize("path", ["/users/", "/organizations/", "/teams/"])
@pytest.mark.parametrize("ids", [[], ["garbage", "\u202e", ""]], ids=["none", "garbage"])
def test_d4_an_empty_selection_is_refused(
    client: PageClient, sign_in: SignIn, root: Person, uma: Person, path: str, ids: list[str], *, htmx: bool
) -> None:
    sign_in(root)

    answer = choose(client, path, "delete", ids, htmx=htmx)

    assert answer.status_code == 400
    assert "Nothing is selected." in text_of(answer.text)


def test_d4_all_rows_of_an_empty_list_are_none(client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)

    assert choose(client, "/users/?q=nobody-has-this-name", "delete", all="1").status_code == 400


@pytest.mark.parametrize("action", ["", "delete-everything", "restore", "activate"])
def test_an_action_that_the_tab_does_not_offer_is_refused(
    client: PageClient, sign_in: SignIn, root: Person, uma: Person, action: str
) -> None:
    sign_in(root)

    assert choose(client, "/users/", action, [uma.id]).status_code == 400


def test_too_many_fields_are_refused_with_a_clear_answer(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    answer = choose(client, "/users/", "deactivate", [uuid.uuid4() for _ in range(20_000)])

    assert answer.status_code == 413
    assert "larger than the portal accepts" in text_of(answer.text)


FILTERS = (
    "/users/", "/users/?q=crew", "/users/?q=crew1@example.com", "/users/?q=examp", "/users/?role=ADMIN",
    "/users/?role=USER&sort=name", "/users/?verified=no", "/users/?verified=yes", "/users/?two_factor=no",
    "/users/?created_from=2020-01-01", "/users/?created_from=2999-01-01", "/users/?last_sign_in=never",
    "/users/?last_sign_in_before=2020-06-01", "/users/?team=Drivers", "/users/?organization=ACME",
    "/users/?q=crew&role=USER&sort=name&per_page=50", "/users/?q=crew&team=Drivers", "/users/?role=nonsense",
)  # fmt: skip


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
@pytest.mark.parametrize("path", FILTERS)
def test_d1_d2_all_rows_are_exactly_the_listed_ones(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, bea: Person,
    root: Person, role: Role, path: str,
) -> None:  # fmt: skip
    team = Team(id=uuid.uuid4(), name="Drivers", organization_id=acme.id)
    long_ago = now() - timedelta(days=3000)
    people = [build.person(f"crew{place}@example.com", tenant=acme, email_verified=place % 2 == 0,
                           last_sign_in_at=long_ago if place == 3 else None) for place in range(30)]  # fmt: skip
    build.person("admin2@example.com", tenant=acme, role=Role.ADMIN, email_verified=True)
    with acting(app):
        add(team)
        add(*(TeamMember(team_id=team.id, user_id=one.id, organization_id=acme.id) for one in people[:4]))
    actor = ada if role is Role.ADMIN else root
    sign_in(actor)
    path = path.replace("ACME", str(acme.id))

    expected = set(listed(client, path)) - {actor.id}
    asked = choose(client, path, "deactivate", all="1")
    if not expected:
        assert asked.status_code == 400 or "Nothing to change" in text_of(asked.text)
        return
    text = act(client, path, "deactivate", all="1")

    with acting(app):
        changed = set(db.session.scalars(select(User.id).where(~User.is_active)))
    assert changed == expected
    if len(expected) > 1:
        assert f"Deactivate {len(expected):,} people?" in text_of(asked.text)
        assert f"{len(expected):,} people deactivated." in text_of(text)


@pytest.mark.parametrize("tab", ["invited", "deactivated", "deleted", "organization-deleted"])
def test_d1_all_rows_of_a_tab_are_exactly_the_listed_ones(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, root: Person, tab: str
) -> None:
    gone = build.tenant("Gone", deleted_at=now())
    build.person("invited@example.com", tenant=acme, invited_at=now())
    build.person("off@example.com", tenant=acme, is_active=False)
    build.person("deleted@example.com", tenant=acme, deleted_at=now())
    build.person("lost@example.com", tenant=gone)
    sign_in(root)
    path = f"/users/?status={tab}"
    (one,) = listed(client, path)
    age = build.read(User, one).version

    act(client, path, {"deactivated": "activate", "deleted": "restore"}.get(tab, "deactivate"), all="1")

    with acting(app):
        newer = select(User.id).where(User.version > 1, User.id != root.id)
        assert list(db.session.scalars(newer, execution_options={"with_deleted": True})) == [one]
    assert age == 1


def test_d3_rows_that_left_the_selection_meanwhile_are_named_instead_of_acting(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, crew: list[Person]
) -> None:
    sign_in(ada)
    asked = choose(client, "/users/", "deactivate", ids_of(crew))
    with acting(app):
        set_values(crew[2].id, is_active=False)

    again = agree(client, asked)

    text = text_of(again.text)
    assert "This changed since you were asked, so nothing was done yet: it was 3, and is 2 now." in text
    assert "No longer included: Crew2 Example." in text
    assert states(build, ids_of(crew)) == [True, True, False]
    assert agree(client, again).status_code == 303
    assert states(build, ids_of(crew)) == [False, False, False]


def test_d3_rows_that_joined_the_list_meanwhile_are_named_instead_of_acting(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, crew: list[Person]
) -> None:
    sign_in(ada)
    asked = choose(client, "/users/?q=crew", "deactivate", all="1")
    late = build.person("crew-late@example.com", tenant=acme)

    again = agree(client, asked)

    assert "it was 3, and is 4 now. Added: Crew-late Example." in text_of(again.text)
    assert states(build, [*ids_of(crew), late.id]) == [True] * 4


def test_d3_a_row_that_moved_to_another_tenant_meanwhile_is_left_alone(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, birch: Tenant, crew: list[Person]
) -> None:
    sign_in(ada)
    asked = choose(client, "/users/", "deactivate", ids_of(crew))
    with acting(app):
        set_values(crew[0].id, organization_id=birch.id)

    again = agree(client, asked)

    assert "Deleted in the meantime, or not visible to you 1" in text_of(again.text)
    assert "Crew0" not in again.text
    assert states(build, ids_of(crew)) == [True] * 3


def test_a_confirmation_holds_for_its_rows_action_and_person_only(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, crew: list[Person]
) -> None:
    other = page_client(app, build.person("other@example.com", role=Role.ADMIN, tenant=acme))
    sign_in(ada)
    asked = choose(client, "/users/", "deactivate", ids_of(crew[:1]))
    digest: dict[str, Any] = {"confirmed": fields_of(asked.text)["confirmed"]}

    for visitor, action, ids in (
        (client, "deactivate", ids_of(crew)),
        (client, "deactivate", ids_of(crew[1:2])),
        (client, "delete", ids_of(crew[:1])),
        (client, "role-admin", ids_of(crew[:1])),
        (other, "deactivate", ids_of(crew[:1])),
    ):
        assert choose(visitor, "/users/", action, ids, **digest).status_code == 200

    assert states(build, ids_of(crew)) == [True] * 3
    assert states(build, ids_of(crew), "deleted_at") == [None] * 3
    assert states(build, ids_of(crew), "role") == [Role.USER] * 3


def test_deleting_asks_for_the_password_and_restoring_brings_all_back(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, crew: list[Person]
) -> None:
    sign_in(ada)
    with acting(app):
        age_authentication(ada)

    asked = agree(client, choose(client, "/users/", "delete", ids_of(crew)))
    assert "Re-enter your password to continue." in text_of(asked.text)
    assert states(build, ids_of(crew), "deleted_at") == [None] * 3
    assert agree(client, asked, own_password="wrong").status_code == 422
    assert agree(client, asked, own_password=PASSWORD).status_code == 303

    assert all(states(build, ids_of(crew), "deleted_at"))
    assert states(build, ids_of(crew), "deleted_by") == [ada.id] * 3
    assert "3 people restored." in text_of(act(client, "/users/?status=deleted", "restore", ids_of(crew)))
    assert states(build, ids_of(crew), "deleted_at") == [None] * 3


@pytest.mark.parametrize("path", ["/organizations/", "/teams/"])
def test_organizations_and_teams_are_deleted_and_restored(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, path: str
) -> None:
    model: Any = Organization if path == "/organizations/" else Team
    rows = [Organization(name=f"Org {one}", slug=f"org-{one}") if model is Organization
            else Team(name=f"Team {one}", organization_id=acme.id) for one in range(2)]  # fmt: skip
    with acting(app):
        add(*rows)
        ids = list(db.session.scalars(select(model.id).where(model.name.in_([one.name for one in rows]))))
    sign_in(root)

    act(client, path, "delete", ids)
    assert all(build.read(model, key).deleted_at for key in ids)
    act(client, f"{path}?status=deleted", "restore", ids)

    assert not any(build.read(model, key).deleted_at for key in ids)


def test_rows_whose_unique_value_is_in_use_are_not_restored(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant
) -> None:
    first, later = (
        build.person("Same@example.com", tenant=acme, deleted_at=now() - timedelta(days=age)) for age in (2, 1)
    )
    used = build.person("used@example.com", tenant=acme, deleted_at=now())
    build.person("USED@example.com", tenant=acme)
    sign_in(ada)

    asked = choose(client, "/users/?status=deleted", "restore", [first.id, later.id, used.id])
    assert "Another person has the email address Same Example, Used Example" in text_of(asked.text)
    agree(client, asked)

    assert [one is None for one in states(build, [first.id, later.id, used.id], "deleted_at")] == [False, True, False]


def test_an_address_in_use_elsewhere_is_counted_and_its_person_not_restored(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant, birch: Tenant
) -> None:
    here = build.person("wanted@example.com", tenant=acme, deleted_at=now())
    free = build.person("free@example.com", tenant=acme, deleted_at=now())
    build.person("wanted@example.com", tenant=birch)
    sign_in(ada)

    again = agree(client, choose(client, "/users/?status=deleted", "restore", [here.id, free.id]))

    assert "The email address can't be used here Wanted Example" in text_of(again.text)
    assert states(build, [free.id], "deleted_at") != [None]
    agree(client, again)
    assert [one is None for one in states(build, [here.id, free.id], "deleted_at")] == [False, True]


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize("action", ["deactivate", "delete", "role-admin", "export-csv", "add-team_members"])
def test_rows_of_another_tenant_are_like_rows_that_do_not_exist(
    client: PageClient,
    sign_in: SignIn,
    build: Builder,
    ada: Person,
    bea: Person,
    root: Person,
    action: str,
    *,
    htmx: bool,
) -> None:
    sign_in(ada)

    answers = [choose(client, "/users/", action, [key], htmx=htmx) for key in (bea.id, root.id, uuid.uuid4())]

    texts = {text_of(one.text).replace(str(key), "") for one, key in zip(answers, (bea.id, root.id, 0), strict=True)}
    assert len(texts) == 1
    assert "Bea" not in answers[0].text
    assert (build.read(User, bea.id).is_active, build.read(User, bea.id).version) == (True, 1)


@pytest.mark.parametrize("action", ["delete", "restore"])
def test_admins_cannot_act_on_organizations(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant, action: str
) -> None:
    sign_in(ada)

    assert choose(client, "/organizations/", action, [acme.id]).status_code == 403
    assert build.read(Organization, acme.id).deleted_at is None


@pytest.mark.parametrize("path", ["/users/", "/organizations/", "/teams/"])
def test_users_cannot_act_at_all(
    client: PageClient, sign_in: SignIn, uma: Person, crew: list[Person], path: str
) -> None:
    sign_in(uma)

    assert choose(client, path, "delete", ids_of(crew)).status_code == 403


@pytest.mark.parametrize("action", ["move", "role-super-admin"])
def test_admins_are_neither_offered_nor_allowed_what_super_admins_do(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, action: str
) -> None:
    sign_in(ada)

    assert f'value="{action}"' not in client.get("/users/").text
    assert choose(client, "/users/", action, [uma.id], entry="acme").status_code == 403


@pytest.mark.parametrize("ids", [True, False], ids=["some", "all"])
def test_the_selection_is_downloaded(
    client: PageClient, sign_in: SignIn, ada: Person, bea: Person, crew: list[Person], *, ids: bool
) -> None:
    sign_in(ada)
    chosen: dict[str, Any] = {"ids": [crew[0].id, crew[2].id, bea.id]} if ids else {"all": "1"}

    answer = choose(client, "/users/?q=crew", "export-csv", **chosen)

    lines = answer.data.decode().splitlines()[1:]
    assert sorted(line.split(",")[0] for line in lines) == [
        f'"crew{one}@example.com"' for one in ((0, 2) if ids else (0, 1, 2))
    ]


def test_the_list_shows_the_actions_of_its_tab(client: PageClient, sign_in: SignIn, root: Person, gil: Person) -> None:
    sign_in(root)
    active, deleted = client.get("/users/").text, client.get("/users/?status=deleted&q=gil").text

    assert 'value="deactivate"' in active
    assert 'value="restore"' not in active
    assert 'value="restore"' in deleted
    assert 'value="delete"' not in deleted
    assert f'action="{address_of("/users/?status=deleted&amp;q=gil")}"' in deleted
