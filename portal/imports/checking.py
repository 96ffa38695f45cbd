"""Read the rows of an import in batches and decide what to do with each, without writing people."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import func, select, update

from portal.core.actor import SYSTEM, Role, current_actor
from portal.core.db import acting_as, command, db
from portal.core.errors import RateLimited
from portal.core.keys import read_key, uuid7
from portal.core.policy import allows, grantable_roles
from portal.core.rate_limit import attempt
from portal.imports import overwriting, staging
from portal.imports.files import Row
from portal.imports.models import Import, ImportRow
from portal.imports.parsing import Parser
from portal.imports.uploads import Staged, Staging
from portal.organizations.models import Organization
from portal.users.permissions import USERS_ANY_TENANT
from portal.web.attempts import of_foreign_addresses
from portal.web.given import current_settings

TOO_MANY_ELSEWHERE = "Too many of these addresses can't be used here. Ask your system administrator."
LONGEST_TEXT = 60  # of a row that can't be used


def role_of(one: Import) -> Role:
    """The role of new people whose row doesn't name one."""
    return Role[one.options.get("role", Role.USER.name)]


def parser_of(one: Import) -> Parser:
    """The parser for the import's rows, with what the actor may grant and name."""
    actor = current_actor()
    homes: dict[str, uuid.UUID] = {}
    if allows(actor, USERS_ANY_TENANT) and "organization" in one.fields:
        homes = {slug: key for slug, key in db.session.execute(select(Organization.slug, Organization.id))}
    home = read_key(one.options.get("home_id")) if actor.is_unlimited else actor.organization_id
    return Parser(one.headings, one.fields, grantable_roles(actor), current_settings().email_kinds, homes, home)


def staging_of(one: Import) -> Staging:
    """Return the function that turns a row of the file into the values to store, with the rights of the actor."""
    return partial(_staged, parser_of(one))


def store(one: Import, rows: Sequence[Staged]) -> bool:
    """Store the next rows, and check them. Returns whether the following ones may be checked.

    Too many addresses in use elsewhere refuse all rows: single refusals would reveal which ones.
    """
    first = one.total + 1
    columns = dict(zip(staging.COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    db.session.execute(staging.STORE, {**columns, "import_id": one.id, "tenant": one.organization_id})
    one.total += len(rows)
    if count_foreign(check(one, first, one.total)):
        return True
    statement = update(ImportRow).where(ImportRow.import_id == one.id)
    refused = statement.values(verdict="refused", reason=TOO_MANY_ELSEWHERE, person_id=None)
    db.session.execute(refused, execution_options={"synchronize_session": False})
    return False


def _staged(parser: Parser, number: int, row: Row) -> Staged:
    """The values of `staging.COLUMNS`, with a key in case the person is new: keys made here are ordered by time."""
    line, cells = row
    try:
        email, first, last, role, is_active, home = parser.values(cells)
    except ValueError as error:
        text = ", ".join(filter(None, cells))[:LONGEST_TEXT]
        return number, line, text, None, None, None, None, None, None, "refused", str(error), None
    return (number, line, None, email, first, last, role.name if role else None, is_active, home,
            "create", None, uuid7())  # fmt: skip


def check(one: Import, first: int, last: int) -> int:
    """Decide again about rows not yet refused. Returns how many addresses are in use where the actor can't see it."""
    granted = [role.name for role in grantable_roles(current_actor())]
    overwrites = one.options.get("overwrites", [])
    elsewhere = db.session.scalar(select(func.portal_check_import(one.id, first, last, overwrites, granted)))
    updated = ImportRow.number.between(first, last), ImportRow.verdict == "update"
    ids = db.session.scalars(select(ImportRow.person_id).where(ImportRow.import_id == one.id, *updated)).all()
    if ids:
        refuse(one, first, last, overwriting.refused(one, [key for key in ids if key]))
    return elsewhere or 0


def refuse(one: Import, first: int, last: int, reasons: Mapping[uuid.UUID, str]) -> None:
    """Refuse to update these people."""
    if reasons:
        refused = {"ids": list(reasons), "reasons": list(reasons.values())}
        db.session.execute(staging.REFUSE, {**refused, "import_id": one.id, "first": first, "last": last})


def count_foreign(many: int) -> bool:
    """Count addresses in use elsewhere against the actor's limit. Returns whether they are within it."""
    actor = current_actor()
    if not many or actor.is_unlimited or actor.id is None:
        return True
    counters = of_foreign_addresses(actor.id, actor.organization_id)
    with acting_as(SYSTEM):
        try:
            for _ in range(many):
                _attempt(counters)
        except RateLimited:
            return False
    return True


@command
def _attempt(counters: Sequence[Any]) -> None:
    attempt(*counters)
