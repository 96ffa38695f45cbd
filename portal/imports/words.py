"""What the columns and cells of people's files mean: the headings of directories and HR systems, and their booleans."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

FIELDS = {
    "email": "Email",
    "first_name": "First name",
    "last_name": "Last name",
    "full_name": "Full name",
    "role": "Role",
    "is_active": "Active",
    "is_blocked": "Deactivated",
    "activates_on": "First day of access",
    "expires_on": "Last day of access",
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
    "activates_on": (
        "firstdayofaccess", "activateson", "startdate", "contractstartdate", "hiredate", "employeehiredate",
        "joiningdate", "dateofjoining", "joindate", "firstday", "validfrom", "eintrittsdatum", "eintritt",
        "vertragsbeginn", "datedentrée", "datedentree", "datedembauche",
    ),
    "expires_on": (
        "lastdayofaccess", "expires", "expireson", "expiry", "expirydate", "expirationdate", "expirationtimestamp",
        "accountexpires", "accountexpirationdate", "enddate", "contractenddate", "terminationdate", "leavingdate",
        "lastday", "austrittsdatum", "austritt", "vertragsende", "ablaufdatum", "befristetbis", "datedefin",
    ),
    "organization": ("organizationslug", "organisationslug", "tenant", "mandant"),
}  # fmt: skip
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


@dataclass(frozen=True)
class Words:
    """What the columns of a kind of file mean: labels of their fields, and headings by which each is recognized.

    Every file has a column with the `needed` field, `called` so; several columns can have it if its `cells` are
    recognizable.
    """

    needed: str
    called: str
    fields: Mapping[str, str]
    headings: Mapping[str, Sequence[str]]
    cells: re.Pattern[str] | None = None

    @cached_property
    def _meaning(self) -> Mapping[str, str]:
        labels = {_plain(label): field for field, label in self.fields.items()}
        return labels | {heading: field for field, headings in self.headings.items() for heading in headings}

    def found_in(self, cell: str) -> bool:
        """Whether the cell surely is a value of the needed field."""
        return bool(self.cells and self.cells.search(cell))

    def fields_for(self, headings: Sequence[str]) -> list[str]:
        """The field of each column, empty for those that have none."""
        fields: list[str] = []
        for heading in headings:
            field = self.field_for(heading)
            is_new = field not in fields or (self.cells and field == self.needed)
            fields.append(field if is_new else "")
        return fields

    def field_for(self, heading: str) -> str:
        """The field of a heading: `Work Email`, `First Name [Required]`, `User name [userPrincipalName] Required`."""
        outside, _, rest = heading.partition("[")
        inside = rest.partition("]")[0]
        if "is_blocked" in self.fields and _plain(outside).startswith("block"):  # Block sign in [accountEnabled]
            return "is_blocked"
        return self._meaning.get(_plain(inside)) or self._meaning.get(_plain(outside)) or ""

    def rank_of(self, heading: str) -> int:
        """Which of several columns with the needed field is read first."""
        plain = _plain(heading.partition("[")[0])
        known = self.headings[self.needed]
        return known.index(plain) if plain in known else len(known)


PEOPLE = Words("email", "email addresses", FIELDS, HEADINGS, ADDRESS)


def yes_or_no(cell: str) -> bool | None:
    """None if the cell says neither."""
    plain = cell.strip().lower()
    return True if plain in YES else False if plain in NO else None


def _plain(heading: str) -> str:
    return re.sub(r"[\W_]+", "", heading).lower()
