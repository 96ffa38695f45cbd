"""Create the first super administrator, or fill the database with demo data."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate, islice
from random import Random
from typing import Any

from sqlalchemy import select

from portal.core import history
from portal.core.actor import SYSTEM, Role
from portal.core.batch import IMPORT_TRIGGERS, create_many, without_triggers
from portal.core.clock import now
from portal.core.db import acting_as, command, copy_rows, db, without_time_limit
from portal.core.keys import uuid7
from portal.demo import DEMO_ACCOUNTS, DEMO_PASSWORD
from portal.demo_data import names
from portal.organizations.models import Organization, slug_of
from portal.resources.resource import resources
from portal.users import passwords, queries
from portal.users.models import User

SEED = 20_260_101
YEARS = 2
AT_ONCE = 100_000  # rows per COPY: its triggers keep them all in memory
ADMIN_EMAIL = "admin@example.com"
LATELY = timedelta(
    days=21
)  # people created since then who never signed in are invited; the invitation may have expired
GUESTS = (  # days since they were invited, and whether the invitation was revoked
    ("noor.halabi", "Noor", "Halabi", 0.2, False),
    ("tomas.brandt", "Tomás", "Brandt", 2.0, False),
    ("ines.moreau", "Inès", "Moreau", 5.0, False),
    ("viktor.salo", "Viktor", "Salo", 19.0, False),
    ("hana.kimura", "Hana", "Kimura", 3.0, True),
)
COLUMNS = (
    "id", "email", "first_name", "last_name", "role", "is_active", "email_verified",
    "organization_id", "created_at", "updated_at", "deleted_at", "last_sign_in_at", "password", "invited_at",
    "revoked_at",
)  # fmt: skip


def is_empty() -> bool:
    """Whether the database has never contained people."""
    with acting_as(SYSTEM):
        return db.session.scalar(select(User.id).limit(1), execution_options={"with_deleted": True}) is None


def ensure_super_admin(
    email: str, password: str | None, first_name: str | None = "Admin", last_name: str | None = "User"
) -> bool:
    """Create the super administrator unless the address is in use already; True if it was created."""
    with acting_as(SYSTEM):
        return _ensure_super_admin(email, password, first_name, last_name)


@command
def _ensure_super_admin(email: str, password: str | None, first_name: str | None, last_name: str | None) -> bool:
    if db.session.scalar(queries.by_email(email)) is not None:
        return False
    row = {"email": email, "first_name": first_name, "last_name": last_name, "role": Role.SUPER_ADMIN}
    hashed = passwords.hash_password(password) if password else None
    create_many(User, [{**row, "email_verified": True, "password": hashed}])
    return True


def seed_demo(people: int, *, with_sign_ins: bool = True, progress: Any = None) -> int:
    """Fill an empty database; the same people each time. Returns how many there are. `progress` wraps the iterator.

    The demo's accounts get their public password only `with_sign_ins`.
    """
    with acting_as(SYSTEM):
        return _seed_demo(people, with_sign_ins, progress or (lambda rows: rows))


@command
def _seed_demo(people: int, with_sign_ins: bool, progress: Any) -> int:
    """The rows keep their dates. Events can't have past dates, so a single one covers all rows (see batch.py)."""
    random = Random(SEED)  # noqa: S311 -- believable, not secret
    today = now()
    hashes = {email: passwords.hash_password(DEMO_PASSWORD) for _, email in DEMO_ACCOUNTS if with_sign_ins}
    with without_time_limit():
        connection = db.session.connection()
        organizations = list(_organizations(people, random, today))
        with without_triggers(connection, "organizations", IMPORT_TRIGGERS):
            create_many(Organization, organizations)
        rows = iter(progress(_people(people, random, today, organizations, hashes)))
        made = 0
        with without_triggers(connection, "users", IMPORT_TRIGGERS):
            while many := copy_rows("users", COLUMNS, islice(rows, AT_ONCE)):
                made += many
        others = {one.plural: f"{rows:,}" for one in resources().values() if (rows := one.demo(random))}
        told = {"organizations": f"{len(organizations):,}", "people": f"{made:,}", **others}
        history.record("seed", details=told)
        connection.exec_driver_sql(f"ANALYZE {', '.join(resources())}")  # names of tables
        return made


