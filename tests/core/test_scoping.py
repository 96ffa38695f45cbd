"""Every kind of statement reads and writes only active rows of the actor's tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import bindparam, delete, exists, func, insert, literal, select, union_all, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import aliased, joinedload, lazyload, selectinload

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db, read
from portal.core.errors import NotAllowed
from portal.core.keys import uuid7
from portal.core.models import Base, SoftDeletable, TenantOwned
from portal.core.scoping import kept, scoped
from portal.organizations.models import Organization
from portal.saved_views.commands import saved_views
from portal.saved_views.models import OPEN, SavedView
from portal.tokens.models import RefreshToken
from portal.users.models import User
from portal.users.totals import UserTotal
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

Cast = dict[str, Person]
OWN = {"ada@example.com", "uma@example.com"}

OF_EVERYBODY = (SavedView, UserTotal)  # which have rows without an organization
KEPT = kept(select(User.email))
KEPT_AFTER = kept(select(User.email).where(User.email > bindparam("place")))

pytestmark = pytest.mark.usefixtures("scoping_alone")


@pytest.fixture
def cast(root: Person, ada: Person, uma: Person, bea: Person, gil: Person) -> Cast:
    return {"root": root, "ada": ada, "uma": uma, "bea": bea, "gil": gil}


def entities(_: Cast) -> set[str]:
    return {user.email for user in db.session.scalars(select(User))}


def columns(_: Cast) -> set[str]:
    return set(db.session.scalars(select(User.email)))


def legacy_query(_: Cast) -> set[str]:
    return {user.email for user in db.session.query(User)}


def an_alias(_: Cast) -> set[str]:
    other = aliased(User)
    return set(db.session.scalars(select(other.email)))


def a_subquery(_: Cast) -> set[str]:
    return set(db.session.scalars(select(select(User.email).subquery().c.email)))


def a_common_table_expression(_: Cast) -> set[str]:
    return set(db.session.scalars(select(select(User.email).cte("people").c.email)))


def a_union(_: Cast) -> set[str]:
    both = union_all(select(User.email), select(User.email)).subquery()
    return set(db.session.scalars(select(both.c.email)))


def a_join_from_the_organization(_: Cast) -> set[str]:
    return set(db.session.scalars(select(User.email).select_from(Organization).join(User.organization)))


def a_scalar_subquery(cast: Cast) -> set[str]:
    found = set()
    for person in cast.values():
        inner = select(User.email).where(User.id == person.id).scalar_subquery()
        if email := db.session.scalar(select(inner)):
            found.add(email)
    return found


def a_cold_get(cast: Cast) -> set[str]:
    found = [db.session.get(User, person.id) for person in cast.values()]
    return {user.email for user in found if user}


def an_exists(cast: Cast) -> set[str]:
    return {person.email for person in cast.values() if db.session.scalar(select(exists().where(User.id == person.id)))}


def a_read_by_the_driver(_: Cast) -> set[str]:
    return {row.email for row in read(select(User.email))}


def a_kept_read(_: Cast) -> set[str]:
    return {row.email for row in read(KEPT)}


def a_kept_read_with_values(_: Cast) -> set[str]:
    return {row.email for row in read(KEPT_AFTER, {"place": ""})}


def a_lock(_: Cast) -> set[str]:
    return {user.email for user in db.session.scalars(select(User).with_for_update())}


def an_update(_: Cast) -> set[str]:
    statement = update(User).values(first_name="Changed").returning(User.email)
    return set(db.session.scalars(statement, execution_options={"synchronize_session": False}))


def a_delete(_: Cast) -> set[str]:
    statement = delete(User).returning(User.email)
    return set(db.session.scalars(statement, execution_options={"synchronize_session": False}))


READS: list[Callable[[Cast], set[str]]] = [
    entities, columns, legacy_query, an_alias, a_subquery, a_common_table_expression, a_union,
    a_join_from_the_organization, a_scalar_subquery, a_cold_get, an_exists,
    a_read_by_the_driver, a_kept_read, a_kept_read_with_values, a_lock, an_update, a_delete,
]  # fmt: skip


@pytest.mark.parametrize("statement", READS, ids=lambda one: one.__name__)
def test_ac2_an_admin_reaches_only_active_people_of_their_organization(
    app: Flask, cast: Cast, statement: Callable[[Cast], set[str]]
) -> None:
    with acting(app, cast["ada"]):
        assert statement(cast) == OWN


@pytest.mark.parametrize("statement", READS, ids=lambda one: one.__name__)
def test_a_user_reaches_only_their_own_row(app: Flask, cast: Cast, statement: Callable[[Cast], set[str]]) -> None:
    expected = {"uma@example.com"}

    with acting(app, cast["uma"]):
        assert statement(cast) == expected


@pytest.mark.parametrize("statement", [one for one in READS if one is not a_join_from_the_organization])
def test_a_super_admin_and_the_system_reach_every_active_row(
    app: Flask, cast: Cast, statement: Callable[[Cast], set[str]]
) -> None:
    with acting(app, cast["root"]):
        assert statement(cast) == {"root@example.com", "bea@example.com", *OWN}


@pytest.mark.parametrize("statement", [a_kept_read, a_kept_read_with_values])
def test_what_is_kept_for_one_tenant_reads_the_tenant_of_whoever_runs_it(
    app: Flask, cast: Cast, statement: Callable[[Cast], set[str]]
) -> None:
    found = []
    for name in ("ada", "bea", "uma", "ada"):
        with acting(app, cast[name]):
            found.append(statement(cast))

    assert found == [OWN, {"bea@example.com"}, {"uma@example.com"}, OWN]


def test_a_read_with_deleted_rows_is_kept_apart(app: Flask, cast: Cast) -> None:
    with acting(app, cast["ada"]):
        assert len(read(KEPT)) == len(read(KEPT, with_deleted=False)) == 2
        assert len(read(KEPT, with_deleted=True)) == 3


def test_counts_of_entities_and_subqueries_are_scoped(app: Flask, cast: Cast) -> None:
    with acting(app, cast["ada"]):
        assert db.session.scalar(select(func.count(User.id))) == 2
        assert db.session.scalar(select(func.count()).select_from(User)) == 2
        assert db.session.scalar(select(func.count()).select_from(select(User).subquery())) == 2
        bounded = select(literal(1)).select_from(User).limit(10).subquery()
        assert db.session.scalar(select(func.count()).select_from(bounded)) == 2


def test_get_with_refresh_does_not_load_a_foreign_row(app: Flask, cast: Cast) -> None:
    with acting(app, cast["ada"]):
        assert db.session.get(User, cast["bea"].id, populate_existing=True) is None


@pytest.mark.parametrize("load", [lazyload, selectinload, joinedload])
def test_a_related_row_is_scoped_however_it_is_loaded(
    app: Flask, cast: Cast, load: Callable[..., Any], build: Builder
) -> None:
    gone = build.tenant("Gone", deleted_at=now())
    build.person("otto@example.com", tenant=gone)

    with acting(app):
        people = {user.email: user for user in db.session.scalars(select(User).options(load(User.organization)))}
        assert people["otto@example.com"].organization is None
        assert people["uma@example.com"].organization is not None
        assert people["uma@example.com"].organization.name == "Acme"


def test_a_relation_is_never_loaded_implicitly(app: Flask, cast: Cast) -> None:
    with acting(app, cast["ada"]):
        user = db.session.scalars(select(User).where(User.email == "uma@example.com")).one()

        with pytest.raises(InvalidRequestError):
            _ = user.organization


def test_the_same_statement_returns_each_actor_their_own_rows(app: Flask, cast: Cast) -> None:
    statement = select(User.email).order_by(User.email)
    seen = []
    for _ in range(3):
        for name in ("ada", "bea", "uma"):
            with acting(app, cast[name]):
                seen.append(set(db.session.scalars(statement)))

    assert seen == [OWN, {"bea@example.com"}, {"uma@example.com"}] * 3


def test_only_its_own_people_can_see_an_organization(app: Flask, cast: Cast, acme: Tenant, birch: Tenant) -> None:
    with acting(app, cast["ada"]):
        assert db.session.scalars(select(Organization.id)).all() == [acme.id]
        assert db.session.get(Organization, birch.id) is None


def test_sessions_are_visible_to_their_person_and_to_administrators_of_the_organization(
    app: Flask, cast: Cast, acme: Tenant, birch: Tenant
) -> None:
    with acting(app):
        for name, tenant in (("ada", acme), ("uma", acme), ("bea", birch)):
            token = RefreshToken(token=name, user_id=cast[name].id, organization_id=tenant.id, expires_at=now())
            db.session.add(token)
        db.session.commit()

    seen = {}
    for name in ("ada", "uma", "bea", "root"):
        with acting(app, cast[name]):
            seen[name] = set(db.session.scalars(select(RefreshToken.token)))

    assert seen == {"ada": {"ada", "uma"}, "uma": {"uma"}, "bea": {"bea"}, "root": {"ada", "uma", "bea"}}


def test_ac6_an_admin_cannot_see_a_super_admin_of_the_same_organization(
    app: Flask, ada: Person, acme: Tenant, build: Builder
) -> None:
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)

    with acting(app, ada):
        assert db.session.get(User, chief.id) is None
        assert set(db.session.scalars(select(User.email))) == {ada.email}


def test_an_admin_without_an_organization_sees_nothing_that_belongs_to_none(
    app: Flask, build: Builder, root: Person, ada: Person
) -> None:
    stray = build.person("stray@example.com", role=Role.ADMIN)
    values = {"name": "All", "query": "", "sharing": OPEN, "list_name": "users"}
    with acting(app, root):
        saved_views.create(values, row_id=uuid7())
        assert [bool(db.session.scalar(select(func.count()).select_from(one))) for one in OF_EVERYBODY] == [True] * 2

    with acting(app, stray):
        assert [db.session.scalar(select(func.count()).select_from(one)) for one in OF_EVERYBODY] == [0] * 2


def test_an_admin_without_an_organization_reaches_nobody_else(app: Flask, build: Builder, ada: Person) -> None:
    lost = build.person("lost@example.com", role=Role.ADMIN)
    build.person("drifter@example.com")

    with acting(app, lost):
        assert set(db.session.scalars(select(User.email))) == {lost.email}
        assert db.session.scalars(select(Organization.id)).all() == []


# Writes


def row(**values: Any) -> dict[str, Any]:
    return {"id": uuid7(), "email": "new@example.com", **values}


def test_ac8_a_bulk_insert_into_another_tenant_is_refused(app: Flask, ada: Person, acme: Tenant, birch: Tenant) -> None:
    foreign = row(organization_id=birch.id)
    own = row(organization_id=acme.id, email="own@example.com")
    taken = select(literal("x@example.com"), literal(birch.id))
    attempts: list[tuple[Any, Any]] = [
        (insert(User), [own, foreign]),
        (insert(User), foreign),
        (insert(User), [row()]),
        (insert(User).values(foreign), None),
        (insert(User).values([own, foreign]), None),
        (insert(User).from_select(["email", "organization_id"], taken), None),
    ]
    for statement, parameters in attempts:
        with acting(app, ada), pytest.raises(NotAllowed):
            db.session.execute(statement, parameters)
    with acting(app):
        assert db.session.scalar(select(func.count(User.id))) == 1


def test_a_bulk_insert_into_the_actors_tenant_is_allowed(app: Flask, ada: Person, acme: Tenant) -> None:
    with acting(app, ada):
        db.session.execute(insert(User), [row(organization_id=acme.id), row(organization_id=acme.id, email="b@x.org")])

        assert db.session.scalar(select(func.count(User.id))) == 3


@pytest.mark.parametrize("target", ["birch", None])
def test_ac8_a_bulk_update_cannot_move_people_to_another_tenant(
    app: Flask, ada: Person, uma: Person, birch: Tenant, target: str | None
) -> None:
    elsewhere = birch.id if target else None
    attempts: list[tuple[Any, Any]] = [
        (update(User).values(organization_id=elsewhere), None),
        (update(User).values({User.organization_id: elsewhere}), None),
        (update(User).ordered_values((User.organization_id, elsewhere)), None),
        (update(User).where(User.id == uma.id), {"organization_id": elsewhere}),
        (update(User), [{"id": uma.id, "organization_id": elsewhere}]),
    ]
    for statement, parameters in attempts:
        with acting(app, ada), pytest.raises(NotAllowed):
            db.session.execute(statement, parameters)


def test_ac8_a_flush_cannot_write_rows_of_another_tenant(
    app: Flask, ada: Person, uma: Person, bea: Person, birch: Tenant
) -> None:
    def loaded(person: Person) -> User:
        found = db.session.get(User, person.id, execution_options={"all_tenants": True})
        assert found is not None
        return found

    def by_foreign_key() -> None:
        db.session.add(User(email="new@example.com", organization_id=birch.id))

    def by_relationship() -> None:
        other = db.session.get(Organization, birch.id, execution_options={"all_tenants": True})
        db.session.add(User(email="new@example.com", organization=other))

    def without_a_tenant() -> None:
        db.session.add(User(email="new@example.com"))

    def by_moving() -> None:
        loaded(uma).organization_id = birch.id

    def by_letting_go() -> None:
        loaded(uma).organization_id = None

    def by_changing_a_foreign_row() -> None:
        loaded(bea).first_name = "Taken"

    def by_deleting_a_foreign_row() -> None:
        db.session.delete(loaded(bea))

    works = (
        by_foreign_key, by_relationship, without_a_tenant, by_moving, by_letting_go, by_changing_a_foreign_row,
        by_deleting_a_foreign_row,
    )  # fmt: skip
    for work in works:
        with acting(app, ada), pytest.raises(NotAllowed):
            work()
            db.session.flush()


def test_a_merge_cannot_change_a_foreign_row(app: Flask, ada: Person, bea: Person, birch: Tenant) -> None:
    with acting(app, ada):
        db.session.merge(User(id=bea.id, email=bea.email, organization_id=birch.id, first_name="Merged"))

        with pytest.raises(IntegrityError):
            db.session.flush()


def test_ac7_a_flush_cannot_give_a_row_a_role_beyond_the_actors_reach(app: Flask, ada: Person, uma: Person) -> None:
    for actor, role in ((ada, Role.SUPER_ADMIN), (uma, Role.ADMIN)):
        with acting(app, actor):
            user = db.session.scalars(select(User).where(User.id == uma.id)).one()
            user.role = role

            with pytest.raises(NotAllowed):
                db.session.flush()
            db.session.rollback()


def test_an_admin_cannot_create_an_organization(app: Flask, ada: Person) -> None:
    with acting(app, ada):
        db.session.add(Organization(name="Third", slug="third"))

        with pytest.raises(NotAllowed):
            db.session.flush()


# Soft delete


def test_deleted_rows_are_returned_on_request(app: Flask, cast: Cast) -> None:
    with acting(app, cast["ada"]):
        everybody = db.session.scalars(select(User.email), execution_options={"with_deleted": True})

        assert set(everybody) == {*OWN, "gil@example.com"}
        assert db.session.get(User, cast["gil"].id) is None


def test_requesting_deleted_rows_does_not_include_other_tenants(app: Flask, cast: Cast) -> None:
    with acting(app, cast["bea"]):
        everybody = db.session.scalars(select(User.email), execution_options={"with_deleted": True})

        assert set(everybody) == {"bea@example.com"}


def test_requesting_all_tenants_does_not_include_deleted_rows(app: Flask, cast: Cast) -> None:
    with acting(app, cast["ada"]):
        everybody = set(db.session.scalars(select(User.email), execution_options={"all_tenants": True}))

        assert everybody == {"root@example.com", "bea@example.com", *OWN}


def test_outer_joins_from_people_of_a_deleted_organization_find_nothing(app: Flask, build: Builder) -> None:
    gone = build.tenant("Gone", deleted_at=now())
    build.person("otto@example.com", tenant=gone)
    statement = select(User.email, Organization.name).outerjoin(Organization, Organization.id == User.organization_id)

    with acting(app):
        assert db.session.execute(statement).all() == [("otto@example.com", None)]  # type: ignore[comparison-overlap]


def test_every_model_is_scoped_whenever_it_was_imported(app: Flask, ada: Person) -> None:
    """Some statements are scoped while modules are imported, before all models are known."""
    models = [mapper.class_ for mapper in Base.registry.mappers]
    with acting(app, ada):
        for model in models:
            statement = str(scoped(db.session(), select(literal(1)).select_from(model), {}).compile(db.engine))
            assert ("deleted_at IS NULL" in statement) >= issubclass(model, SoftDeletable), model
            assert ("scoped_" in statement) >= issubclass(model, TenantOwned), model
