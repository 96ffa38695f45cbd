"""The number of people in each team: kept by triggers whatever changes, and shown, sorted and hidden as lists do."""

from __future__ import annotations

import re
import threading
import uuid
from random import Random
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select, text

from portal.core.actor import Role
from portal.core.batch import create_many
from portal.core.clock import now
from portal.core.db import command, db
from portal.organizations.models import SizeChange
from portal.teams.models import Team, TeamMember
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient

# Read without what the triggers keep: everybody who can sign in, and those whom the tenant sees.
COUNTED = """
SELECT t.id, count(u.id), count(u.id) FILTER (WHERE u.role <> 'SUPER_ADMIN')
FROM teams t LEFT JOIN team_members m ON m.team_id = t.id LEFT JOIN users u ON u.id = m.user_id
    AND u.is_active AND u.deleted_at IS NULL AND (u.invited_at IS NULL OR u.accepted_at IS NOT NULL)
GROUP BY t.id
"""
SIZES = "SELECT team_id, people, seen FROM team_sizes"
ORGANIZATIONS = """
SELECT count(*) FROM organization_sizes s WHERE people <> (SELECT count(*) FROM users u
    WHERE u.organization_id = s.organization_id AND is_active AND deleted_at IS NULL
    AND (invited_at IS NULL OR accepted_at IS NOT NULL))
"""
JOIN = """INSERT INTO team_members (team_id, user_id, organization_id)
    SELECT t.id, u.id, t.organization_id FROM users u JOIN teams t ON t.organization_id = u.organization_id
    JOIN organizations o ON o.id = t.organization_id
    WHERE {some} AND t.deleted_at IS NULL AND u.deleted_at IS NULL AND o.deleted_at IS NULL ON CONFLICT DO NOTHING"""
CHANGES = (
    *[JOIN] * 4,
    "INSERT INTO users (email, role, organization_id, is_active, invited_at)"
    " SELECT gen_random_uuid() || '@example.com', (ARRAY['USER', 'ADMIN', 'SUPER_ADMIN']::\"Role\"[])[1 + n % 3],"
    " {place}, n % 3 > 0, CASE WHEN n % 5 = 0 THEN now() END FROM generate_series(1, 20) n",
    "INSERT INTO teams (organization_id, name) SELECT {place}, gen_random_uuid() FROM generate_series(1, 2)",
    "DELETE FROM team_members USING users u WHERE u.id = user_id AND {some}",
    "UPDATE users u SET is_active = NOT is_active WHERE {some}",
    "UPDATE users u SET role = CASE role WHEN 'USER' THEN 'SUPER_ADMIN' ELSE 'USER' END::\"Role\" WHERE {some}",
    "UPDATE users u SET organization_id = {place} WHERE {some}",
    "UPDATE users u SET organization_id = {place}, is_active = NOT is_active, deleted_at = NULL WHERE {some}",
    "UPDATE users u SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END WHERE {some}",
    "UPDATE users u SET accepted_at = now(), first_name = 'Ada' WHERE {some}",
    "UPDATE users u SET last_sign_in_at = now() WHERE {some}",
    "UPDATE teams SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END WHERE organization_id = {place}",
    "UPDATE organizations SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END WHERE id = {place}",
    "DELETE FROM users u WHERE {some}",
    "DELETE FROM teams WHERE id = (SELECT id FROM teams ORDER BY id LIMIT 1)",
)


def sizes(statement: str = SIZES) -> dict[Any, tuple[int, int]]:
    return {key: (people, seen) for key, people, seen in db.session.execute(text(statement))}


def assert_right() -> None:
    assert sizes() == sizes(COUNTED)
    assert db.session.scalar(text(ORGANIZATIONS)) == 0
    assert db.session.scalar(select(SizeChange.id).limit(1)) is None


@pytest.mark.parametrize("seed", range(4))
def test_sizes_follow_every_statement(app: Flask, acme: Tenant, birch: Tenant, seed: int) -> None:
    random = Random(seed)  # noqa: S311 -- repeatable
    with acting(app):
        db.session.execute(text(CHANGES[4].format(place=f"'{acme.id}'")))
        db.session.execute(text(CHANGES[5].format(place=f"'{acme.id}'")))
        db.session.execute(text(JOIN.format(some="true")))
        db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        assert_right()
        assert {people for people, _ in sizes().values()} == {11}
        db.session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        for _ in range(40):
            place = random.choice([f"'{acme.id}'", f"'{birch.id}'"])
            some = f"left(md5(u.email || '{random.random()}'), 1) < '{random.choice('158')}'"
            change = random.choice(CHANGES).format(place=place, some=some)
            db.session.execute(text(change))
            if random.random() < 0.5:
                db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
                assert_right()
                db.session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        assert_right()
        db.session.execute(text("DELETE FROM organizations"))
        assert sizes() == {}


