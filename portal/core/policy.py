"""Permissions and the roles that have them. Each feature declares its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from portal.core.actor import Actor, Role

ADMINS = frozenset({Role.ADMIN, Role.SUPER_ADMIN})
SUPER_ADMINS = frozenset({Role.SUPER_ADMIN})

GRANTABLE: dict[Role, tuple[Role, ...]] = {
    Role.USER: (),
    Role.ADMIN: (Role.USER, Role.ADMIN),
    Role.SUPER_ADMIN: (Role.USER, Role.ADMIN, Role.SUPER_ADMIN),
}


@dataclass(frozen=True, order=True)
class Permission:
    """`resource:action`, the roles that have it, and its label as a token scope."""

    name: str
    roles: frozenset[Role]
    label: str
    is_to_invite: bool = False  # organizations can restrict it


PURGE = Permission("records:purge", SUPER_ADMINS, "Delete permanently")


@dataclass(frozen=True)
class Permissions:
    """The permissions of one resource. `others` are those that only this resource has."""

    list: Permission
    read: Permission
    create: Permission
    write: Permission
    delete: Permission
    others: tuple[Permission, ...] = ()
    purge: Permission = PURGE

    @classmethod
    def of(cls, name: str, roles: frozenset[Role]) -> Permissions:
        """The same roles may read, change and delete."""
        read = Permission(f"{name}:read", roles, f"Read {name}")
        write = Permission(f"{name}:write", roles, f"Change {name}")
        return cls(read, read, write, write, Permission(f"{name}:delete", roles, f"Delete {name}"))

    def __iter__(self) -> Iterator[Permission]:
        """All of them."""
        own = self.list, self.read, self.create, self.write, self.delete, *self.others, self.purge
        return iter(dict.fromkeys(own))


def allows(actor: Actor, permission: Permission) -> bool:
    """Whether the actor's role has the permission, and their organization allows it. The system has all."""
    if actor.role is None:
        return True
    return actor.role in permission.roles and (actor.may_invite or not permission.is_to_invite)


def grantable_roles(actor: Actor) -> tuple[Role, ...]:
    """The roles that the actor may give to a person."""
    return tuple(Role) if actor.role is None else GRANTABLE[actor.role]
