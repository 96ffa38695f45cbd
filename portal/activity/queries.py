"""Queries for operations and events. The session adds the condition for the tenant."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from string import Formatter
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Row,
    Uuid,
    and_,
    asc,
    bindparam,
    cast,
    desc,
    false,
    func,
    not_,
    null,
    or_,
    select,
    true,
)
from sqlalchemy import ColumnExpressionArgument as Condition

from portal.activity.filters import ACTOR, FILTERS, about, organization
from portal.core.actor import Role, current_actor
from portal.core.cursors import moment
from portal.core.db import db, read
from portal.core.history import Activity
from portal.core.listing import Count, Listing, Rows, Sort, Source, Tab
from portal.core.operations import Operation
from portal.core.scoping import kept
from portal.core.terms import matches
from portal.resources.resource import resources
from portal.users.models import User, full_name_of
from portal.web.given import actions

FOUND = 200
ACTORS = 200
SHOWN = 8
LATEST = 5

NOT_LISTED = (
    "id", "key", "xid", "event_id", "events", "counts", "actions", "fields", "row_ids", "names", "statements",
    "search_text",
)  # fmt: skip


def listing(arguments: Mapping[str, str], path: str) -> Listing:
    """The list of operations for these URL arguments."""
    is_unlimited = current_actor().is_unlimited
    tabs, filters, keys = _all_operations(is_unlimited=is_unlimited), FILTERS, list[uuid.UUID]()
    if is_unlimited:
        keys, chosen = organization(arguments.get("organization", ""))
        filters = {"organization": chosen, **FILTERS}
        if keys:  # its part of each operation, instead of the whole
            tabs = _tabs(Operation, Operation.organization_id.in_(keys))
    source = Source(
        Operation, operations(), tabs, filters, key=Operation.key, search=_named, newest=Operation.at,
        is_kept=not keys,
    )  # fmt: skip
    return Listing(source, arguments, path)


@cache
def _all_operations(*, is_unlimited: bool) -> dict[str, Tab]:
    return _tabs(Operation, Operation.shown_to(is_unlimited=is_unlimited))


def of_row(table: str, row_id: uuid.UUID, arguments: Mapping[str, str], path: str) -> Listing:
    """The history of one row."""
    about = and_(Activity.table_name == table, Activity.row_id == row_id)
    return _of_events(arguments, path, about, signs_in=resources()[table].are_people)


def of_operation(operation_id: uuid.UUID, arguments: Mapping[str, str], path: str) -> Listing:
    """The events of one operation, those of a link once. The operation's row contains how many there are."""
    total = db.session.scalar(select(_shown_events()).where(Operation.id == operation_id, Operation.shown()))
    known = None if total is None else Count(total)
    twice = or_(false(), *(and_(Activity.table_name == table, Activity.action == name) for table, name in twins()))
    return _of_events(arguments, path, and_(Activity.operation_id == operation_id, not_(twice)), known)


def twins() -> list[tuple[str, str]]:
    """Table and action of events that read like another one: of the first of the two rows that an action links."""
    named = {one.name: [place for _, place, *_ in Formatter().parse(one.verb) if place] for one in actions().values()}
    return [(places[0], name) for name, places in named.items() if len(places) == 2 and resources().keys() >= {*places}]


def _shown_events() -> Any:
    """How many events an operation's page shows."""
    numbers = (Operation.counts[f"{table}.{name}"].astext for table, name in twins())
    return sum((-func.coalesce(cast(one, BigInteger), 0) for one in numbers), start=Operation.events)


def events_of(operations: Sequence[Row[Any]], size: int, sort: str) -> Iterator[Sequence[Row[Any]]]:
    """All events of these operations, one operation after the other, in batches of up to `size`.

    Operations that fit into a batch together are one statement; of a larger one, each batch is.
    """
    small: list[Row[Any]] = []
    for operation in operations:
        if small and sum(one.all_events for one in small) + operation.all_events > size:
            yield _together(small, size, sort)
            small = []
        if operation.all_events > size:
            own = Activity.operation_id == operation.operation_id
            yield from _of_events({"sort": sort}, "", own).batches(size)
        else:
            small.append(operation)
    if small:
        yield _together(small, size, sort)


def _together(operations: Sequence[Row[Any]], size: int, sort: str) -> Sequence[Row[Any]]:
    """Each operation's events are read by index, because statistics on events mislead the planner after an import."""
    ids = cast([one.operation_id for one in operations], ARRAY(Uuid()))
    wanted = func.unnest(ids).table_valued("id", with_ordinality="place", name="wanted").render_derived()
    way: Callable[[Any], Any] = desc if sort.startswith("-") else asc
    mine = events().where(Activity.operation_id == wanted.c.id).order_by(way(Activity.at), way(Activity.key))
    own = mine.limit(size).lateral("own")
    found = select(own).select_from(wanted).join(own, true()).order_by(wanted.c.place, way(own.c.at), way(own.c.id))
    return db.session.execute(found, execution_options={"with_deleted": True}).all()


