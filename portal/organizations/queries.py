"""Queries for organizations. The session adds the conditions for tenant and deletion."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select, true

from portal.core.cursors import moment
from portal.core.db import db
from portal.core.listing import Listing, Rows, Sort, Source, Tab
from portal.core.terms import begins_with, matches, words_of
from portal.organizations.models import Organization

SUGGESTIONS = 10
BY_NAME = Organization.sort_name.collate("C")
NEWEST = {"name": Sort(BY_NAME), "created_at": Sort(Organization.created_at, moment)}
REMOVED = {"deleted_at": Sort(Organization.deleted_at, moment)}
TABS = {
    "active": Tab("Active", true(), NEWEST, "name"),
    "deleted": Tab("Deleted", Organization.deleted_at.is_not(None), REMOVED, "-deleted_at", with_deleted=True),
}
COLUMNS = (
    Organization.id,
    Organization.name,
    Organization.slug,
    Organization.created_at,
    Organization.deleted_at,
)


def listing(arguments: Mapping[str, str], path: str, *columns: Any) -> Listing:
    """The list of organizations for these URL arguments, with additional columns."""
    return Listing(Source(Organization, select(*COLUMNS, *columns), TABS, best=_best), arguments, path)


def _best(listing: Listing) -> Sort:
    return Sort(func.concat(_rank(listing.q), " ", Organization.sort_name).collate("C"))


def _rank(text: str) -> ColumnElement[int]:
    """Rank by exact slug, exact name, beginnings of words, then any other match."""
    return case(
        (Organization.slug == text.lower(), 1),
        (is_called(text), 2),
        (begins_with(Organization.search_text, text), 3),
        else_=4,
    )


def is_called(name: str) -> ColumnElement[bool]:
    """Whether the organization has this name, ignoring case and accents."""
    key = func.split_part(func.portal_sort_key(name), "\x01", 1)
    return and_(key <= BY_NAME, func.concat(key, "\x02") > BY_NAME)


def by_id(organization_id: uuid.UUID) -> Select[Organization]:
    return select(Organization).where(Organization.id == organization_id)


def by_slug(slug: str) -> Select[Organization]:
    return select(Organization).where(Organization.slug == slug)


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
