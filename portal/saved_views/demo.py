"""The demo's saved views."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from portal.organizations.demo import demo_organizations
from portal.resources.demo import Demo, DemoRows
from portal.saved_views.models import OPEN, SavedView

VIEWS = {
    "Administrators": "role=ADMIN&sort=name",
    "Without two-factor": "two_factor=no&sort=name",
    "Never signed in": "last_sign_in=never",
}


def demo_rows(demo: Demo) -> DemoRows:
    """Two views of the list of people, shared in each organization."""
    yield SavedView, [one for tenant in demo_organizations() for one in _views(demo, tenant.id)]


def _views(demo: Demo, organization_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    for name in demo.random.sample(sorted(VIEWS), 2):
        made = demo.record(demo.ago(demo.random.uniform(1, 100)))
        given = {"organization_id": organization_id, "owner_id": None, "sharing": OPEN, "list_name": "users"}
        yield {**made, **given, "name": name, "query": VIEWS[name]}
