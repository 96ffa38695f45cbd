"""Who may do what? One table, to be reviewed as a whole."""

from __future__ import annotations

from enum import StrEnum

from portal.core.actor import Actor, Role


class Permission(StrEnum):
    """`resource:action`."""

    ACTIVITY_READ = "activity:read"
    BROWSER_READ = "browser:read"
    DASHBOARD_READ = "dashboard:read"
    ORGANIZATIONS_CREATE = "organizations:create"
    ORGANIZATIONS_DELETE = "organizations:delete"
    ORGANIZATIONS_LIST = "organizations:list"
    ORGANIZATIONS_READ = "organizations:read"
    ORGANIZATIONS_RENAME_SLUG = "organizations:slug"
    ORGANIZATIONS_WRITE = "organizations:write"
    OUTBOX_READ = "outbox:read"
    USERS_ANY_TENANT = "users:any_tenant"
    USERS_DELETE = "users:delete"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"


_ADMIN = frozenset(
    {
        Permission.ACTIVITY_READ,
        Permission.DASHBOARD_READ,
        Permission.ORGANIZATIONS_READ,
        Permission.ORGANIZATIONS_WRITE,
        Permission.USERS_DELETE,
        Permission.USERS_READ,
        Permission.USERS_WRITE,
    }
)

TABLE: dict[Role, frozenset[Permission]] = {
    Role.USER: frozenset(),
    Role.ADMIN: _ADMIN,
    Role.SUPER_ADMIN: frozenset(Permission),
}

GRANTABLE: dict[Role, tuple[Role, ...]] = {
    Role.USER: (),
    Role.ADMIN: (Role.USER, Role.ADMIN),
    Role.SUPER_ADMIN: (Role.USER, Role.ADMIN, Role.SUPER_ADMIN),
}


def allows(actor: Actor, permission: Permission) -> bool:
    """Whether the actor's role holds the permission. The system holds all."""
    return actor.role is None or permission in TABLE[actor.role]


def grantable_roles(actor: Actor) -> tuple[Role, ...]:
    """The roles that the actor may give to a person."""
    return tuple(Role) if actor.role is None else GRANTABLE[actor.role]
