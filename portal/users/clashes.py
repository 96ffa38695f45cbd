"""Whose is an address that is taken, as far as the actor may know, and who looks for such addresses?"""

from __future__ import annotations

from contextlib import suppress

from portal.core import history, throttle
from portal.core.actor import SYSTEM, current_actor
from portal.core.db import acting_as, db
from portal.core.errors import Conflict, Throttled
from portal.users import queries
from portal.web.throttle import of_foreign_addresses

KEY = "users_email_key"
ADDRESS_TAKEN_ELSEWHERE = "This address can't be used here; ask your system administrator."
TOO_MANY_ELSEWHERE = "Too many addresses that can't be used here; wait a while, or ask your system administrator."


def explained(conflict: Conflict, email: str) -> Conflict:
    """Say of a taken address whose it is, as far as the actor may know."""
    if conflict.constraint != KEY:
        return conflict
    holder = db.session.scalar(queries.by_email(email))
    if holder is None:
        history.record("address_refused")
        _count_probe()
    message = f"{holder.name} already uses this address." if holder else ADDRESS_TAKEN_ELSEWHERE
    return Conflict("email", message, constraint=conflict.constraint)


def check_free(email: str) -> None:
    """Conflict where the address is somebody's, whoever's."""
    db.session.rollback()  # no connection waits for another
    with acting_as(SYSTEM):
        if db.session.scalar(queries.by_email(email)):
            raise Conflict("email", ADDRESS_TAKEN_ELSEWHERE, constraint=KEY)


def _count_probe() -> None:
    """An address that is in use elsewhere was asked for: more than a few mean that somebody looks for them."""
    actor = current_actor()
    if actor.id is not None:
        with acting_as(SYSTEM), suppress(Throttled):
            throttle.attempt(of_foreign_addresses(actor.id))


def stop_probing() -> None:
    """Conflict for whoever did that too often, whatever they ask for now: else the answers would differ."""
    actor = current_actor()
    if actor.is_unlimited or actor.id is None:
        return
    db.session.rollback()  # no connection waits for another
    with acting_as(SYSTEM):
        if throttle.wait(of_foreign_addresses(actor.id)):
            raise Conflict("email", TOO_MANY_ELSEWHERE)
