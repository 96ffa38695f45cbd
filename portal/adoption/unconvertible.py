"""Find rows of the former backend that can't be converted as they are, and describe how they are changed."""

# ruff: noqa: S608 -- the statements are made of constants alone
from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from portal.adoption.prisma import TABLES
from portal.core.actor import Role
from portal.core.email_addresses import lookup_email

SHOWN = 3
UUID = "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"
BCRYPT = "^[$]2[abxy]?[$][0-9]{2}[$][./A-Za-z0-9]{53}$"
FIRST, LAST = "0001-01-02", "9999-12-30"
# Values that match only have to be lowercased; others are converted one by one.
PLAIN_EMAIL = "^[a-z0-9_+-]+([.][a-z0-9_+-]+)*@([a-z0-9]+[.-])+[a-z0-9]+$"
PLAIN_SLUG = "^[a-z0-9-]+$"
ALIKE = "differ only in case or Unicode form"
OUR_SLUG = "^[a-z0-9]+(-[a-z0-9]+)*$"


@dataclass(frozen=True)
class Unconvertible:
    """A kind of row that can't be converted as it is, with some examples."""

    what: str
    many: int
    examples: tuple[str, ...]
    blocks: bool


@dataclass(frozen=True)
class Spelling:
    """The canonical form of emails and slugs for which lowercasing isn't enough."""

    emails: Mapping[str, str] = field(default_factory=dict)
    slugs: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, list[str]]:
        return {
            "emails": list(self.emails), "emails_new": list(self.emails.values()),
            "slugs": list(self.slugs), "slugs_new": list(self.slugs.values()),
        }  # fmt: skip


def lowered(column: str) -> str:
    return f'lower({column}::text COLLATE "C")'


def as_key(column: str) -> str:
    """A key cast to uuid; NULL if it isn't one."""
    return f"CASE WHEN {column}::text ~* '{UUID}' THEN {column}::text::uuid END"


def people(schema: str = "public") -> str:
    """The former users with `address`: the canonical email."""
    return (
        f"(SELECT u.*, coalesce(s.new, {lowered('u.email')}) AS address FROM {schema}.users u"
        " LEFT JOIN unnest(%(emails)s::text[], %(emails_new)s::text[]) s(old, new) ON s.old = u.email)"
    )


def organizations(schema: str = "public") -> str:
    """The former organizations with `short`: the canonical slug."""
    return (
        f"(SELECT o.*, coalesce(s.new, {lowered('o.slug')}) AS short FROM {schema}.organizations o"
        " LEFT JOIN unnest(%(slugs)s::text[], %(slugs_new)s::text[]) s(old, new) ON s.old = o.slug)"
    )


def spelling_of(connection: Connection) -> Spelling:
    emails = _odd(connection, "users", "email", PLAIN_EMAIL)
    slugs = _odd(connection, "organizations", "slug", PLAIN_SLUG)
    return Spelling({one: lookup_email(one) for one in emails}, {one: canonical_slug(one) for one in slugs})


def canonical_slug(slug: str) -> str:
    return unicodedata.normalize("NFKC", slug).strip().lower()


def _odd(connection: Connection, table: str, column: str, plain: str) -> list[str]:
    query = f"SELECT {column} FROM {table} WHERE {lowered(column)} !~ %s"
    return list(connection.exec_driver_sql(query, (plain,)).scalars())


def unconvertible(connection: Connection, spelling: Spelling) -> list[Unconvertible]:
    """Rows that prevent an adoption, and rows that it changes. Empty if all rows can be converted as they are."""
    found = []
    for what, query, blocks in every_check():
        rows = connection.exec_driver_sql(counted(query), spelling.parameters).all()
        if rows:
            found.append(Unconvertible(what, rows[0][1], tuple(str(one) for one, _ in rows), blocks))
    return found


def every_check() -> Iterator[tuple[str, str, bool]]:
    """The description of each kind of row, its query, and whether it prevents an adoption."""
    yield from ((*one, True) for one in _blocking())
    yield from ((*one, False) for one in _repaired())


