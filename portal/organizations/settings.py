"""Settings of an organization: what each means, and which values it can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from portal.core.actor import SYSTEM, Role, current_actor
from portal.core.counts import number_of
from portal.core.email_addresses import canonical_email, readable_domain
from portal.core.errors import Conflict
from portal.organizations.members import members
from portal.organizations.models import Organization
from portal.web.given import current_settings

ANY_ADMIN, PROTECTED_ADMINS, NO_ADMIN = "", "two-factor", "super"
INVITERS = {
    ANY_ADMIN: "Administrators",
    PROTECTED_ADMINS: "Administrators with two-factor authentication",
    NO_ADMIN: "Only super administrators",
}
NOBODY, ADMINISTRATORS, EVERYBODY = "", "ADMIN", "everybody"
TWO_FACTOR_FOR = {NOBODY: "No one", ADMINISTRATORS: "Administrators", EVERYBODY: "Everyone"}
REQUIRED_OF = {ADMINISTRATORS: (Role.ADMIN,), EVERYBODY: (Role.ADMIN, Role.USER)}
LABELS = {
    "inviters": "Who can invite people",
    "email_domains": "Allowed email domains",
    "two_factor_for": "Two-factor authentication required for",
    "session_hours": "Session length limit (hours)",
    "idle_minutes": "Idle timeout (minutes)",
    "password_minimum": "Minimum password length",
    "seat_limit": "Seats",
}
LOCKING = {"inviters", "email_domains", "two_factor_for"}
LEAST_IDLE, LONGEST_PASSWORD, MOST_SEATS = 5, 64, 10_000_000
MOST_DOMAINS = 20
OWN_TWO_FACTOR = "Set up two-factor authentication for your own account first."
NO_LONGER = "Administrators {}can no longer invite or import people."
OWN_DOMAIN = "Include {}, the domain of your own email address."


def may_invite(role: Role | None, inviters: str | None, *, has_two_factor: bool) -> bool:
    """Whether an organization's setting lets a person with this role invite others."""
    if role is not Role.ADMIN or not inviters:
        return True
    return inviters == PROTECTED_ADMINS and has_two_factor


def needs_two_factor(role: Role | None, two_factor_for: str | None) -> bool:
    """Whether an organization's setting requires a second factor. It never applies to SUPER_ADMINs."""
    return role in REQUIRED_OF.get(two_factor_for or "", ())


def read_domains(text: str) -> str:
    """Domains of email addresses, separated by spaces or commas, as they are stored. ValueError names a wrong one."""
    found = dict.fromkeys(_domain(one) for one in text.replace(",", " ").replace(";", " ").split())
    if len(found) > MOST_DOMAINS:
        raise ValueError(f"Enter at most {MOST_DOMAINS} domains.")
    return " ".join(found)


def _domain(text: str) -> str:
    try:
        return canonical_email(f"a@{text.removeprefix('@')}", current_settings().email_kinds).partition("@")[2]
    except ValueError:
        raise ValueError(f"{text} is not a valid domain. Enter a domain such as example.com.") from None


def shown_domains(stored: str | None) -> str:
    return ", ".join(map(readable_domain, (stored or "").split()))


def check(row: Organization, changes: Mapping[str, Any]) -> None:
    """Raise Conflict for a value that the installation forbids, or that would lock the actor out."""
    for name, problem in problems(row, changes):
        raise Conflict(name, problem)


def problems(row: Organization, changes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Error messages for new values: the column and the message."""
    settings = current_settings()
    idle = int(max(settings.idle_hours, settings.kept_idle_hours) * 60)
    limits = {
        "session_hours": (1, int(settings.session_hours), "Sessions always end after {} hours."),
        "idle_minutes": (LEAST_IDLE, idle, "Unused sessions always end after {} minutes."),
        "password_minimum": (settings.password_minimum, LONGEST_PASSWORD, ""),
        "seat_limit": (1, MOST_SEATS, ""),
    }
    for name, (least, most, why) in limits.items():
        value = changes.get(name)
        if value is not None and not least <= value <= most:
            reason = why.format(f"{most:,}") if value > most else ""
            yield name, f"Enter a number from {least:,} to {most:,}. {reason}".strip()
    if (seats := changes.get("seat_limit")) and seats < (used := members().seats_in(row.id)):
        yield "seat_limit", f"{number_of(used, 'seat is', 'seats are')} in use. Deactivate people first."
    yield from _lockouts(row, changes)


def _lockouts(row: Organization, changes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Values that would lock out the actor, if they belong to the organization."""
    actor = current_actor()
    if actor == SYSTEM or actor.organization_id != row.id or LOCKING.isdisjoint(changes):
        return
    email, has_two_factor = members().oneself()
    if needs_two_factor(actor.role, changes.get("two_factor_for")) and not has_two_factor:
        yield "two_factor_for", OWN_TWO_FACTOR
    if changes.get("inviters") and not may_invite(actor.role, changes["inviters"], has_two_factor=has_two_factor):
        yield "inviters", OWN_TWO_FACTOR
    domain = email.rpartition("@")[2].lower()
    if changes.get("email_domains") and domain not in changes["email_domains"].split():
        yield "email_domains", OWN_DOMAIN.format(readable_domain(domain))


def consequences(row: Organization, changes: Mapping[str, Any]) -> Iterator[str]:
    """What new values mean for existing people, as sentences to confirm."""
    required = REQUIRED_OF.get(changes.get("two_factor_for") or "", ())
    added = [one for one in required if not needs_two_factor(one, row.two_factor_for)]
    if added and (missing := members().unprotected_in(row.id, added)):
        have, they = ("has", "sets") if missing == 1 else ("have", "set")
        people = number_of(missing, "person", "people")
        yield f"{people} {have} no second factor. They can’t do anything else until they {they} one up."
    if changes.get("inviters"):
        yield NO_LONGER.format("without a second factor " if changes["inviters"] == PROTECTED_ADMINS else "")
    if changes.get("email_domains"):
        yield "People at other domains can still sign in. New people and changed addresses need an allowed domain."
    if _is_shorter(changes, row, "session_hours") or _is_shorter(changes, row, "idle_minutes"):
        yield "Sessions that have already exceeded the new limits end immediately."
    if (changes.get("password_minimum") or 0) > (row.password_minimum or 0):
        yield "Existing passwords stay valid. The new minimum applies when someone next chooses a password."


def _is_shorter(changes: Mapping[str, Any], row: Organization, name: str) -> bool:
    new, former = changes.get(name), getattr(row, name)
    return new is not None and (former is None or new < former)


def in_words(name: str, value: Any) -> str | None:
    """A setting's value in words; None for the installation's default."""
    if not value:
        return None
    if name == "email_domains":
        return shown_domains(value)
    if name in ("session_hours", "idle_minutes"):
        return number_of(int(value), *(("hour",) if name == "session_hours" else ("minute",)))
    if name == "password_minimum":
        return f"{value} characters"
    return {"inviters": INVITERS, "two_factor_for": TWO_FACTOR_FOR}.get(name, {}).get(value, str(value))
