"""Queries for organizations. The session adds the conditions for tenant and deletion."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, null, or_, select, true

from portal.core.bulk import among
from portal.core.counts import BOUND
from portal.core.cursors import number
from portal.core.db import db
from portal.core.grouping import Group, Owner
from portal.core.keys import NO_KEY, read_key
from portal.core.listing import NO_FILTERS, Filter, Listing, Rows, Sort, Source
from portal.core.sources import named_tabs
from portal.core.tallies import tally_of
from portal.core.terms import begins_with, is_called, matches, words_of
from portal.organizations.models import Organization, OrganizationSize
from portal.organizations.permissions import ORGANIZATIONS_LIST

SUGGESTIONS = 10
SAME_NAME = 10
BY_NAME = Organization.sort_name.collate("C")
# For lists of rows that belong to an organization. Empty if it is deleted, because another may use the same slug.
SLUG = case((Organization.deleted_at.is_not(None), null()), else_=Organization.slug).label("organization_slug")
_size = Owner(
    OrganizationSize, OrganizationSize.organization_id, OrganizationSize.people, Organization.id, true(), number
)
BY_SIZE = Sort(OrganizationSize.people, groups=(Group(true(), Organization.created_at, owner=_size),))
TABS = named_tabs(Organization, true(), people=BY_SIZE)
COLUMNS = (
    Organization.id,
    Organization.name,
    Organization.slug,
    Organization.created_at,
    Organization.deleted_at,
)


def listing(
    arguments: Mapping[str, str],
    path: str,
    *columns: Any,
    filters: Mapping[str, Filter] = NO_FILTERS,
    count: Callable[[Listing], Any] | None = None,
) -> Listing:
    """The list of organizations for these URL arguments, with further columns and filters."""
    rows = select(*COLUMNS, *columns)
    source = Source(Organization, rows, TABS, filters, best=_best, count=count, tally=tally_of, tallied_to=BOUND)
    return Listing(source, arguments, path)


def _best(listing: Listing) -> Sort:
    return Sort(func.concat(_rank(listing.q), " ", Organization.sort_name).collate("C"))


def _rank(text: str) -> ColumnElement[int]:
    """Rank by exact slug, exact name, beginnings of words, then any other match."""
    return case(
        (Organization.slug == text.lower(), 1),
        (is_called(BY_NAME, text), 2),
        (begins_with(Organization.search_text, text), 3),
        else_=4,
    )


def filter_by(column: Any) -> Filter:
    """Filter rows by their organizations; the rows have an `organization_id` and an `organization_name`."""
    return Filter(
        lambda value: column == (read_key(value) or NO_KEY),
        _called,
        "No organization matches this name, or several do. Choose one of the suggestions.",
        label="Organization",
        suggestions=Organization.__tablename__,
        any_of=lambda values: among(column, [read_key(value) or NO_KEY for value in values]),
        key_of=_key_of,
        permission=ORGANIZATIONS_LIST,
    )


def _key_of(text: str) -> str:
    """The key of the only organization with this name or slug, or else of the only match. Empty if there is none."""
    if not words_of(text):
        return ""
    found = (
        identified_by(text)
        or db.session.scalars(select(Organization).where(*matches(Organization.search_text, text)).limit(2)).all()
    )
    return str(found[0].id) if len(found) == 1 else ""


def _called(value: str, row: Any) -> str:
    key = read_key(value)
    if row is not None and row.organization_id == key and row.organization_name:
        return str(row.organization_name)
    return names_of([key] if key else []).get(key or NO_KEY, "One organization")


def by_id(organization_id: uuid.UUID) -> Select[Organization]:
    return select(Organization).where(Organization.id == organization_id)


def by_slug(slug: str) -> Select[Organization]:
    return select(Organization).where(Organization.slug == slug)


def identified_by(text: str) -> list[Organization]:
    """The organizations that a typed key, slug or name can mean; several if they share the name."""
    slugs = (text, text.lower())
    key = read_key(text)
    wanted = Organization.id == key if key else or_(Organization.slug.in_(slugs), is_called(BY_NAME, text))
    found = db.session.scalars(select(Organization).where(wanted).limit(SAME_NAME)).all()
    exact = [one for one in found if one.name.casefold() == text.casefold()]
    named = [one for one in found if one.slug == text] or [one for one in found if one.slug in slugs]
    return named or exact or list(found)


def suggested(text: str) -> Rows:
    """A few organizations that match the text being typed."""
    found = select(Organization.name, Organization.slug).where(*matches(Organization.search_text, text))
    return found.order_by(_rank(" ".join(words_of(text))), BY_NAME, Organization.id).limit(SUGGESTIONS)


def names_of(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The names of those organizations that the actor may see, including deleted ones."""
    wanted = set(ids)
    if not wanted:
        return {}
    found = select(Organization.id, Organization.name).where(Organization.id.in_(wanted))
    return {row.id: row.name for row in db.session.execute(found, execution_options={"with_deleted": True})}
