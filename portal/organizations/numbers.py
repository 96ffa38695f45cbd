"""How many people have each role in each organization: columns of the list, and a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from portal.core.counts import Count
from portal.organizations.members import members
from portal.resources.columns import Column
from portal.web.urls import path_of

# Labels, and the arguments of the list of people that are counted. Those of a role can sign in, as in that list.
KINDS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "super_admins": ("Super admins", {"role": "SUPER_ADMIN"}),
    "admins": ("Admins", {"role": "ADMIN"}),
    "users": ("Users", {"role": "USER"}),
    "invited": ("Invited", {"status": "invited"}),
    "deactivated": ("Deactivated", {"status": "deactivated"}),
}
BY_ROLE = "people", *KINDS  # the columns of the report


def _column(name: str, label: str, kind: Mapping[str, str]) -> Column:
    """The number of people of this kind, and the list of them."""
    query = urlencode(kind)

    def number(row: Any) -> tuple[Count, str]:
        return Count(getattr(row, name)), f"{path_of('users.index')}?organization={row.id}&{query}"

    def read() -> Any:
        return members().counted(**kind)

    return Column(name, label, "number", number, tabs=("active",), is_labeled=True, is_optional=True, read=read)


NUMBERS = tuple(_column(name, *kind) for name, kind in KINDS.items())


def exported() -> Mapping[str, Any]:
    """The numbers of people in downloads."""
    return {"People": members().counted(), **{label: members().counted(**kind) for label, kind in KINDS.values()}}
