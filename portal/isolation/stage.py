"""The data of the isolation self-test: two temporary tenants, and the values of the second that must never show."""

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

from portal.auth.actions import SIGN_IN
from portal.core import history
from portal.core.actor import SYSTEM, Actor, Origin, Role, bind_origin, unbind_origin
from portal.core.batch import create_many
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.keys import uuid7
from portal.core.models import Base, TenantOwned
from portal.imports.models import Import, ImportPart, ImportRow
from portal.jobs.models import Job
from portal.organizations.resource import SLUG_SAMPLE
from portal.resources.relation import by_references
from portal.resources.samples import SampleTenant, Texts
from portal.tokens.commands import Lifetime, open_session
from portal.tokens.models import ApiToken
from portal.tokens.rotation import open_client_session
from portal.users import passwords
from portal.users.commands import users
from portal.users.resource import email_sample

Pair = tuple[str, str]
Dump = dict[str, list[tuple[Any, ...]]]
FILE = {"encoding": "utf-8", "delimiter": ",", "header": 1, "total": 1, "headings": ["Email"], "fields": ["email"]}
TEST_NETWORK = "192.0.2.1"  # reserved for documentation (RFC 5737), so no visitor has it
DAY = Lifetime(timedelta(days=1), timedelta(days=1))
PEOPLE = ("admin", "user", "deleted")


class NoSamples(Exception):
    """Tenant-owned models have no sample row of the other tenant, so the check would miss them."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            f"There is no sample data for {', '.join(sorted(names))}, so the check can't find out whether organizations"
            " see each other's rows. Add some: see `samples` in portal/resources/resource.py. An index that begins with"
            " their organization has to find them."
        )


@dataclass(frozen=True)
class Stage:
    """The data for the walk. Every text of the other tenant contains a word to search for, and a canary.

    `marks` are texts that must never show, with their kind; `keys` can be part of a URL. `words`, `references` and
    `emails` are sent, each paired with a value that nobody has. `rows` are the other tenant's.
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
        """The current rows of the other tenant by table, read in one statement, to detect changes."""
        with app.app_context(), acting_as(SYSTEM):
            return {name: texts for name, texts in db.session.execute(_texts(), {"keys": list(self.rows)})}


def set_up(app: Flask) -> Stage:
    """Create both tenants, and a person of the first whom its ADMIN must not see. The caller rolls back."""
    own, foreign = _new_texts(), _new_texts()
    password = secrets.token_urlsafe(24)
    with app.app_context(), acting_as(SYSTEM):
        mine = _filled(_tenant(uuid7(), own, PEOPLE, passwords.hash_password(password)))
    origin = bind_origin(Origin("", TEST_NETWORK, foreign.mark("the browser of a person")))
    try:
        with app.app_context(), acting_as(SYSTEM):
            other = _filled(_tenant(uuid7(), foreign, PEOPLE, None))
            hidden = _filled(_tenant(mine.id, foreign, ("hidden",), None), "users")
        _act(app, Actor(hidden.people["hidden"], Role.SUPER_ADMIN, mine.id), mine.people["user"])
        _act(app, Actor(other.people["admin"], Role.ADMIN, other.id), other.people["user"])
    finally:
        unbind_origin(origin)
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
        email=email_sample(own, "admin"),
        password=password,
        own_word=own.word,
        own_keys=_to_try(ours, {mine.id, *mine.people.values()}),
        keys=_to_try(theirs, rows),
        marks={**{mark: kind for kind, mark in foreign.marks.items()}, **theirs},
        rows=rows,
        **_sent(other, foreign),
    )


def _new_texts() -> Texts:
    return Texts(f"word{secrets.token_hex(8)}", f"canary{secrets.token_hex(8)}")


def _tenant(home: uuid.UUID, texts: Texts, who: Iterable[str], hashed: str | None) -> SampleTenant:
    return SampleTenant(home, {one: uuid7() for one in who}, texts, hashed)


def tenant_owned() -> dict[str, str]:
    """The tables of all tenant-owned models, by model name."""
    mappers = [one for one in Base.registry.mappers if issubclass(one.class_, TenantOwned)]
    return {one.class_.__name__: one.local_table.description for one in mappers}


def _sent(other: SampleTenant, foreign: Texts) -> dict[str, tuple[Pair, ...]]:
    """Values of the other tenant, each paired with a similar one that nobody has."""
    nobodys = _new_texts()
    ids = (other.id, other.people["user"])
    emails = [(email_sample(foreign, who), email_sample(nobodys, who)) for who in (*PEOPLE, "hidden")]
    return {
        "words": ((foreign.word, nobodys.word),),
        "references": (
            *((str(key), str(uuid7())) for key in ids),
            (foreign.slug(SLUG_SAMPLE), nobodys.slug(SLUG_SAMPLE)),
        ),
        "emails": tuple(emails),
    }


