"""Is a person called and protected as the model says?"""

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
def test_a_person_is_called_by_name_or_else_by_address(first: str | None, last: str | None, expected: str) -> None:
    assert full_name(first, last, "a@x.org") == expected
    assert User(first_name=first, last_name=last, email="a@x.org").name == expected


@pytest.mark.parametrize("role", Role)
def test_ac6_only_super_admins_and_the_system_change_a_super_admin(role: Role) -> None:
    home = uuid7()
    actor = Actor(uuid7(), role, home)
    other = User(email="a@x.org", role=Role.SUPER_ADMIN, organization_id=home)

    assert other.may_be_changed_by(actor) is (role is Role.SUPER_ADMIN)
    assert other.may_be_changed_by(SYSTEM)


def test_a_user_changes_nobody() -> None:
    user = User(email="a@x.org", role=Role.USER)

    assert not user.may_be_changed_by(Actor(uuid7(), Role.USER))


def test_ac8_who_may_be_left_behind_is_of_the_own_organization_and_no_super_admin() -> None:
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


def test_ac7_a_user_may_leave_behind_the_own_row_as_it_was_alone() -> None:
    home, key = uuid7(), uuid7()
    me = Actor(key, Role.USER, home)

    assert User(id=key, email="a@x.org", role=Role.USER, organization_id=home).is_writable_by(me)
    assert not User(id=key, email="a@x.org", role=Role.ADMIN, organization_id=home).is_writable_by(me)
    assert not User(id=key, email="a@x.org", role=Role.USER, organization_id=uuid7()).is_writable_by(me)
    assert not User(id=uuid7(), email="a@x.org", role=Role.USER, organization_id=home).is_writable_by(me)