def _organizations(people: int, random: Random, today: datetime) -> Iterator[dict[str, Any]]:
    """One per hundred people or so; 12 to 10,000. Acme Logistics is the first."""
    wanted = min(max(people // 100, 12), 10_000)
    seen: set[str] = set()
    for name in names.organizations(random):
        slug = slug_of(name)
        if slug in seen:
            continue
        seen.add(slug)
        at = today - timedelta(days=random.uniform(30, 365 * YEARS))
        gone = at + timedelta(days=20) if len(seen) > 3 and random.random() < 0.03 else None
        key = uuid7(int(at.timestamp() * 1000), random)
        yield {"id": key, "name": name, "slug": slug, "created_at": at, "updated_at": gone or at, "deleted_at": gone}
        if len(seen) == wanted:
            return


def _people(
    wanted: int, random: Random, today: datetime, organizations: list[dict[str, Any]], hashes: dict[str, str]
) -> Iterator[tuple[Any, ...]]:
    acme = organizations[0]["id"]
    for local, first, last, role, home in (
        ("admin", "Grace", "Lindqvist", Role.SUPER_ADMIN, None),
        ("ada", "Ada", "Okafor", Role.ADMIN, acme),
        ("uma", "Uma", "Kowalska", Role.USER, acme),
    ):
        yield _row(random, today, local, first, last, role, home, hashed=hashes.get(f"{local}@example.com"))
    yield from _guests(today, acme)
    keys = [row["id"] for row in organizations]
    active = {row["id"] for row in organizations if row["deleted_at"] is None}
    weights = list(accumulate(1 / (place + 3) for place in range(len(keys))))
    taken = {local for local, *_ in GUESTS}
    for number in range(wanted - len(DEMO_ACCOUNTS) - len(GUESTS)):
        first, last = random.choice(names.FIRST), random.choice(names.LAST)
        home = keys[number] if number < len(keys) else random.choices(keys, cum_weights=weights)[0]
        role = Role.ADMIN if number < len(keys) or random.random() < 0.02 else Role.USER
        local = f"{names.ascii_of(first)}.{names.ascii_of(last)}"
        if local in taken:
            local = f"{local}{number}"
        else:
            taken.add(local)
        yield _row(random, today, local, first, last, role, home, settled=home not in active)


def _guests(today: datetime, organization: uuid.UUID) -> Iterator[tuple[Any, ...]]:
    """Invited people of Acme, in demos of every size."""
    for number, (local, first, last, days, revoked) in enumerate(GUESTS):
        at = today - timedelta(days=days)
        key = uuid7(int(at.timestamp() * 1000), Random(SEED + number))  # noqa: S311 -- believable, not secret
        ended = at + timedelta(hours=5) if revoked else None
        person = key, f"{local}@example.com", first, last, Role.USER.name, True, False, organization
        yield (*person, at, ended or at, None, None, None, at, ended)


def _row(
    random: Random, today: datetime, local: str, first: str, last: str, role: Role,
    organization: uuid.UUID | None, *, settled: bool = True, hashed: str | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """One person. Named ones come without numbers in their address and are always active."""
    named = local in ("admin", "ada", "uma")
    at = today - timedelta(days=365 * YEARS * random.random() ** 1.5, seconds=random.uniform(0, 86_400))
    active = named or random.random() > 0.03
    gone = at + (today - at) * random.random() if not named and not settled and random.random() < 0.04 else None
    verified = named or random.random() < 0.8
    key = uuid7(int(at.timestamp() * 1000), random)
    seen = _last_sign_in(key, at, gone or today)
    waits = role is Role.USER and active and seen is gone is None and today - at < LATELY
    invited = at if waits and not named else None
    revoked = at + (today - at) / 2 if invited and key.int % 8 == 0 else None
    return (
        key, f"{local}@example.com", first, last, role.name, active, verified and not invited, organization,
        at, gone or revoked or at, gone, seen, hashed, invited, revoked,
    )  # fmt: skip


def _last_sign_in(key: uuid.UUID, since: datetime, until: datetime) -> datetime | None:
    """Most signed in recently, one in twelve never; derived from the key, so that it changes nobody else's values."""
    chance = key.int % 1_000_000 / 1_000_000
    return None if chance > 11 / 12 else until - (until - since) * chance**5