@command
def _filled(tenant: SampleTenant, *only: str) -> SampleTenant:
    """Create the tenant's rows of all or some resources, referenced ones first."""
    for resource in by_references():
        if not only or resource.name in only:
            for model, row in resource.samples(tenant):
                create_many(model, [row])
    for who, person in tenant.people.items():
        _sign_in(tenant, who, person)
    return tenant


def _sign_in(tenant: SampleTenant, who: str, person: uuid.UUID) -> None:
    """Create the rows of a person who has signed in: sessions, an API token and an event."""
    open_session(person, tenant.id, lifetime=DAY)
    home = None if who == "hidden" else tenant.id  # tenants don't see what SUPER_ADMINs do
    create_many(Job, [_job(person, home, tenant.texts)])
    for key in create_many(Import, [_import(person, home, tenant.texts)]):
        db.session.add(ImportRow(**_import_row(key, home, tenant.texts)))
        db.session.add(ImportPart(import_id=key, number=1, organization_id=home, content=_file(tenant.texts)))
    open_client_session(person, tenant.id, lifetime=DAY)
    create_many(ApiToken, [_api_token(person, tenant)])
    role = {"admin": Role.ADMIN, "hidden": Role.SUPER_ADMIN}.get(who, Role.USER)
    history.record(SIGN_IN, by=Actor(person, role, tenant.id), about=person)


def _job(person: uuid.UUID, home: uuid.UUID | None, texts: Texts) -> dict[str, Any]:
    title = texts.phrase("the title of a job")
    return {"owner_id": person, "organization_id": home, "kind": "sample", "title": title, "state": "done"}


def _import(person: uuid.UUID, home: uuid.UUID | None, texts: Texts) -> dict[str, Any]:
    name = texts.phrase("the name of an imported file")
    owned = {"owner_id": person, "organization_id": home}
    return {**owned, "name": name, "state": "checked", **FILE}


def _file(texts: Texts) -> bytes:
    return f"Email\n{texts.phrase('a cell of an imported file')}\n".encode()


def _import_row(import_id: uuid.UUID, home: uuid.UUID | None, texts: Texts) -> dict[str, Any]:
    row = {"text": texts.phrase("a cell of an imported file"), "verdict": "refused"}
    return {"import_id": import_id, "number": 1, "line": 2, "organization_id": home, **row}


def _api_token(person: uuid.UUID, tenant: SampleTenant) -> dict[str, Any]:
    token = secrets.token_hex(16)
    kind = "the API token of a person"
    given = {"token": token, "name": tenant.texts.phrase(kind), "beginning": tenant.texts.mark(kind)}
    owned = {"user_id": person, "organization_id": tenant.id}
    return {**given, **owned, "scopes": [], "expires_at": now() + timedelta(days=1)}


def _act(app: Flask, actor: Actor, person: uuid.UUID) -> None:
    """Change a row, so that its stamps and history name the actor."""
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
    """The keys in `always`, and one of every other kind."""
    one_of_each = {kind: key for key, kind in keys.items()}
    return tuple({**dict.fromkeys(map(str, always)), **dict.fromkeys(one_of_each.values())})


@cache
def _texts() -> TextClause:
    """A statement for the text of all rows, by table, that contain one of `:keys`."""
    parts = []
    for table in db.metadata.sorted_tables:
        if named := [f"{column.name} = ANY (:keys)" for column in indexed(table)]:
            texts = f"SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM {table} t WHERE {' OR '.join(named)}"  # noqa: S608
            parts.append(f"SELECT '{table.name}', ({texts})")
    return text(" UNION ALL ".join(parts))


def rows_about(app: Flask, keys: Iterable[uuid.UUID]) -> Dump:
    """The rows of every table that contain one of these keys, looked up only by index: a live table may be large."""
    wanted = list(keys)
    dump: Dump = {}
    with app.app_context(), acting_as(SYSTEM):
        for table in db.metadata.sorted_tables:
            if conditions := [column.in_(wanted) for column in indexed(table)]:
                statement = select(table).where(or_(*conditions)).order_by(*table.primary_key)
                dump[table.name] = [tuple(row) for row in db.session.execute(statement)]
    return dump


def indexed(table: Table) -> Iterator[Column[Any]]:
    """The UUID columns that are the first column of an index over the whole table."""
    whole = [index for index in table.indexes if index.dialect_options["postgresql"]["where"] is None]
    for column in (*list(table.primary_key)[:1], *(index.expressions[0] for index in whole)):
        if isinstance(column, Column) and isinstance(column.type, Uuid):
            yield column
