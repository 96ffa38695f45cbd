"""The data of the isolation self-test: two temporary tenants, and what must not show of the second one."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from flask import Flask
from sqlalchemy import Column, Table, TextClause, Uuid, or_, select, text

from portal.core import history
from portal.core.actor import SYSTEM, Actor, Origin, Role, come_from, leave
from portal.core.batch import create_many
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.keys import uuid7
from portal.core.models import Base, TenantOwned
from portal.organizations.models import Organization
from portal.tokens.commands import Lifetime, open_session
from portal.tokens.models import ApiToken
from portal.tokens.rotation import open_client_session
from portal.users import passwords
from portal.users.commands import users
from portal.users.models import User

Pair = tuple[str, str]
Dump = dict[str, list[tuple[Any, ...]]]
TEST_NETWORK = "192.0.2.1"  # reserved for documentation (RFC 5737), so no visitor has it
DAY = Lifetime(timedelta(days=1), timedelta(days=1))
PEOPLE = ("admin", "user", "deleted")
KINDS = {
    "xname": "the name of an organization",
    "xslug": "the slug of an organization",
    "xmail": "the email of a person",
    "xfirst": "the name of a person",
    "xagent": "the browser of a person",
    "xtoken": "the API token of a person",
}


class NoSamples(Exception):
    """Tenant-owned models without a row of the other tenant, which the check would miss."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            f"There is no sample data for {', '.join(sorted(names))}, so the check can't tell whether organizations see"
            " each other's rows. Add some in portal/isolation/stage.py."
        )


@dataclass(frozen=True)
class Stage:
    """The data for the walk. Every text of the other tenant contains a word to search for and a canary.

    `marks` must never show, each with its kind; `keys` are those that can be part of a URL. `words`, `references` and
    `emails` are sent, each beside one that nobody has. `rows` are the other tenant's.
    """

    email: str
    password: str
    own_word: str
    own_keys: tuple[str, ...]
    keys: tuple[str, ...]
    marks: dict[str, str]
    rows: frozenset[uuid.UUID]
    words: tuple[Pair, ...]
    references: tuple[Pair, ...]
    emails: tuple[Pair, ...]

    def prints(self, app: Flask) -> dict[str, str | None]:
        """The current rows of the other tenant by table, read in one statement, for comparison."""
        with app.app_context(), acting_as(SYSTEM):
            return {name: texts for name, texts in db.session.execute(_texts(), {"keys": list(self.rows)})}


@dataclass(frozen=True)
class Tenant:
    """An organization and its people, by their part."""

    id: uuid.UUID
    people: dict[str, uuid.UUID]
    emails: dict[str, str]


@dataclass(frozen=True)
class Words:
    """The parts of a tenant's texts: one to search for, and one that must not show unless it is sent."""

    plain: str
    canary: str


def set_up(app: Flask) -> Stage:
    """Create both tenants, and somebody of the first whom its ADMIN must not see. The caller rolls back."""
    own, foreign = (Words(*(f"{kind}{secrets.token_hex(8)}" for kind in ("word", "canary"))) for _ in range(2))
    password = secrets.token_urlsafe(24)
    with app.app_context(), acting_as(SYSTEM):
        mine = _people(_organization(own), own, PEOPLE, passwords.hash_password(password))
    origin = come_from(Origin("", TEST_NETWORK, f"{foreign.canary}xagent"))
    try:
        with app.app_context(), acting_as(SYSTEM):
            other = _people(_organization(foreign), foreign, PEOPLE, None)
            hidden = _people(mine.id, foreign, ("hidden",), None)
        _act(app, Actor(hidden.people["hidden"], Role.SUPER_ADMIN, mine.id), mine.people["user"])
        _act(app, Actor(other.people["admin"], Role.ADMIN, other.id), other.people["user"])
    finally:
        leave(origin)
    rows = frozenset({other.id, *other.people.values(), *hidden.people.values()})
    known = {str(key) for key in rows}
    ours = {
        key: kind for key, kind in _keys(rows_about(app, {mine.id, *mine.people.values()})).items() if key not in known
    }
    dump = rows_about(app, rows)
    if lacking := [name for name, table in tenant_owned().items() if not dump.get(table)]:
        raise NoSamples(lacking)
    theirs = {key: kind for key, kind in _keys(dump).items() if key not in ours}
    return Stage(
        email=mine.emails["admin"],
        password=password,
        own_word=own.plain,
        own_keys=_to_try(ours, {mine.id, *mine.people.values()}),
        keys=_to_try(theirs, rows),
        marks={**{f"{foreign.canary}{suffix}": kind for suffix, kind in KINDS.items()}, **theirs},
        rows=rows,
        **_sent(other, [*other.emails.values(), *hidden.emails.values()], foreign),
    )


