"""Check and import people, with statements for many rows at once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import func, select, update

from portal.core.actor import SYSTEM, Role, current_actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.errors import Conflict, NotAllowed, RateLimited
from portal.core.keys import read_key, uuid7
from portal.core.policy import allows, grantable_roles
from portal.core.rate_limit import attempt
from portal.imports import overwriting, staging
from portal.imports.files import Row
from portal.imports.importer import Importer, beginning, ids_between, rows_between
from portal.imports.models import Import, ImportRow
from portal.imports.parsing import NOT_GRANTABLE, Parser
from portal.imports.uploads import Staged, Staging
from portal.imports.words import PEOPLE
from portal.organizations.commands import lock_active
from portal.organizations.models import Organization
from portal.resources.bulk_linking import Linking
from portal.teams.models import Team
from portal.teams.resource import members
from portal.users.resource import resource
from portal.web.attempts import of_foreign_addresses
from portal.web.given import current_settings

TOO_MANY_ELSEWHERE = "Too many of these addresses can't be used here. Ask your system administrator."
NO_TEAM = "The team was deleted. Restore it, then retry the job."
TAKEN = "Email: someone else was just given this address."


class People(Importer):
    """People. Existing ones are found by their email address."""

    resource, words = resource, PEOPLE

    def overwritten(self) -> Mapping[str, str]:
        return overwriting.FIELDS

    def staging(self, one: Import) -> Staging:
        return partial(_staged, parser_of(one))

    def check(self, one: Import, first: int, last: int) -> bool:
        """Too many addresses in use elsewhere refuse all rows: single refusals would reveal which ones."""
        if count_foreign(_check(one, first, last)):
            return True
        statement = update(ImportRow).where(ImportRow.import_id == one.id)
        refused = statement.values(verdict="refused", reason=TOO_MANY_ELSEWHERE, row_id=None)
        db.session.execute(refused, execution_options={"synchronize_session": False})
        return False

    def write(self, one: Import, first: int, last: int) -> None:
        within = {"import_id": one.id, "first": first, "last": last}
        overwriting.lock(one, ids_between(one.id, first, last, "update"))
        if not count_foreign(_check(one, first, last)):
            raise Conflict(None, TOO_MANY_ELSEWHERE)
        _create(one, within)
        _update(one, within)

    def undo(self, one: Import, first: int, last: int) -> int:
        within = {"import_id": one.id, "first": first, "last": last, "at": now()}
        return len(db.session.execute(staging.DELETE, within).all()) + overwriting.restore(one, first, last)


def role_of(one: Import) -> Role:
    """The role of new people whose row doesn't name one."""
    return Role[one.options.get("role", Role.USER.name)]


def parser_of(one: Import) -> Parser:
    """The parser for the import's rows, with what the actor may grant and name: ADMINs name their own organization."""
    actor = current_actor()
    homes: dict[str, uuid.UUID] = {}
    if "organization" in one.fields:
        homes = {slug: key for slug, key in db.session.execute(select(Organization.slug, Organization.id))}
    home = read_key(one.options.get("home_id")) if actor.is_unlimited else actor.organization_id
    return Parser(one.headings, one.fields, grantable_roles(actor), current_settings().email_kinds, homes, home,
                  one.options.get("dates") or one.options.get("dates_found", ""))  # fmt: skip


def _staged(parser: Parser, number: int, row: Row) -> Staged:
    """The values of `staging.COLUMNS`, with a key in case the person is new: keys made here are ordered by time."""
    line, cells = row
    try:
        email, first, last, role, is_active, begins, ends, home = parser.values(cells)
    except ValueError as error:
        text = beginning(cells)
        return number, line, text, None, None, None, None, None, None, None, None, "refused", str(error), None, None
    return (number, line, None, email, first, last, role.name if role else None, is_active, begins, ends, home,
            "create", None, uuid7(), None)  # fmt: skip


def _check(one: Import, first: int, last: int) -> int:
    """Decide again about rows not yet refused. Returns how many addresses are in use where the actor can't see it."""
    granted = [role.name for role in grantable_roles(current_actor())]
    overwrites = one.options.get("overwrites", [])
    elsewhere = db.session.scalar(select(func.portal_check_import(one.id, first, last, overwrites, granted)))
    if ids := ids_between(one.id, first, last, "update"):
        _refuse(one, first, last, overwriting.refused(one, ids))
    return elsewhere or 0


def _refuse(one: Import, first: int, last: int, reasons: Mapping[uuid.UUID, str]) -> None:
    """Refuse to update these people."""
    if reasons:
        refused = {"ids": list(reasons), "reasons": list(reasons.values())}
        db.session.execute(staging.REFUSE, {**refused, "import_id": one.id, "first": first, "last": last})


def _create(one: Import, within: dict[str, Any]) -> None:
    role = role_of(one)
    if role not in grantable_roles(current_actor()):
        raise Conflict(None, NOT_GRANTABLE.format(role.label))
    rows = rows_between(one.id, within["first"], within["last"], "create")
    homes = set(db.session.scalars(select(ImportRow.home_id).where(*rows).distinct()))
    for home in sorted(home for home in homes if home):
        lock_active(home)
    db.session.execute(staging.CREATE, {**within, "role": role.name, "at": now(), "taken": TAKEN})
    if team_id := read_key(one.options.get("team_id")):
        _add_to_team(team_id, ids_between(one.id, within["first"], within["last"], "create"))
    if one.options.get("invites"):
        db.session.execute(staging.INVITE, within)


def _add_to_team(team_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> None:
    if not allows(current_actor(), members.permission):
        raise NotAllowed
    team = db.session.get(Team, team_id)
    if team is None:
        raise Conflict(None, NO_TEAM)
    change = Linking(members, team, adds=True)
    change.lock(ids)
    if added := change.judged(ids).changed:
        change.apply(added)


def _update(one: Import, within: dict[str, Any]) -> None:
    if ids := ids_between(one.id, within["first"], within["last"], "update"):
        db.session.execute(staging.KEEP, within)
        _refuse(one, within["first"], within["last"], overwriting.overwrite(one, ids))
        db.session.execute(staging.UPDATED, within)


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
