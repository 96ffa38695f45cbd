"""Turn the cells of a row into the values of a person, or name the cell that can't be used."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.core.actor import Role
from portal.core.email_addresses import canonical_email
from portal.core.text import has_control, tidy
from portal.imports.words import FIELDS, rank_of, yes_or_no
from portal.users.forms import LONGEST_EMAIL, LONGEST_NAME
from portal.web.csv import as_written

NOT_GRANTABLE = "Role: you can't grant the role {}."


@dataclass(frozen=True)
class Parser:
    """Reads the rows of one import. `homes` are the organizations that the actor can name, by slug."""

    headings: Sequence[str]
    fields: Sequence[str]
    roles: Collection[Role]
    email_kinds: Collection[str]
    homes: Mapping[str, uuid.UUID]
    home: uuid.UUID | None

    def values(self, cells: Sequence[str]) -> dict[str, Any]:
        """The values by column; `fault` is a sentence if a cell can't be used."""
        found: dict[str, Any] = dict.fromkeys(("email", "first_name", "last_name", "fault"))
        found |= {"role": Role.USER, "is_active": True, "home_id": self.home}
        try:
            found |= self._read(self._texts(cells))
        except ValueError as error:
            found["fault"] = str(error)
        return found

    def _texts(self, cells: Sequence[str]) -> dict[str, str]:
        """The text of each field. An address comes from the first column that has one."""
        places = [place for place, field in enumerate(self.fields) if field and place < len(cells) and cells[place]]
        places.sort(key=lambda place: rank_of(self.headings[place]))
        texts: dict[str, str] = {}
        for place in places:
            texts.setdefault(self.fields[place], as_written(cells[place]))
        return texts

    def _read(self, texts: Mapping[str, str]) -> dict[str, Any]:
        first, last = self._names(texts)
        values: dict[str, Any] = {"email": self._email(texts.get("email", "")), "first_name": first, "last_name": last}
        if role := texts.get("role"):
            values["role"] = self._role(role)
        for name, meaning in (("is_active", True), ("is_blocked", False)):
            if text := texts.get(name):
                said = yes_or_no(text)
                if said is None:
                    raise ValueError(f"{FIELDS[name]}: “{text[:40]}” is neither yes nor no.")
                values["is_active"] = said is meaning
        if slug := texts.get("organization"):
            values["home_id"] = self._home(slug)
        return values

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
            raise ValueError(f"Organization: there is no organization with the URL name “{slug[:40]}”.")
        return key
