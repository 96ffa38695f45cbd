"""The permissions of each role, written out again so that a change is made in two places."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.core.actor import SYSTEM, Actor, Role
from portal.core.keys import uuid7
from portal.core.policy import allows, grantable_roles
from portal.web.given import permissions

ADMIN = {
    "activity:read", "dashboard:read", "jobs:read", "jobs:write", "organizations:read", "organizations:write",
    "saved_views:delete", "saved_views:read", "saved_views:write", "teams:delete", "teams:read", "teams:write",
    "users:delete", "users:invite", "users:read", "users:view_as", "users:write",
}  # fmt: skip
SUPER_ADMIN = ADMIN | {
    "brand:write", "outbox:read", "data_browser:read",
    "organizations:create", "organizations:delete", "organizations:limit", "organizations:list", "organizations:slug",
    "users:any_tenant", "records:purge",
}  # fmt: skip


@pytest.mark.parametrize(
    ("role", "expected"), [(Role.USER, set()), (Role.ADMIN, ADMIN), (Role.SUPER_ADMIN, SUPER_ADMIN)]
)
def test_ac1_each_role_has_exactly_these_permissions(app: Flask, role: Role, expected: set[str]) -> None:
    actor = Actor(uuid7(), role)

    assert {name for name, one in permissions.of(app).items() if allows(actor, one)} == expected


def test_the_system_has_every_permission(app: Flask) -> None:
    assert all(allows(SYSTEM, permission) for permission in permissions.of(app).values())


def test_ac7_nobody_can_grant_a_role_above_their_own() -> None:
    power = list(Role)
    for role in Role:
        for given in grantable_roles(Actor(uuid7(), role)):
            assert power.index(given) <= power.index(role)
    assert grantable_roles(Actor(uuid7(), Role.USER)) == ()
