"""Links to pages and actions, for the navigation and the search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    **options: Any,
) -> Link:
    """A link for people who have the permission; without one, for everybody who is signed in."""

    def target() -> tuple[str, str] | None:
        is_allowed = permission is None or allows(current_actor(), permission)
        return (label, path_of(endpoint)) if is_allowed and is_available() else None

    return Link((endpoint.partition(".")[0],), icon, target, **options)
