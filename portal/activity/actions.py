"""Actions that every table has, and those on the history itself. Triggers and SQL functions write them."""

from __future__ import annotations

from portal.core.actions import Action
from portal.resources.resource import resources
from portal.web.given import actions

CREATE = Action("create", "created", "Created", "plus")
UPDATE = Action("update", "changed", "Changed")  # which fields: portal/resources/resource.py: Resource.wording
DELETE = Action("delete", "deleted", "Deleted", "trash")
RESTORE = Action("restore", "restored", "Restored", "arrow-back-up")
REMOVE = Action("remove", "removed for good", "Removed for good", "trash")
OF_ROWS = (CREATE, UPDATE, DELETE, RESTORE, REMOVE)

ERASE = Action("erase", "erased the values in the history of", "Erased values", "trash")
PRUNE = Action("prune", "removed old events from the history", "Pruned the history", "trash")

ACTIONS = (*OF_ROWS, ERASE, PRUNE)


def labels() -> list[tuple[str, str]]:
    """The names and labels of all actions: those of rows first, then the others by label."""
    others = sorted((one for one in actions().values() if one not in OF_ROWS), key=lambda one: one.label)
    return [(one.name, one.label) for one in (*OF_ROWS, *others)]


def fields() -> dict[str, str]:
    """The labels of all resources' columns that people see, by column name."""
    return {name: label for one in resources().values() for name, label in one.labels.items()}
