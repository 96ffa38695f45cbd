"""Sort rows that belong to organizations by the names of these."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, true

from portal.core.grouping import Group, Owner
from portal.organizations.models import Organization

# PostgreSQL would join deleted organizations, which have no index in this order, and sort everything afterwards,
# unless they are a subquery that has an order.
HOMES: Any = Organization.every_row("home")
_gone = select(HOMES.c.id, HOMES.c.sort_name.collate("C").label("sort_name")).where(HOMES.c.deleted_at.is_not(None))
GONE: Any = _gone.order_by("sort_name", "id").subquery("gone")


def by_organization(key: Any, column: Any, **options: Any) -> tuple[Group, Group]:
    """Rows of organizations by the names of these, then rows of deleted ones. For actors without a tenant."""
    known = Owner(HOMES, HOMES.c.id, HOMES.c.sort_name.collate("C"), key, HOMES.c.deleted_at.is_(None))
    deleted = Owner(GONE, GONE.c.id, GONE.c.sort_name, key, true())
    return Group(true(), column, owner=known, **options), Group(true(), column, owner=deleted, **options)