def filled(app: Flask, *tenants: Tenant, people: int) -> list[uuid.UUID]:
    """Two teams for each tenant, each with everybody of it, one of whom is a SUPER_ADMIN; the keys of the teams."""

    @command
    def fill() -> None:
        for one in tenants:
            create_many(
                User,
                [
                    {
                        "email": f"{uuid.uuid4()}@example.com",
                        "organization_id": one.id,
                        "role": Role.USER if number else Role.SUPER_ADMIN,
                    }
                    for number in range(people)
                ],
            )
            create_many(Team, [{"name": name, "organization_id": one.id} for name in ("Drivers", "Pilots")])
        db.session.execute(text(JOIN.format(some="true")))

    with acting(app):
        fill()
        return list(db.session.scalars(select(Team.id).order_by(Team.id)))


def test_many_changes_in_one_transaction_are_applied_in_one_pass(fresh_app: Flask) -> None:
    """A pass for each of n changes would visit those that earlier passes removed: n * n / 2 visits."""
    looked = text("SELECT idx_scan + seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'size_changes'")
    filled(fresh_app, Builder(fresh_app).tenant("Acme"), people=24)
    with acting(fresh_app):
        for key in db.session.scalars(select(User.id)).all():
            db.session.execute(text("UPDATE users SET is_active = NOT is_active WHERE id = :key"), {"key": key})
        before = db.session.scalar(looked)
        db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        assert db.session.scalar(looked) == before + 1
        db.session.execute(text("UPDATE users SET is_active = NOT is_active"))
        db.session.commit()
        assert_right()


def test_commits_at_the_same_time_neither_lose_numbers_nor_wait_in_a_circle(
    fresh_app: Flask, fresh_database: str
) -> None:
    """Each writer changes people of both organizations, and members of their teams, in another order."""
    build = Builder(fresh_app)
    teams = filled(fresh_app, build.tenant("Acme"), build.tenant("Birch"), people=24)
    address = fresh_database.replace("postgresql+psycopg", "postgresql")
    deadlocks: list[Exception] = []
    writers = 4
    both_wrote = threading.Barrier(writers)

    def write(number: int) -> None:
        with psycopg.connect(address) as connection:
            keys = [key for (key,) in connection.execute("SELECT id FROM users ORDER BY email")]
            own = keys[number::writers]
            ways = [own, own[::-1]][number % 2]
            for turn in range(6):
                try:
                    for at in range(turn % 2, len(ways), 2):
                        if at % 3:
                            connection.execute("UPDATE users SET is_active = NOT is_active WHERE id = %s", [ways[at]])
                        else:
                            connection.execute("DELETE FROM team_members WHERE user_id = %s", [ways[at]])
                        connection.execute(
                            "INSERT INTO users (email, organization_id) SELECT gen_random_uuid() || '@example.com',"
                            " organization_id FROM teams WHERE id = %s",
                            [teams[(at + number) % len(teams)]],
                        )
                    both_wrote.wait(60)  # all commit at once
                    connection.commit()
                except psycopg.Error as error:
                    deadlocks.append(error)
                    connection.rollback()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert deadlocks == []
    with acting(fresh_app):
        assert_right()


