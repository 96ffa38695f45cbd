"""Which events are meant? Says no tenant: the session does."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnExpressionArgument as Condition
from sqlalchemy import Row, and_, func, literal, or_, select, true
from sqlalchemy.orm import aliased

from portal.activity.words import ACTIONS, FIELDS, SIGN_INS
from portal.core.actor import current_actor
from portal.core.clock import zone
from portal.core.cursors import moment
from portal.core.db import db
from portal.core.email_addresses import readable_email
from portal.core.history import Activity
from portal.core.listing import NOT_A_DAY, Filter, Listing, Rows, Sort, Source, Tab
from portal.core.terms import matches, words_of
from portal.organizations.models import Organization
from portal.users.models import User, full_name_of
from portal.users.queries import called

FOUND = 1_000
REST_BOUND = 1_000
SHOWN = 8
UNTOLD = ("id", "key", "xid", "is_first", "begins_act")
LATEST = 5

ACTOR = aliased(User, name="actor")
PERSON = aliased(User, name="person")
HOUSE = aliased(Organization, name="house")
OTHER = aliased(Activity, name="other")
NEWEST = {"at": Sort(Activity.at, moment)}


def listing(arguments: Mapping[str, str], path: str) -> Listing:
    """The history that an address asks for: acts, or where rows or fields are asked for their single events."""
    about_rows = words_of(arguments.get("q", "")) or arguments.get("row") or arguments.get("field") in FIELDS
    return _listing(arguments, path, None if about_rows else _is_an_act(), FILTERS)


def of_row(table: str, row_id: uuid.UUID, arguments: Mapping[str, str], path: str) -> Listing:
    """The history of one row."""
    return _listing(arguments, path, and_(Activity.table_name == table, Activity.row_id == row_id))


def of_operation(operation_id: uuid.UUID, arguments: Mapping[str, str], path: str) -> Listing:
    """All events of one act."""
    return _listing(arguments, path, Activity.operation_id == operation_id)


def newest_of_row(table: str, row_id: uuid.UUID) -> Rows:
    """A row's newest few events. Run it with_deleted, so that those have names who are gone."""
    mine = events().where(Activity.table_name == table, Activity.row_id == row_id)
    return mine.order_by(Activity.at.desc(), Activity.key.desc()).limit(SHOWN)


def latest() -> Rows:
    """The newest few acts, of each one event. Run it with_deleted, as above."""
    return events().where(_is_an_act()).order_by(Activity.at.desc(), Activity.key.desc()).limit(LATEST)


def _is_an_act() -> Condition[bool]:
    """The one event that stands for an act, among those that the reader sees."""
    if current_actor().is_unlimited:
        return and_(Activity.is_first, Activity.begins_act.is_not(False))
    return Activity.is_first


def events() -> Rows:
    """The columns of an event, the names of whom it is by and about, and how many more the act has."""
    rest = select(literal(1)).where(OTHER.operation_id == Activity.operation_id, OTHER.id != Activity.id)
    bounded = rest.limit(REST_BOUND + 1).correlate(Activity).lateral()
    about_a_person = Activity.table_name == "users"
    return select(
        Activity.key.label("id"),
        *(
            column
            for column in Activity.__mapper__.columns
            if column.key not in ("id", "key", "xid", "is_first", "begins_act")
        ),
        _name(full_name_of(ACTOR), ACTOR.id == Activity.actor_id).label("actor_name"),
        _name(full_name_of(PERSON), about_a_person, PERSON.id == Activity.row_id).label("person_name"),
        _name(HOUSE.name, ~about_a_person, HOUSE.id == Activity.row_id).label("house_name"),
        select(func.count()).select_from(bounded).scalar_subquery().label("rest"),
    )


def _name(name: Any, *conditions: Condition[bool]) -> Any:
    """A subquery, not a join: the session narrows an alias there."""
    return select(name).where(*conditions).correlate(Activity).scalar_subquery()


def _listing(
    arguments: Mapping[str, str],
    path: str,
    condition: Condition[bool] | None,
    filters: Mapping[str, Filter] | None = None,
) -> Listing:
    shown = true() if condition is None else condition
    tabs = {
        name: Tab(label, and_(shown, *kind), NEWEST, "-at", with_deleted=True) for name, (label, kind) in KINDS.items()
    }
    source = Source(Activity, events(), tabs, filters or {}, key=Activity.key, search=_about_or_by, newest=Activity.at)
    return Listing(source, arguments, path)


def _about_or_by(text: str) -> list[Condition[bool]]:
    """Events about or by whoever is called so. The ids are read first: given as values an index finds them.

    Where very many are called so, nearly every event is about one of them: each is asked for whom it is about.
    """
    houses = select(Organization.id).where(*matches(Organization.search_text, text)).limit(FOUND + 1)
    found = [*called(text, FOUND + 1), *db.session.scalars(houses, execution_options={"with_deleted": True})]
    if len(found) <= FOUND:
        return [or_(Activity.row_id.in_(found), Activity.actor_id.in_(found))]
    places = (PERSON, Activity.row_id), (ACTOR, Activity.actor_id), (HOUSE, Activity.row_id)
    return [or_(*(_is_called(text, kind, key) for kind, key in places))]


def _is_called(text: str, kind: Any, key: Any) -> Condition[bool]:
    return select(literal(1)).where(kind.id == key, *matches(kind.search_text, text)).correlate(Activity).exists()


def _uuid(value: str) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except ValueError:
        return uuid.UUID(int=0)


def _by(value: str) -> Condition[bool]:
    """By somebody whom the reader may know: to ask for others' acts would tell who they are."""
    known = select(ACTOR.id).where(ACTOR.id == _uuid(value)).exists()
    return and_(Activity.actor_id == _uuid(value), known)


def _by_action(value: str) -> Condition[bool] | None:
    return Activity.action == value if value in ACTIONS else None


def _by_field(value: str) -> Condition[bool] | None:
    return Activity.changes.has_key(value) if value in FIELDS else None


def _by_day(compare: Callable[[datetime], Condition[bool]]) -> Callable[[str], Condition[bool] | None]:
    def condition(value: str) -> Condition[bool] | None:
        try:
            day = date.fromisoformat(value)
            return compare(datetime(day.year, day.month, day.day, tzinfo=zone()))
        except (ValueError, OverflowError):
            return None

    return condition


def _by_whom(_value: str, row: Row[Any] | None) -> str:
    return f"By {readable_email((row.actor_name if row else None) or 'one person')}"


def _about_whom(_value: str, row: Row[Any] | None) -> str:
    return f"About {readable_email((row.house_name or row.person_name if row else None) or 'one record')}"


CHANGES = Activity.row_version.is_not(None)
KINDS: dict[str, tuple[str, tuple[Condition[bool], ...]]] = {
    "all": ("Everything", ()),
    "changes": ("Changes", (CHANGES,)),
    "sign-ins": ("Sign-ins", (Activity.action.in_(SIGN_INS),)),
}
FILTERS = {
    "row": Filter(lambda value: Activity.row_id == _uuid(value), _about_whom),
    "by": Filter(_by, _by_whom),
    "action": Filter(_by_action, lambda value, _: ACTIONS[value]),
    "field": Filter(_by_field, lambda value, _: f"Field: {FIELDS[value]}"),
    "from": Filter(_by_day(lambda day: Activity.at >= day), lambda value, _: f"From {value}", NOT_A_DAY),
    "to": Filter(
        _by_day(lambda day: Activity.at < day + timedelta(days=1)), lambda value, _: f"Until {value}", NOT_A_DAY
    ),
}
