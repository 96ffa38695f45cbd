"""What the columns and cells of people's files mean: the headings of directories and HR systems, and their booleans."""

from __future__ import annotations

import re
from collections.abc import Sequence

FIELDS = {
    "email": "Email",
    "first_name": "First name",
    "last_name": "Last name",
    "full_name": "Full name",
    "role": "Role",
    "is_active": "Active",
    "is_blocked": "Deactivated",
    "organization": "Organization (URL name)",
}
# Headings without spaces and signs, in lowercase. For `email`, the earlier ones are read first.
HEADINGS = {
    "email": (
        "email", "emailaddress", "mail", "workemail", "primaryemail", "emailadresse", "mailadresse", "dienstlicheemail",
        "epost", "courriel", "correo", "login", "userprincipalname", "upn",
    ),
    "first_name": ("firstname", "givenname", "forename", "vorname", "prenom", "prénom", "nombre"),
    "last_name": ("lastname", "surname", "familyname", "nachname", "familienname", "zuname", "apellido", "apellidos"),
    "full_name": ("displayname", "fullname", "name", "vollständigername", "anzeigename"),
    "role": ("role", "rolle", "rôle"),
    "is_active": ("active", "accountenabled", "enabled", "isactive", "status", "aktiv", "kontoaktiviert"),
    "is_blocked": ("blockcredential", "blocksignin", "blocked", "suspended", "deactivated", "disabled", "gesperrt"),
    "organization": ("organizationslug", "organisationslug", "tenant", "mandant"),
}  # fmt: skip
MEANING = {heading: field for field, headings in HEADINGS.items() for heading in headings}
YES = {
    "true", "1", "yes", "y", "ja", "j", "oui", "x", "active", "enabled", "aktiv", "wahr", "member", "admin", "on",
    "invited", "invitation expired", "invitation revoked", "owner",
}  # fmt: skip
NO = {
    "false", "0", "no", "n", "nein", "non", "inactive", "disabled", "deactivated", "suspended", "inaktiv", "falsch",
    "blocked", "gesperrt", "off", "deleted", "organization deleted", "deaktiviert",
}  # fmt: skip
ADDRESS = re.compile(r"[^\s@]@[^\s@]")


class Refused(Exception):
    """The file can't be imported. The message is a sentence for the person who uploaded it."""


class Unclear(Refused):
    """Choosing another encoding, separator or header row may help. Contains the first rows as they were read."""

    def __init__(self, message: str, sample: Sequence[tuple[int, list[str]]] = ()) -> None:
        super().__init__(message)
        self.sample, self.encoding, self.delimiter = sample, "", ""


def email_in(cell: str) -> bool:
    return bool(ADDRESS.search(cell))


def fields_for(headings: Sequence[str]) -> list[str]:
    """The field of each column, empty for those that have none. Only email may come from several columns."""
    fields: list[str] = []
    for heading in headings:
        field = field_for(heading)
        fields.append(field if field == "email" or field not in fields else "")
    return fields


def field_for(heading: str) -> str:
    """The field of a heading: `Work Email`, `First Name [Required]`, `User name [userPrincipalName] Required`."""
    outside, _, rest = heading.partition("[")
    inside = rest.partition("]")[0]
    if _plain(outside).startswith("block"):  # Block sign in (Yes/No) [accountEnabled]
        return "is_blocked"
    return MEANING.get(_plain(inside)) or MEANING.get(_plain(outside)) or ""


def rank_of(heading: str) -> int:
    """Which of several columns with addresses is read first."""
    plain = _plain(heading.partition("[")[0])
    known = HEADINGS["email"]
    return known.index(plain) if plain in known else len(known)


def yes_or_no(cell: str) -> bool | None:
    """None if the cell says neither."""
    plain = cell.strip().lower()
    return True if plain in YES else False if plain in NO else None


def _plain(heading: str) -> str:
    return re.sub(r"[\W_]+", "", heading).lower()