def counted(query: str) -> str:
    """Some examples, each with the number of all rows.

    Materialized, the query is planned for all its rows. With the LIMIT in it, PostgreSQL 15 would plan for the first
    few, and compare every token with every person.
    """
    return (
        f"WITH found(example) AS MATERIALIZED ({query})"
        f" SELECT example, (SELECT count(*) FROM found) FROM found LIMIT {SHOWN}"
    )


def _blocking() -> Iterator[tuple[str, str]]:
    for table, wanted in TABLES.items():
        yield f"ids of {table} that aren't UUIDs", f"SELECT id FROM {table} WHERE id::text !~* '{UUID}'"
        yield (
            f"ids of {table} that differ only in case",
            f"SELECT string_agg(id::text, ' and ') FROM {table} GROUP BY {lowered('id')} HAVING count(*) > 1",
        )
        must = ", ".join(name for name, kind in wanted.items() if not kind.endswith("?"))
        yield (
            f"rows of {table} without a required value",
            f"SELECT coalesce(id::text, 'one without an id') FROM {table} WHERE num_nulls({must}) > 0",
        )
        moments = (name for name, kind in wanted.items() if kind.startswith("moment"))
        beyond = " OR ".join(f"{name} NOT BETWEEN '{FIRST}' AND '{LAST}'" for name in moments)
        yield f"rows of {table} with a date outside the years 1 to 9999", f"SELECT id FROM {table} WHERE {beyond}"
    roles = ", ".join(f"'{role.name}'" for role in Role)
    yield "unknown roles", f"SELECT DISTINCT role FROM users WHERE role::text NOT IN ({roles})"
    yield f"emails of people who are not deleted that {ALIKE}", _alike("email", people(), "lower(address)")
    yield f"slugs of organizations that are not deleted that {ALIKE}", _alike("slug", organizations(), "short")


def _alike(column: str, rows: str, spelled: str) -> str:
    return (
        f"SELECT string_agg({column}, ' and ' ORDER BY {column}) FROM {rows} one WHERE deleted_at IS NULL"
        f" GROUP BY {spelled} HAVING count(*) > 1"
    )


def _repaired() -> Iterator[tuple[str, str]]:
    yield (
        "emails that will get their canonical form",
        f"SELECT email || ' as ' || address FROM {people()} one WHERE email <> address",
    )
    yield (
        "slugs that will be lowercased",
        f"SELECT slug || ' as ' || short FROM {organizations()} one WHERE slug <> short",
    )
    yield (
        "slugs that forms would refuse, which stay until they are changed",
        f"SELECT short FROM {organizations()} one WHERE short !~ '{OUR_SLUG}'",
    )
    for name in ("created_by", "updated_by"):
        yield (
            f"values of {name} that match no person and will become empty",
            f"SELECT u.{name} FROM users u WHERE {name} IS NOT NULL AND {_absent('users', f'u.{name}')}",
        )
    yield (
        "people whose organization is missing, who will belong to none",
        "SELECT u.email FROM users u WHERE organization_id IS NOT NULL AND "
        + _absent("organizations", "u.organization_id"),
    )
    yield (
        "refresh tokens without an owner, which will be left out",
        f"SELECT t.id FROM refresh_tokens t WHERE {_absent('users', 't.user_id')}",
    )
    yield (
        "refresh tokens with a different organization than their person, which will get the person's",
        "SELECT t.id FROM refresh_tokens t JOIN users u"
        f" ON {lowered('u.id')} = {lowered('t.user_id')}"
        " WHERE t.organization_id::text IS DISTINCT FROM u.organization_id::text",
    )
    yield (
        "people whose password is not a bcrypt hash, who need a new one to sign in",
        f"SELECT email FROM users WHERE password !~ '{BCRYPT}'",
    )


def _absent(table: str, column: str) -> str:
    return f"NOT EXISTS (SELECT FROM {table} there WHERE {lowered('there.id')} = {lowered(column)})"
