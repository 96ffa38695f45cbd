"""Permissions for organizations."""

from __future__ import annotations

from portal.core.policy import ADMINS, SUPER_ADMINS, Permission, Permissions

ORGANIZATIONS_LIST = Permission("organizations:list", SUPER_ADMINS, "List all organizations")
ORGANIZATIONS_READ = Permission("organizations:read", ADMINS, "Read organizations")
ORGANIZATIONS_CREATE = Permission("organizations:create", SUPER_ADMINS, "Create organizations")
ORGANIZATIONS_WRITE = Permission("organizations:write", ADMINS, "Change organizations")
ORGANIZATIONS_DELETE = Permission("organizations:delete", SUPER_ADMINS, "Delete organizations")
ORGANIZATIONS_RENAME_SLUG = Permission("organizations:slug", SUPER_ADMINS, "Change URL names of organizations")
ORGANIZATIONS_LIMIT = Permission("organizations:limit", SUPER_ADMINS, "Limit the seats of organizations")

ORGANIZATIONS = Permissions(
    list=ORGANIZATIONS_LIST,
    read=ORGANIZATIONS_READ,
    create=ORGANIZATIONS_CREATE,
    write=ORGANIZATIONS_WRITE,
    delete=ORGANIZATIONS_DELETE,
    others=(ORGANIZATIONS_RENAME_SLUG, ORGANIZATIONS_LIMIT),
)
