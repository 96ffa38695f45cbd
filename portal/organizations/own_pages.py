"""Links for the search to pages of the actor's own organization."""

from __future__ import annotations

from functools import partial

from portal.organizations.permissions import ORGANIZATIONS_WRITE
from portal.web.destinations import page

_own = partial(page, permission=ORGANIZATIONS_WRITE, is_own=True)

OWN_PAGES = (
    _own(
        "Organization settings",
        "adjustments-horizontal",
        "organizations.settings",
        also="invitations domains two-factor sessions password seats",
    ),
    _own("Inactive people", "user-off", "inactivity.edit", also="rule deactivate"),
)
