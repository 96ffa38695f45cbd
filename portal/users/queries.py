"""Queries for people. The session adds the conditions for tenant and deletion."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from portal.core.actor import SYSTEM, Actor, Role, current_actor
from portal.core.bulk import among
from portal.core.cursors import ranked
from portal.core.db import acting_as, db
from portal.core.email_addresses import lookup_email, readable_email
from portal.core.history import Activity
from portal.core.listing import NO_FILTERS, Filter, Found, Listing, Rows, Sort, Source
from portal.core.terms import matches, words_of
from portal.organizations.models import Organization
from portal.organizations.queries import SLUG
from portal.users.filters import FILTERS, INVITATIONS, LATER, NEVER_ACCEPTED, SIGNED_IN, found_by, last_sign_in
from portal.users.models import User, full_name, has_invitation, is_not_expired
from portal.users.tabs import ACCEPTED, IN_NO_DELETED_ORGANIZATION, can_sign_in, tabs
from portal.users.totals import count_of, tally_of

NEVER_NOR_BEFORE = "People who never signed in have no last sign-in, so this date is ignored."
REMOVED_NAME = "a removed person"
NO_FILTER = cast({}, JSONB)
TEXTS = postgresql.ARRAY(Text)
COLUMNS = (
    User.id,
    User.email,
    User.first_name,
    User.last_name,
    User.role,
    User.is_active,
    User.email_verified,
    User.created_at,
    User.last_sign_in_at,
    User.has_two_factor,
    User.deleted_at,
    User.organization_id,
    User.invited_at,
    User.accepted_at,
    User.revoked_at,
    User.activates_on,
    User.expires_on,
)


def listing(arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter] = NO_FILTERS) -> Listing:
    """The list of people for these URL arguments, with further filters. Some filters have a tab."""
    is_never = arguments.get("last_sign_in") == "never"
    clashes = [name for name in SIGNED_IN if is_never and arguments.get(name)]
    asked = {**arguments, **dict.fromkeys(clashes, "")}
    states = arguments.get("invitation", "").split(",")
    if not INVITATIONS.keys().isdisjoint(states) or (
        states == [NEVER_ACCEPTED] and asked.get("status") not in ("deactivated", "deleted")
    ):
        asked["status"] = "invited"
    elif asked.get("start") == LATER and asked.get("status") != "deleted":
        asked["status"] = "deactivated"
    source = Source(
        User,
        people(),
        tabs(),
        {**FILTERS, **filters},
        best=_best,
        find=_found,
        asked=_asked,
        count=count_of,
        tally=tally_of,
        is_kept=True,
    )
    found = Listing(source, asked, path)
    found.refused |= dict.fromkeys(clashes, NEVER_NOR_BEFORE)
    return found


def _best(listing: Listing) -> Sort:
    """Sort by the rank from portal_find_users, then newest first."""
    return Sort(User.deleted_at if listing.status == "deleted" else User.created_at, ranked)


def _found(listing: Listing, part: Found) -> Any:
    """The keys of matching people. portal_find_users (portal/sql/users) implements each filter, sort order and rank."""
    asked, place = listing.asked, part.place
    return func.portal_find_users(
        bindparam("words", asked["words"], TEXTS),
        bindparam("addresses", asked["addresses"], TEXTS),
        listing.status,
        bindparam("filters", asked["filters"], JSONB),
        listing.sort.removeprefix("-"),
        part.down,
        bindparam("place", place["place"], Text) if place else None,
        bindparam("place_id", place["place_id"], Uuid) if place else None,
        part.most,
    )


def _asked(listing: Listing) -> dict[str, Any]:
    found = found_by(listing.filters)
    return {"words": words_of(listing.q), "addresses": _addresses(listing.q), "filters": found}


def _addresses(text: str) -> list[str]:
    """The forms in which a searched address can be stored. Empty if the term isn't an address."""
    if "@" not in text.strip("@") or " " in text:
        return []
    stored = lookup_email(text)
    return sorted({text.lower(), stored, readable_email(stored)})