def tenant_owned() -> dict[str, str]:
    """The tables of all tenant-owned models, by model name."""
    mappers = [one for one in Base.registry.mappers if issubclass(one.class_, TenantOwned)]
    return {one.class_.__name__: one.local_table.description for one in mappers}


def _sent(other: Tenant, emails: Iterable[str], foreign: Words) -> dict[str, tuple[Pair, ...]]:
    """Values of the other tenant, each beside a similar one that nobody has."""
    nobodys = Words(f"word{secrets.token_hex(8)}", f"canary{secrets.token_hex(8)}")
    ids = (other.id, other.people["user"])
    return {
        "words": ((foreign.plain, nobodys.plain),),
        "references": (*((str(key), str(uuid7())) for key in ids), (_slug(foreign), _slug(nobodys))),
        "emails": tuple((email, f"{number}.{nobodys.canary}@example.com") for number, email in enumerate(emails)),
    }


def _slug(words: Words) -> str:
    return f"{words.plain}-{words.canary}xslug"


@command
def _organization(words: Words) -> uuid.UUID:
    return create_many(Organization, [{"name": f"{words.plain} {words.canary}xname", "slug": _slug(words)}])[0]


@command
def _people(home: uuid.UUID, words: Words, who: Iterable[str], hashed: str | None) -> Tenant:
    """People who signed in once; only those with a hash can do so again."""
    tenant = Tenant(home, {}, {})
    for one in who:
        key, email = uuid7(), f"{words.plain}{one}.{words.canary}xmail@example.com"
        role = {"admin": Role.ADMIN, "hidden": Role.SUPER_ADMIN}.get(one, Role.USER)
        row = {"id": key, "email": email, "first_name": f"{words.plain} {words.canary}xfirst", "role": role}
        gone = now() if one == "deleted" else None
        create_many(User, [{**row, "organization_id": home, "password": hashed, "deleted_at": gone}])
        open_session(key, home, lifetime=DAY)
        open_client_session(key, home, lifetime=DAY)
        create_many(ApiToken, [_api_token(key, home, words)])
        history.record("sign_in", by=Actor(key, role, home), about=key)
        tenant.people[one], tenant.emails[one] = key, email
    return tenant


def _api_token(person: uuid.UUID, home: uuid.UUID, words: Words) -> dict[str, Any]:
    token = secrets.token_hex(16)
    given = {"token": token, "name": f"{words.plain} {words.canary}xtoken", "beginning": f"{words.canary}xtoken"}
    return {**given, "user_id": person, "organization_id": home, "scopes": [], "expires_at": now() + timedelta(days=1)}


def _act(app: Flask, actor: Actor, person: uuid.UUID) -> None:
    """Leave the actor's traces on a row."""
    with app.app_context(), acting_as(actor):
        users.update(person, 1, {"last_name": "Changed"})


def _keys(dump: Dump) -> dict[str, str]:
    """Every UUID in these rows with its column, preferably the table's key."""
    found = [
        (not column.primary_key, str(value), f"a key ({column.name} of {table})")
        for table, rows in dump.items()
        for row in rows
        for column, value in zip(db.metadata.tables[table].columns, row, strict=True)
        if isinstance(value, uuid.UUID)
    ]
    return {value: kind for _, value, kind in sorted(found, reverse=True)}


def _to_try(keys: dict[str, str], always: Iterable[uuid.UUID]) -> tuple[str, ...]:
    """These keys, and one of every other kind."""
    one_of_each = {kind: key for key, kind in keys.items()}
    return tuple({**dict.fromkeys(map(str, always)), **dict.fromkeys(one_of_each.values())})


@cache
def _texts() -> TextClause:
    """For each table the text of all rows that name one of `:keys`."""
    parts = []
    for table in db.metadata.sorted_tables:
        if named := [f"{column.name} = ANY (:keys)" for column in _indexed(table)]:
            texts = f"SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM {table} t WHERE {' OR '.join(named)}"  # noqa: S608
            parts.append(f"SELECT '{table.name}', ({texts})")
    return text(" UNION ALL ".join(parts))


def rows_about(app: Flask, keys: Iterable[uuid.UUID]) -> Dump:
    """The rows of every table that name one of these keys, found by indexes alone: a live table may be large."""
    wanted = list(keys)
    dump: Dump = {}
    with app.app_context(), acting_as(SYSTEM):
        for table in db.metadata.sorted_tables:
            if conditions := [column.in_(wanted) for column in _indexed(table)]:
                statement = select(table).where(or_(*conditions)).order_by(*table.primary_key)
                dump[table.name] = [tuple(row) for row in db.session.execute(statement)]
    return dump


def _indexed(table: Table) -> Iterator[Column[Any]]:
    """The key columns that begin an index over the whole table."""
    whole = [index for index in table.indexes if index.dialect_options["postgresql"]["where"] is None]
    for column in (*list(table.primary_key)[:1], *(index.expressions[0] for index in whole)):
        if isinstance(column, Column) and isinstance(column.type, Uuid):
            yield column