def _of_events(
    arguments: Mapping[str, str],
    path: str,
    condition: Condition[bool],
    total: Count | None = None,
    *,
    signs_in: bool = True,
) -> Listing:
    tabs = _tabs(Activity, condition)
    if not signs_in:
        del tabs["sign-ins"]
    return Listing(
        Source(Activity, events(), tabs, key=Activity.key, search=lambda _: [], newest=Activity.at, total=total),
        arguments,
        path,
    )


def newest_of_row(table: str, row_id: uuid.UUID) -> Sequence[Row[Any]]:
    """A row's newest few events. Deleted people keep their names."""
    statement = _newest_of_row(table, is_unlimited=current_actor().is_unlimited)
    return read(statement, {"row_id": row_id}, with_deleted=True)


@cache
def _newest_of_row(table: str, *, is_unlimited: bool) -> Rows:
    mine = _events(is_unlimited=is_unlimited).where(
        Activity.table_name == table, Activity.row_id == bindparam("row_id")
    )
    return kept(mine.order_by(Activity.at.desc(), Activity.key.desc()).limit(SHOWN))


def latest() -> Sequence[Row[Any]]:
    """The newest few operations, besides sign-ins, which are many more. Deleted people keep their names."""
    return read(_latest(is_unlimited=current_actor().is_unlimited), with_deleted=True)


@cache
def _latest(*, is_unlimited: bool) -> Rows:
    shown = operations().where(Operation.shown_to(is_unlimited=is_unlimited), not_(_is_sign_in(Operation)))
    return kept(shown.order_by(Operation.at.desc(), Operation.key.desc()).limit(LATEST))


@cache
def operations() -> Rows:
    """The columns of an operation: those of its first event, and the number of further events that its page shows."""
    listed = [column for column in Operation.__mapper__.columns if column.key not in NOT_LISTED]
    return select(
        Operation.key.label("id"),
        Operation.id.label("operation_id"),
        *listed,
        *_names(Operation),
        Operation.names[1].label("former_name"),
        (_shown_events() - 1).label("rest"),
        Operation.events.label("all_events"),
    )


def events() -> Rows:
    """The columns of an event, the names of its actor and row, and the number of further events of its operation."""
    return _events(is_unlimited=current_actor().is_unlimited)


@cache
def _events(*, is_unlimited: bool) -> Rows:
    shown = Operation.id == Activity.operation_id, Operation.shown_to(is_unlimited=is_unlimited)
    rest = select(_shown_events() - 1).where(*shown)
    return select(
        Activity.key.label("id"),
        *(column for column in Activity.__mapper__.columns if column.key not in ("id", "key", "xid")),
        *_names(Activity),
        null().label("former_name"),
        func.coalesce(rest.correlate(Activity).scalar_subquery(), 0).label("rest"),
    )


def _names(entity: type[Activity] | type[Operation]) -> list[Any]:
    """Subqueries instead of joins, because scoping applies to an alias there."""
    rows = [
        select(one.sql_name(one.named)).where(entity.table_name == one.name, one.named.id == entity.row_id)
        for one in resources().values()
    ]
    actor = select(full_name_of(ACTOR)).where(ACTOR.id == entity.actor_id)
    name = func.coalesce(null(), *(row.correlate(entity).scalar_subquery() for row in rows))
    return [actor.correlate(entity).scalar_subquery().label("actor_name"), name.label("row_name")]


def _tabs(entity: type[Activity] | type[Operation], condition: Condition[bool]) -> dict[str, Tab]:
    kinds: dict[str, tuple[str, Condition[bool]]] = {
        "all": ("Everything", true()),
        "changes": ("Changes", entity.row_version.is_not(None)),
        "sign-ins": ("Sign-ins", _is_sign_in(entity)),
    }
    newest = {"at": Sort(entity.at, moment)}
    return {
        name: Tab(label, and_(condition, kind), newest, "-at", with_deleted=True)
        for name, (label, kind) in kinds.items()
    }


def _is_sign_in(entity: type[Activity] | type[Operation]) -> Condition[bool]:
    return entity.action.in_([one.name for one in actions().values() if one.is_sign_in])


def _named(text: str) -> list[Condition[bool]]:
    """Operations by or about rows that have, or had, such a name. Ids are read first, so that indexes can find them.

    For very frequent names, the search covers the names stored in operations, and administrators as their actors.
    """
    names = and_(*matches(Operation.search_text, text))
    found = [key for one in resources().values() for key in one.keys_matching(text, FOUND + 1)]
    if len(found) <= FOUND:
        return [or_(names, about(found), Operation.actor_id.in_(found))]
    staff = select(User.id, User.search_text).where(User.role != Role.USER).cte("staff").prefix_with("MATERIALIZED").c
    actors = db.session.scalars(select(staff.id).where(*matches(staff.search_text, text)).limit(ACTORS)).all()
    return [or_(names, Operation.actor_id.in_(actors))]