def _texts(values: list[str]) -> Any:
    return cast(values, TEXTS)


def keys_matching(text: str, most: int) -> list[uuid.UUID]:
    """The keys of at most `most` people, including deleted ones, whose name or address contains every word."""
    if current_actor().is_unlimited:
        keys: Select[Any] = select(User.id).where(*matches(User.search_text, text)).limit(most)
    else:
        asked = _texts(words_of(text)), _texts([]), "any", NO_FILTER, "created_at", True, None, None, most
        keys = select(func.portal_find_users(*asked).table_valued("id", "rank").c.id)
    return list(db.session.scalars(keys, execution_options={"with_deleted": True}))


def matching(text: str, most: int, organization_id: uuid.UUID | None) -> list[User]:
    """Some people whose name or address holds every word, best matches first. Without words, the first by name."""
    if words := words_of(text):
        inside_of = NO_FILTER if organization_id is None else cast({"organizations": [str(organization_id)]}, JSONB)
        asked = _texts(words), _texts(_addresses(text)), "any", inside_of, "best", False
        found = func.portal_find_users(*asked, None, None, most).table_valued("id", "rank", with_ordinality="place")
        keys = found.render_derived()
        people = select(User).join(keys, keys.c.id == User.id).order_by(keys.c.place)
    else:
        inside = () if organization_id is None else (User.organization_id == organization_id,)
        people = select(User).where(*inside).order_by(User.sort_name.collate("C"), User.id).limit(most)
    return list(db.session.scalars(people))


def status() -> ColumnElement[str]:
    """The state of a person in words, as users/states.py shows it, for statements that outer-join the organization."""
    is_open = and_(User.invited_at.is_not(None), User.accepted_at.is_(None))
    return case(
        (User.deleted_at.is_not(None), "Deleted"),
        (in_deleted_organization(), "Organization deleted"),
        (~User.is_active, "Deactivated"),
        (~is_not_expired(), "Expired"),
        (and_(is_open, has_invitation("revoked")), "Invitation revoked"),
        (and_(is_open, has_invitation("expired")), "Invitation expired"),
        (is_open, "Invited"),
        else_="Active",
    )


@cache
def people() -> Rows:
    """The columns of a list of people. The name of a deleted organization is empty, unless run with_deleted."""
    name = func.coalesce(Organization.name, "").label("organization_name")
    gone = in_deleted_organization().label("organization_deleted")
    return select(*COLUMNS, name, SLUG, gone).outerjoin(Organization, Organization.id == User.organization_id)


def in_deleted_organization() -> ColumnElement[bool]:
    """A condition for statements that outer-join the organization."""
    lost = and_(User.organization_id.is_not(None), Organization.id.is_(None))
    return or_(lost, Organization.deleted_at.is_not(None))


def by_id(user_id: uuid.UUID) -> Select[User]:
    return select(User).where(User.id == user_id)


def reached_by(actor: Actor, user_id: uuid.UUID) -> Select[User]:
    """The person, if this actor can see them. For changes that the system makes on the actor's behalf."""
    return by_id(user_id) if actor.is_unlimited else by_id(user_id).where(User.visible_to(actor))


def by_email(email: str) -> Select[User]:
    """The active person with this address, regardless of case."""
    return select(User).where(func.lower(User.email) == func.lower(email))


def deleted_by_email(email: str) -> Select[User]:
    """The most recently deleted person with this address, regardless of case. Run it with_deleted."""
    gone = select(User).where(func.lower(User.email) == func.lower(email), User.deleted_at.is_not(None))
    return gone.order_by(User.deleted_at.desc().nulls_last()).limit(
        1
    )  # an order that no index has: emails are looked up


