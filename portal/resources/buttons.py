"""The buttons beside the list of a resource, as links for the search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from portal.resources.resource import Resource
from portal.web.destinations import page
from portal.web.given import Link


def buttons_of(resource: Resource[Any]) -> Iterator[Link]:
    create = resource.permissions.create
    if not resource.new_form.needs_arguments:
        yield page(f"New {resource.noun}", resource.icon_new, f"{resource.name}.new", create, also="add create")
    for icon, label, endpoint in resource.beside_new:
        yield page(label, icon, endpoint, create)
