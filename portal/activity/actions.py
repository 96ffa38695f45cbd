"""Actions that every table has, and those on the history itself. Triggers and SQL functions write them."""

from __future__ import annotations

from portal.core.actions import Action

CREATE = Action("create", "created", "Created", "plus")
UPDATE = Action("update", "changed", "Changed")  # which fields: portal/resources/resource.py: Resource.wording
DELETE = Action("delete", "deleted", "Deleted", "trash")
RESTORE = Action("restore", "restored", "Restored", "arrow-back-up")
REMOVE = Action("remove", "removed for good", "Removed for good", "trash")
OF_ROWS = (CREATE, UPDATE, DELETE, RESTORE, REMOVE)

ERASE = Action("erase", "erased the values in the history of", "Erased values", "trash")
PRUNE = Action("prune", "removed old events from the history", "Pruned the history", "trash")

ACTIONS = (*OF_ROWS, ERASE, PRUNE)