def taken_elsewhere(ids: Collection[uuid.UUID], actor: Actor) -> Select[uuid.UUID]:
    """Those deleted people whose address an active person has whom the actor can't see. Run it with_deleted."""
    other = aliased(User)
    hidden = or_(other.organization_id.is_distinct_from(actor.organization_id), other.role == Role.SUPER_ADMIN)
    same = func.lower(other.email) == func.lower(User.email)
    holder = select(literal(1)).where(same, other.deleted_at.is_(None), hidden)
    mine = among(User.id, ids), User.deleted_at.is_not(None), User.organization_id == actor.organization_id
    return select(User.id).where(*mine, holder.exists())


def super_admins() -> Select[uuid.UUID]:
    """All super administrators, in a fixed order, for locking."""
    return select(User.id).where(User.role == Role.SUPER_ADMIN).order_by(User.id)


def active_super_admins() -> Select[uuid.UUID]:
    """Super administrators who can sign in, and whose account doesn't expire."""
    able = User.role == Role.SUPER_ADMIN, ACCEPTED, User.expires_on.is_(None)
    return select(User.id).where(*able, IN_NO_DELETED_ORGANIZATION)


def active_super_admins_of(organization_id: uuid.UUID) -> Select[User]:
    """The organization's super administrators who can sign in unless it is deleted."""
    inside = User.organization_id == organization_id
    able = inside, User.role == Role.SUPER_ADMIN, ACCEPTED, User.expires_on.is_(None)
    return select(User).where(*able).order_by(User.sort_name, User.id)


def admins_of(organization_id: uuid.UUID, *, besides: uuid.UUID | None = None) -> Select[int]:
    """How many active administrators an organization has, not counting `besides`."""
    inside = User.organization_id == organization_id
    able = select(func.count(User.id)).where(inside, User.role == Role.ADMIN, can_sign_in())
    return able.where(User.id != besides) if besides else able


def admins_to_ask(organization_id: uuid.UUID, most: int) -> Rows:
    """The administrators of an organization who can sign in, most recently signed in first."""
    able = User.organization_id == organization_id, User.role == Role.ADMIN, can_sign_in()
    found = select(User.first_name, User.last_name, User.email).where(*able)
    return found.order_by(last_sign_in.desc(), User.id.desc()).limit(most)


def names_of(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The names of those people whom the actor may see, including deleted ones. Removed colleagues get REMOVED_NAME."""
    wanted = set(ids)
    if not wanted:
        return {}
    found = select(User.id, User.first_name, User.last_name, User.email).where(User.id.in_(wanted))
    rows = db.session.execute(found, execution_options={"with_deleted": True})
    names = {row.id: full_name(row.first_name, row.last_name, row.email) for row in rows}
    return {**dict.fromkeys(removed(wanted - names.keys()), REMOVED_NAME), **names}


def removed(ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the ids whose people were removed for good and belonged to the actor's organization, from its history.

    For actors who see every organization: all of the ids, because they pass only ids without a row.
    """
    actor, wanted = current_actor(), set(ids)
    if not wanted or actor.is_unlimited or actor.organization_id is None:
        return wanted if actor.is_unlimited else set()
    gone = Activity.action == "remove", Activity.table_name == "users", Activity.row_id.in_(wanted)
    found = select(Activity.row_id).where(Activity.organization_id == actor.organization_id, *gone)
    if actor.role is Role.ADMIN:
        return {row_id for row_id in db.session.scalars(found) if row_id}
    with acting_as(SYSTEM):  # USERs can't see others' events, but may see who acted
        return {row_id for row_id in db.session.scalars(found) if row_id}


def colleagues(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The names of those people in the actor's organization. USERs can't see other rows, but may see who acted."""
    actor, wanted = current_actor(), set(ids)
    if not wanted or actor.organization_id is None:
        return {}
    inside = User.organization_id == actor.organization_id, User.role != Role.SUPER_ADMIN
    found = select(User.id, User.first_name, User.last_name, User.email).where(User.id.in_(wanted), *inside)
    with acting_as(SYSTEM):
        rows = db.session.execute(found, execution_options={"with_deleted": True}).all()
    return {row.id: full_name(row.first_name, row.last_name, row.email) for row in rows}