def test_a_removed_link_of_a_person_who_changes_meanwhile_counts_once(fresh_app: Flask, fresh_database: str) -> None:
    team, _ = filled(fresh_app, Builder(fresh_app).tenant("Acme"), people=3)
    address = fresh_database.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(address) as one, psycopg.connect(address) as other:
        (user,) = one.execute("SELECT id FROM users WHERE role = 'USER' LIMIT 1").fetchone() or ("",)
        one.execute("DELETE FROM team_members WHERE team_id = %s AND user_id = %s", [team, user])
        deactivating = threading.Thread(
            target=lambda: other.execute("UPDATE users SET is_active = false WHERE id = %s", [user])
        )
        deactivating.start()
        deactivating.join(0.2)
        one.commit()
        deactivating.join(60)
        other.commit()
    with acting(fresh_app):
        assert_right()
        assert sizes()[team] == (2, 1)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_each_role_sees_and_sorts_by_the_number_of_people_it_sees(
    client: PageClient, sign_in: SignIn, app: Flask, acme: Tenant, ada: Person, uma: Person, root: Person,
    build: Builder, role: Role,
) -> None:  # fmt: skip
    seat = build.person("seat@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    with acting(app):
        members = {"Empty": [], "Two": [ada, uma], "Hidden": [seat], "Most": [ada, seat, uma]}
        keys = dict(zip(members, create(acme, *members), strict=True))
        for name, people in members.items():
            db.session.add_all(
                TeamMember(team_id=keys[name], user_id=one.id, organization_id=acme.id) for one in people
            )
        db.session.commit()
        db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        db.session.commit()
    sign_in(ada if role is Role.ADMIN else root)

    numbers = numbers_in(client.get("/teams/").text)
    shown = {name: numbers[str(key)] for name, key in keys.items()}
    sees_all = role is Role.SUPER_ADMIN
    assert shown == {"Empty": "0", "Two": "2", "Hidden": "1" if sees_all else "0", "Most": "3" if sees_all else "2"}
    for query, is_down in (("?sort=people", False), ("?sort=-people", True)):
        page = client.get(f"/teams/{query}").text
        order = [int(one) for one in numbers_in(page).values()]
        assert order == sorted(order, reverse=is_down) and len(order) == 4
    assert "sort=people" in client.get("/teams/").text


@command
def create(tenant: Tenant, *names: str) -> list[uuid.UUID]:
    return [create_many(Team, [{"name": name, "organization_id": tenant.id}])[0] for name in names]


def numbers_in(page: str) -> dict[str, str]:
    """The shown number of people by the team's key, in the order of the page."""
    rows = r'<tr>.*?value="([0-9a-f-]{36})".*?data-as="People" class="number">(?:<a[^>]*>)?([^<]+)'
    return dict(re.findall(rows, page, re.DOTALL))


def test_teams_of_deleted_organizations_show_nobody_and_come_first(
    client: PageClient, sign_in: SignIn, app: Flask, root: Person, build: Builder
) -> None:
    gone, open_ = build.tenant("Gone"), build.tenant("Open")
    filled(app, gone, open_, people=3)
    with acting(app):
        for change in ("UPDATE teams SET deleted_at = now()", "UPDATE organizations SET deleted_at = now()"
                       " WHERE name = 'Gone'", "SET CONSTRAINTS ALL IMMEDIATE"):  # fmt: skip
            db.session.execute(text(change))
        db.session.commit()
    sign_in(root)

    for query, expected in (("sort=people", ["0", "0", "3", "3"]), ("sort=-people", ["3", "3", "0", "0"])):
        page = client.get(f"/teams/?status=deleted&{query}").text
        assert list(numbers_in(page).values()) == expected


def test_tenants_read_only_their_own_sizes_without_super_admins(
    app: Flask, acme: Tenant, birch: Tenant, ada: Person
) -> None:
    filled(app, acme, birch, people=3)
    with acting(app):
        db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        db.session.commit()
    with acting(app, ada):
        assert db.session.execute(text("SELECT DISTINCT organization_id, seen FROM team_sizes")).all() == [(acme.id, 3)]
        for statement in (
            "SELECT people FROM team_sizes", "UPDATE team_sizes SET seen = 0", "DELETE FROM team_sizes",
            "SELECT active_role FROM team_members", "UPDATE team_members SET active_role = 'ADMIN'",
            "SELECT * FROM size_changes",
            "INSERT INTO team_members (team_id, user_id, organization_id, active_role)"
            " SELECT t.id, u.id, t.organization_id, 'ADMIN' FROM teams t CROSS JOIN users u LIMIT 1",
        ):  # fmt: skip
            with pytest.raises(Exception, match="permission denied"), db.session.begin_nested():
                db.session.execute(text(statement))


def test_wrong_sizes_are_noticed_and_counted_again(app: Flask, acme: Tenant) -> None:
    filled(app, acme, people=3)
    with acting(app):

        @command
        def load() -> None:
            db.session.execute(text("ALTER TABLE users DISABLE TRIGGER team_sizes"))
            db.session.execute(text("UPDATE users SET deleted_at = :at WHERE role = 'USER'"), {"at": now()})
            db.session.execute(text("ALTER TABLE users ENABLE TRIGGER team_sizes"))
            db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

        load()
    noticed = "2 teams have another size than number of people: run `flask users recount`."
    assert noticed in app.test_cli_runner().invoke(args=["doctor"]).output
    assert app.test_cli_runner().invoke(args=["users", "recount"]).output == "Counted everybody.\n"
    assert noticed not in app.test_cli_runner().invoke(args=["doctor"]).output
    with acting(app):
        assert_right()
