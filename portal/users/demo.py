"""The demo's people."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from portal.core.actor import Role
from portal.demo import DEMO_ACCOUNTS, DEMO_PASSWORD
from portal.organizations.demo import demo_organizations
from portal.resources.demo import YEARS, Demo, DemoRows, Rows
from portal.users import passwords
from portal.users.models import User

LATELY = timedelta(days=21)  # new people who never signed in are invited; some invitations have expired
ACCOUNTS = (  # in the order of DEMO_ACCOUNTS
    ("Grace", "Lindqvist", Role.SUPER_ADMIN),
    ("Ada", "Okafor", Role.ADMIN),
    ("Uma", "Kowalska", Role.USER),
)
GUESTS = (  # days since they were invited, and whether the invitation was revoked
    ("noor.halabi", "Noor", "Halabi", 0.2, False),
    ("tomas.brandt", "Tomás", "Brandt", 2.0, False),
    ("ines.moreau", "Inès", "Moreau", 5.0, False),
    ("viktor.salo", "Viktor", "Salo", 19.0, False),
    ("hana.kimura", "Hana", "Kimura", 3.0, True),
)

FIRST = """
Ada Amara Anna Aoife Bea Carlos Chiara Chen Daniel Diego Elif Emeka Eva Fatima Felix Freya Gabriel Grace Hana
Hugo Ines Ingrid Ivan Jana João Jonas Julia Kaito Karin Kofi Lars Leila Léa Lina Luca Luís Maja Marek Mateo Maya
Mei Milan Mila Mohammed Nadia Nils Noa Nora Olga Omar Otto Pablo Petra Priya Rafael Rosa Sami Sara Sofia Søren
Tariq Theo Tomas Uma Vera Viktor Wanda Xavier Yara Yuki Yusuf Zainab Zoë Zofia
""".split()  # noqa: SIM905 -- one word per line would be too long

LAST = """
Adeyemi Almeida Andersson Aziz Bakker Becker Berg Bianchi Brandt Castro Chowdhury Cohen Costa Çelik Dąbrowska
Diallo Dubois Eriksen Fernandes Ferreira Fischer Fontaine García Haddad Hansen Hoffmann Horvat Ito Ivanova
Jansen Kaya Khan Kowalska Kumar Larsen Lindqvist Martin Mensah Meyer Moreau Müller Nakamura Ndiaye Nguyen Novak
Nowak Okafor Okoye O’Brien Olsen Park Patel Pereira Popescu Rossi Ruiz Sato Schmidt Schröder Silva Singh
Sørensen Suzuki Tanaka Torres Vargas Virtanen Wagner Weber Wójcik Yamada Yilmaz Zabriskie Zhang Zimmermann
""".split()  # noqa: SIM905 -- one word per line would be too long


def demo_rows(demo: Demo) -> DemoRows:
    """The demo's accounts, its guests, and others, most of them in the first organizations."""
    organizations = demo_organizations()
    hashes = [passwords.hash_password(DEMO_PASSWORD) if demo.with_sign_ins else None for _ in DEMO_ACCOUNTS]
    yield User, demo.progress(_people(demo, organizations, hashes))


def _people(demo: Demo, organizations: Sequence[Any], hashes: Sequence[str | None]) -> Rows:
    acme = organizations[0].id
    for (_, email), (first, last, role), hashed in zip(DEMO_ACCOUNTS, ACCOUNTS, hashes, strict=True):
        organization_id = None if role is Role.SUPER_ADMIN else acme
        yield _person(demo, email, first, last, role, organization_id, hashed=hashed, is_account=True)
    for local, first, last, days, is_revoked in GUESTS:
        yield _guest(demo, local, first, last, acme, demo.ago(days), is_revoked=is_revoked)
    yield from _others(demo, organizations, demo.people - len(ACCOUNTS) - len(GUESTS))


def _others(demo: Demo, organizations: Sequence[Any], wanted: int) -> Rows:
    """People, beginning with an administrator for each organization."""
    random, keys = demo.random, [one.id for one in organizations]
    deleted = {one.id for one in organizations if one.deleted_at}
    weights = list(accumulate(1 / (place + 2.17) for place in range(len(keys))))
    taken = {local for local, *_ in GUESTS}
    for number in range(wanted):
        first, last = random.choice(FIRST), random.choice(LAST)
        organization_id = keys[number] if number < len(keys) else random.choices(keys, cum_weights=weights)[0]
        role = Role.ADMIN if number < len(keys) or random.random() < 0.02 else Role.USER
        local = f"{_ascii(first)}.{_ascii(last)}"
        if local in taken:
            local = f"{local}{number}"
        else:
            taken.add(local)
        may_be_deleted = organization_id not in deleted
        yield _person(demo, f"{local}@example.com", first, last, role, organization_id, may_be_deleted=may_be_deleted)


def _guest(
    demo: Demo, local: str, first: str, last: str, organization: uuid.UUID, at: datetime, *, is_revoked: bool
) -> dict[str, Any]:
    """An invited person, in demos of every size."""
    person = _row(demo, at, None, f"{local}@example.com", first, last, Role.USER, organization)
    return {**person, **_invited(at, at + timedelta(hours=5) if is_revoked else None)}


def _person(
    demo: Demo, email: str, first: str, last: str, role: Role, organization: uuid.UUID | None,
    *, may_be_deleted: bool = False, hashed: str | None = None, is_account: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """One person. The demo's accounts are always active."""
    random, today = demo.random, demo.today
    at = demo.ago(365 * YEARS * random.random() ** 1.5 + random.random())
    is_active = is_account or random.random() > 0.03
    gone = at + (today - at) * random.random() if may_be_deleted and random.random() < 0.052 else None
    is_verified = is_account or random.random() < 0.8
    person = _row(demo, at, gone, email, first, last, role, organization)
    key = person["id"]
    seen = _last_sign_in(key, at, gone or today)
    person.update(is_active=is_active, email_verified=is_verified, last_sign_in_at=seen, password=hashed)
    if role is Role.USER and is_active and not is_account and seen is gone is None and today - at < LATELY:
        person.update(_invited(at, at + (today - at) / 2 if key.int % 8 == 0 else None))
    return person


def _row(
    demo: Demo, at: datetime, deleted_at: datetime | None, email: str, first: str, last: str, role: Role,
    organization: uuid.UUID | None,
) -> dict[str, Any]:  # fmt: skip
    return {
        **demo.record(at, deleted_at=deleted_at),
        "email": email,
        "first_name": first,
        "last_name": last,
        "role": role,
        "organization_id": organization,
        "is_active": True,
        "email_verified": False,
        "last_sign_in_at": None,
        "password": None,
        "invited_at": None,
        "revoked_at": None,
    }


def _invited(at: datetime, revoked_at: datetime | None) -> dict[str, Any]:
    return {"email_verified": False, "invited_at": at, "revoked_at": revoked_at, "updated_at": revoked_at or at}


def _last_sign_in(key: uuid.UUID, since: datetime, until: datetime) -> datetime | None:
    """Most signed in recently, one in twelve never; derived from the key, so that it changes nobody else's values."""
    chance = key.int % 1_000_000 / 1_000_000
    return None if chance > 11 / 12 else until - (until - since) * chance**5


def _ascii(name: str) -> str:
    """A name as the local part of an address."""
    table = str.maketrans({"ø": "o", "Ø": "O", "ł": "l", "ą": "a", "’": ""})
    plain = unicodedata.normalize("NFD", name.translate(table)).encode("ascii", "ignore").decode("ascii")
    return plain.lower()
