"""Links to pages and actions, for the navigation and the search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import url_for

from portal.core.actor import current_actor
from portal.core.policy import Permission, allows
from portal.web.given import Link
from portal.web.urls import path_of


def page(
    label: str,
    icon: str,
    endpoint: str,
    permission: Permission | None = None,
    is_available: Callable[[], bool] = lambda: True,
    *,
    is_own: bool = False,
    **options: Any,
) -> Link:
    """A link for people who have the permission; without one, for everybody who is signed in.

    With `is_own`, to a page of their own organization.
    """

    def target() -> tuple[str, str] | None:
        actor = current_actor()
        if not (permission is None or allows(actor, permission)) or not is_available():
            return None
        if not is_own:
            return label, path_of(endpoint)
        return (label, url_for(endpoint, id=actor.organization_id)) if actor.organization_id else None

    return Link((endpoint.partition(".")[0],), icon, target, **options)
