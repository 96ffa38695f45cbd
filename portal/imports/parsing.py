"""Turn the cells of a row into the values of a person, or name the cell that can't be used."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.email_addresses import canonical_email
from portal.core.text import has_control, tidy
from portal.imports.dates import day_in
from portal.imports.words import FIELDS, PEOPLE, yes_or_no
from portal.users.forms import LONGEST_EMAIL, LONGEST_NAME

NOT_GRANTABLE = "Role: you can't grant the role {}."
NO_ORGANIZATION = "Organization: there is no organization with the URL name “{}”."


class Values(NamedTuple):
    """A person in a file."""

    email: str
    first_name: str | None
    last_name: str | None
    role: Role | None
    is_active: bool | None
    activates_on: date | None  # in the future
    expires_on: date | None
    home_id: uuid.UUID | None


@dataclass(frozen=True)
class Parser:
    """Reads the rows of one import. `homes` are the organizations that the actor can name, by slug.

    Role, status, names and days that a row doesn't contain are None.
    """

    headings: Sequence[str]
    fields: Sequence[str]
    roles: Collection[Role]
    email_kinds: Collection[str]
    homes: Mapping[str, uuid.UUID]
    home: uuid.UUID | None
    order: str = ""  # of day and month, if the file writes them in an unclear way

    @cached_property
    def _places(self) -> Sequence[tuple[str, int]]:
        """Each field and its column. An address comes from the first column that has one."""
        places = [(field, place) for place, field in enumerate(self.fields) if field]
        return sorted(places, key=lambda one: PEOPLE.rank_of(self.headings[one[1]]))

    def values(self, cells: Sequence[str]) -> Values:
        """The person in a row. Raises ValueError naming the cell that can't be used."""
        texts: dict[str, str] = {}
        for field, place in self._places:
            if place < len(cells) and cells[place] and field not in texts:
                texts[field] = cells[place]
        email = self._email(texts.get("email", ""))
        first, last = self._names(texts)
        role = self._role(texts["role"]) if "role" in texts else None
        home = self._home(texts["organization"]) if "organization" in texts else self.home
        return Values(email, first, last, role, self._status(texts), *self._days(texts), home)

    def _days(self, texts: Mapping[str, str]) -> tuple[date | None, date | None]:
        """The first and last day of access. A first day that has come has no effect."""
        first, last = self._day(texts, "activates_on"), self._day(texts, "expires_on")
        if first and last and last < first:
            raise ValueError(f"{FIELDS['expires_on']}: it is before the first day.")
        return first if first and first > now().date() else None, last

    def _day(self, texts: Mapping[str, str], name: str) -> date | None:
        text = texts.get(name)
        try:
            return day_in(text, self.order, ends=name == "expires_on") if text else None
        except ValueError as error:
            raise ValueError(f"{FIELDS[name]}: {error}.") from None

    def _status(self, texts: Mapping[str, str]) -> bool | None:
        status = None
        for name, meaning in (("is_active", True), ("is_blocked", False)):
            if text := texts.get(name):
                said = yes_or_no(text)
                if said is None:
                    raise ValueError(f"{FIELDS[name]}: “{text[:40]}” is neither yes nor no.")
                status = said is meaning
        return status

    def _email(self, text: str) -> str:
        if not text:
            raise ValueError("Email: this row has no email address.")
        try:
            email = canonical_email(text, self.email_kinds)
        except ValueError as error:
            raise ValueError(f"Email: {error}") from None
        if len(email) > LONGEST_EMAIL:
            raise ValueError(f"Email: use {LONGEST_EMAIL} characters at most.")
        return email

    def _names(self, texts: Mapping[str, str]) -> tuple[str | None, str | None]:
        first, last = (tidy(texts.get(name)) for name in ("first_name", "last_name"))
        if not first and not last and (full := tidy(texts.get("full_name"))):
            before, comma, after = full.partition(",")
            first, _, last = (f"{after.strip()} {before.strip()}" if comma else full).partition(" ")
            if comma:
                first, last = after.strip(), before.strip()
        for label, name in (("First name", first), ("Last name", last)):
            if name and (len(name) > LONGEST_NAME or has_control(name)):
                raise ValueError(f"{label}: use {LONGEST_NAME} characters at most, without control characters.")
        return first or None, last or None

    def _role(self, text: str) -> Role:
        name = text.strip().upper().replace(" ", "_")
        if name not in Role.__members__:
            raise ValueError(f"Role: “{text[:40]}” is not a role. Use User or Admin.")
        if Role[name] not in self.roles:
            raise ValueError(NOT_GRANTABLE.format(Role[name].label))
        return Role[name]

    def _home(self, slug: str) -> uuid.UUID:
        key = self.homes.get(slug.strip().lower())
        if key is None:
            raise ValueError(NO_ORGANIZATION.format(slug[:40]))
        return key
