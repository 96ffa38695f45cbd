"""What is each table, column and act called, where people read of them?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal.core.policy import Permission


@dataclass(frozen=True)
class Words:
    """A table: what one row is, where it is shown, and which columns people know under which name."""

    noun: str
    endpoint: str
    undo: str
    permission: Permission
    labels: Mapping[str, str]


WORDS = {
    "users": Words(
        "person",
        "users.show",
        "activity.undo_person",
        Permission.USERS_WRITE,
        {
            "email": "E-mail",
            "password": "Password",
            "first_name": "First name",
            "last_name": "Last name",
            "role": "Role",
            "is_active": "Active",
            "email_verified": "E-mail verified",
            "must_change_password": "Password is temporary",
            "organization_id": "Organization",
        },
    ),
    "organizations": Words(
        "organization",
        "organizations.show",
        "activity.undo_organization",
        Permission.ORGANIZATIONS_WRITE,
        {"name": "Name", "slug": "Short name"},
    ),
}
FIELDS = {name: label for words in WORDS.values() for name, label in words.labels.items()}

# What a filter calls an act; what a sentence does.
ACTIONS = {
    "create": "Created",
    "update": "Changed",
    "delete": "Deleted",
    "restore": "Restored",
    "remove": "Removed for good",
    "sign_in": "Signed in",
    "sign_in_failed": "Failed to sign in",
    "throttled": "Guessed too often",
    "unlock": "Unlocked",
    "sign_out": "Signed out",
    "refused": "Refused access",
    "address_refused": "Refused address",
    "adopt": "Took over data",
    "erase": "Erased values",
    "prune": "Pruned the history",
}
SIGN_INS = ("sign_in", "sign_in_failed", "throttled", "unlock", "sign_out")

# What a sentence says of a yes or no that became a no, and a yes; and the word between that and whose it is.
TURNS = {
    "is_active": (("deactivated", ""), ("activated", "")),
    "email_verified": (("marked the e-mail as not verified", "for"), ("marked the e-mail as verified", "for")),
    "must_change_password": (("stopped asking for a new password", "of"), ("asked for a new password", "of")),
}

BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "FxiOS": "Firefox", "CriOS": "Chrome",
            "Chrome": "Chrome", "Safari": "Safari"}  # fmt: skip
SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS": "macOS",
           "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip


def browser_of(agent: str) -> str:
    """`Chrome on Linux`; of other programs the name with which they begin."""
    browser = next((name for mark, name in BROWSERS.items() if f"{mark}/" in agent), agent.split("/")[0][:40])
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), None)
    return f"{browser} on {system}" if system else browser
