"""Check the rows of an import in batches: read their cells, and decide what becomes of each. Nobody is written."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update

from portal.core.actor import SYSTEM, current_actor
from portal.core.db import acting_as, command, db
from portal.core.errors import RateLimited
from portal.core.keys import uuid7
from portal.core.policy import allows, grantable_roles
from portal.core.rate_limit import attempt
from portal.imports import staging
from portal.imports.models import Import, ImportRow
from portal.imports.parsing import Parser
from portal.organizations.models import Organization
from portal.users.permissions import USERS_ANY_TENANT
from portal.web.attempts import of_foreign_addresses
from portal.web.given import current_settings

BATCH = 5_000
TOO_MANY_ELSEWHERE = "Too many addresses of this file can't be used here. Ask your system administrator."


def parser_of(one: Import) -> Parser:
    """The parser for the import's rows, with what the actor may grant and name."""
    actor = current_actor()
    homes: dict[str, uuid.UUID] = {}
    if allows(actor, USERS_ANY_TENANT) and "organization" in one.fields:
        homes = {slug: key for slug, key in db.session.execute(select(Organization.slug, Organization.id))}
    home = actor.organization_id if not actor.is_unlimited else one.options.get("home_id")
    home = uuid.UUID(home) if isinstance(home, str) else home
    kinds = current_settings().email_kinds
    return Parser(one.headings, one.fields, grantable_roles(actor), kinds, homes, home)


def check(one: Import, first: int, *, parser: Parser | None) -> tuple[int, int]:
    """Check a batch of rows from this one on; without a parser, as their cells were read before.

    Returns the number of the last row, and how many addresses are in use where the actor can't see it.
    """
    last = min(first + BATCH - 1, one.total)
    if parser:
        _read(one.id, first, last, parser)
    statement = select(func.portal_check_import(one.id, first, last, bool(one.options.get("updates"))))
    return last, db.session.scalar(statement) or 0


def _read(import_id: uuid.UUID, first: int, last: int, parser: Parser) -> None:
    wanted = ImportRow.import_id == import_id, ImportRow.number.between(first, last)
    rows = db.session.execute(select(ImportRow.number, ImportRow.cells).where(*wanted)).all()
    found = [{"number": number, **parser.values(cells)} for number, cells in rows]
    columns = {name: [_plain(row[name]) for row in found] for name in staging.COLUMNS}
    db.session.execute(staging.MEANING, {**columns, "import_id": import_id})


def _plain(value: Any) -> Any:
    return getattr(value, "name", value)


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


def refuse_all(one: Import) -> None:
    """Refuse every row in the same words, so that nobody learns which addresses are in use elsewhere."""
    statement = update(ImportRow).where(ImportRow.import_id == one.id)
    refused = statement.values(verdict="refused", reason=TOO_MANY_ELSEWHERE, person_id=None)
    db.session.execute(refused, execution_options={"synchronize_session": False})


def new_keys(many: int) -> list[uuid.UUID]:
    return [uuid7() for _ in range(many)]
