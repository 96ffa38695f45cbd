"""Permissions for saved views. Who may change a shared one, each view decides: `SavedView.may_be_changed_by`."""

from __future__ import annotations

from portal.core.policy import ADMINS, Permission, Permissions

READ = Permission("saved_views:read", ADMINS, "Read saved views")
WRITE = Permission("saved_views:write", ADMINS, "Change saved views")
DELETE = Permission("saved_views:delete", ADMINS, "Delete saved views")
SAVED_VIEWS = Permissions(list=READ, read=READ, create=WRITE, write=WRITE, delete=DELETE)
