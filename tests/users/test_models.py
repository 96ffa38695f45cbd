"""Names of people, and who can change whom."""

from __future__ import annotations

import pytest

from portal.core.actor import SYSTEM, Actor, Role
from portal.core.keys import uuid7
from portal.users.models import User, full_name


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [("Ada", "Okafor", "Ada Okafor"), ("Ada", None, "Ada"), (None, "Okafor", "Okafor"),
     (None, None, "a@x.org"), ("", "", "a@x.org")],
)  # fmt: skip
def test_the_name_of_a_person_falls_back_to_the_email_address(
    first: str | None, last: str | None, expected: str
) -> None:
    assert full_name(first, last, "a@x.org") == expected
    assert User(first_name=first, last_name=last, email="a@x.org").name == expected


@pytest.mark.parametrize("role", Role)
def test_ac6_only_super_admins_and_the_system_can_change_a_super_admin(role: Role) -> None:
    home = uuid7()
    actor = Actor(uuid7(), role, home)
    other = User(email="a@x.org", role=Role.SUPER_ADMIN, organization_id=home)

    assert other.may_be_changed_by(actor) is (role is Role.SUPER_ADMIN)
    assert other.may_be_changed_by(SYSTEM)


def test_a_user_cannot_change_anyone() -> None:
    user = User(email="a@x.org", role=Role.USER)

    assert not user.may_be_changed_by(Actor(uuid7(), Role.USER))


def test_ac8_an_admin_can_write_only_rows_of_their_organization_below_super_admin() -> None:
    home = uuid7()
    admin = Actor(uuid7(), Role.ADMIN, home)
    cases = [
        (home, Role.USER, True),
        (home, Role.ADMIN, True),
        (home, Role.SUPER_ADMIN, False),
        (uuid7(), Role.USER, False),
    ]

    for organization, role, expected in cases:
        user = User(id=uuid7(), email="a@x.org", role=role, organization_id=organization)
        assert user.is_writable_by(admin) is expected


def test_ac7_a_user_can_write_only_their_own_row_with_the_same_role_and_tenant() -> None:
    home, key = uuid7(), uuid7()
    me = Actor(key, Role.USER, home)

    assert User(id=key, email="a@x.org", role=Role.USER, organization_id=home).is_writable_by(me)
    assert not User(id=key, email="a@x.org", role=Role.ADMIN, organization_id=home).is_writable_by(me)
    assert not User(id=key, email="a@x.org", role=Role.USER, organization_id=uuid7()).is_writable_by(me)
    assert not User(id=uuid7(), email="a@x.org", role=Role.USER, organization_id=home).is_writable_by(me)
