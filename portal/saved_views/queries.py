"""Queries for saved views. The session adds the conditions for tenant, owner and deletion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, func, or_, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by

from portal.core.actor import Role
from portal.core.listing import Filter, Listing, Source
from portal.core.sources import named_tabs
from portal.organizations.models import Organization
from portal.organizations.queries import filter_by
from portal.saved_views.models import OPEN, SavedView
from portal.users.models import User

MOST = 40  # in the navigation
TABS = named_tabs(SavedView, true())
COLUMNS = (
    SavedView.id, SavedView.name, SavedView.list_name, SavedView.sharing, SavedView.created_at, SavedView.updated_at,
    SavedView.deleted_at,
)  # fmt: skip
ORGANIZATION = filter_by(SavedView.organization_id)


def listing(arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter]) -> Listing:
    """The list of saved views for these URL arguments."""
    name = func.coalesce(Organization.name, "").label("organization_name")
    rows = select(*COLUMNS, name).outerjoin(Organization, Organization.id == SavedView.organization_id)
    return Listing(Source(SavedView, rows, TABS, {"organization": ORGANIZATION, **filters}), arguments, path)


def opened_by_user() -> Any:
    """The views that the person of a statement's row of `users` can open, as JSON, for `active` look-ups of sessions.

    Of each view: id, list, name, query, version, and whether the person may change it.
    """
    is_super = User.role == Role.SUPER_ADMIN
    of_super = and_(is_super, SavedView.organization_id.is_(None))
    of_tenant = and_(User.role == Role.ADMIN, SavedView.organization_id == User.organization_id)
    shared = and_(SavedView.owner_id.is_(None), or_(of_super, of_tenant))
    own = and_(SavedView.owner_id == User.id, or_(of_super, of_tenant))
    may = or_(is_super, SavedView.created_by == User.id, SavedView.sharing == OPEN)
    shown = (
        SavedView.id, SavedView.list_name, SavedView.name, SavedView.query, SavedView.version, may.label("may"),
        SavedView.sort_name,
    )  # fmt: skip
    found = select(*shown).where(or_(own, shared)).correlate(User)
    one = found.order_by(SavedView.sort_name.collate("C"), SavedView.id).limit(MOST).subquery().c
    array = func.jsonb_build_array(one.id, one.list_name, one.name, one.query, one.version, one.may)
    return select(func.jsonb_agg(aggregate_order_by(array, one.sort_name.collate("C")))).scalar_subquery()
