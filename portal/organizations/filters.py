"""Filters for the list of organizations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, literal, or_, select

from portal.core.counts import estimated
from portal.core.days import on_day, since, until
from portal.core.listing import NOT_A_DAY, Filter, Listing
from portal.organizations.members import members
from portal.organizations.models import Organization, OrganizationSize

PEOPLE, PROTECTED = OrganizationSize.people, OrganizationSize.protected
SIZES: Mapping[str, tuple[str, ColumnElement[bool]]] = {
    "0": ("Nobody", PEOPLE == 0),
    "1-9": ("1 to 9 people", PEOPLE.between(1, 9)),
    "10-99": ("10 to 99 people", PEOPLE.between(10, 99)),
    "100-999": ("100 to 999 people", PEOPLE.between(100, 999)),
    "1000-": ("1,000 people or more", PEOPLE >= 1_000),
}
COVERAGES: Mapping[str, tuple[str, ColumnElement[bool]]] = {
    "none": ("Nobody has two-factor", and_(PEOPLE > 0, PROTECTED == 0)),
    "1-49": ("Less than half have two-factor", and_(PROTECTED > 0, PROTECTED * 2 < PEOPLE)),
    "50-99": ("Half or more have two-factor", and_(PROTECTED * 2 >= PEOPLE, PROTECTED < PEOPLE)),
    "100": ("Everybody has two-factor", and_(PEOPLE > 0, PROTECTED >= PEOPLE)),
}

LOOKED_UP_ABOVE = 2_000  # with more matches, a page is full before many organizations were looked up
SIZED = {"size": SIZES, "coverage": COVERAGES}


def _ranges(label: str, ranges: Mapping[str, tuple[str, ColumnElement[bool]]]) -> Filter:
    """By the number of people who can sign in, or of those with two factors. Several ranges are joined."""

    def any_of(values: Sequence[str]) -> ColumnElement[bool]:
        wanted = or_(false(), *(ranges[value][1] for value in values))
        if estimated(OrganizationSize, [wanted]) > LOOKED_UP_ABOVE:
            own = select(literal(1)).where(OrganizationSize.organization_id == Organization.id, wanted)
            return own.offset(0).exists()  # the offset keeps it from being a join
        # IS TRUE keeps it from being a join: the matches are hashed once, and organizations read in the list's order.
        return Organization.id.in_(select(OrganizationSize.organization_id).where(wanted)).is_(True)

    return Filter(
        lambda value: any_of([value]) if value in ranges else None,
        lambda value, _: ranges[value][0],
        label=label,
        choices=lambda: [(value, text) for value, (text, _) in ranges.items()],
        any_of=any_of,
        is_rare=True,
    )


def count_of(listing: Listing) -> Any:
    """The number of organizations in a list that is filtered only by sizes, or only by administrators; else None."""
    asked = listing.filters
    if not asked or listing.options:
        return None
    if asked.keys() == {"administrators"}:
        keys = members().unadministered().subquery().c.organization_id
        return _counted(keys)
    if asked.keys() - SIZED.keys():
        return None
    wanted = (or_(false(), *(SIZED[name][one][1] for one in asked[name].split(","))) for name in asked)
    return _counted(OrganizationSize.organization_id, *wanted)


def _counted(keys: Any, *conditions: ColumnElement[bool]) -> Any:
    active = keys.not_in(Organization.deleted_keys())
    return select(func.count(keys)).where(*conditions, active).scalar_subquery()


FILTERS: Mapping[str, Filter] = {
    "administrators": Filter(
        lambda value: Organization.id.in_(members().unadministered()) if value == "none" else None,
        lambda *_: "Without an active administrator",
        label="Administrators: any",
        choices=lambda: (("none", "Without an active administrator"),),
    ),
    "size": _ranges("People: any", SIZES),
    "coverage": _ranges("Two-factor authentication: any", COVERAGES),
    "created_from": Filter(
        since(Organization.created_at),
        on_day("Created since"),
        NOT_A_DAY,
        label="Created since",
        is_rare=True,
        sort="-created_at",
    ),
    "created_until": Filter(
        until(Organization.created_at),
        on_day("Created until"),
        NOT_A_DAY,
        label="Created until",
        is_rare=True,
        sort="-created_at",
    ),
}
