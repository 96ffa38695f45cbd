"""Permissions for people."""

from __future__ import annotations

from portal.core.policy import ADMINS, SUPER_ADMINS, Permission, Permissions

USERS_READ = Permission("users:read", ADMINS, "Read people")
USERS_INVITE = Permission("users:invite", ADMINS, "Invite people", is_to_invite=True)
USERS_WRITE = Permission("users:write", ADMINS, "Change people")
USERS_DELETE = Permission("users:delete", ADMINS, "Delete people")
USERS_ANY_TENANT = Permission("users:any_tenant", SUPER_ADMINS, "Move people to other organizations")
USERS_VIEW_AS = Permission("users:view_as", ADMINS, "View the portal as another person")

USERS = Permissions(
    list=USERS_READ,
    read=USERS_READ,
    create=USERS_INVITE,
    write=USERS_WRITE,
    delete=USERS_DELETE,
    others=(USERS_ANY_TENANT, USERS_VIEW_AS),
)
