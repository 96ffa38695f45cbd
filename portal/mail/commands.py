"""How does a letter get on its way?"""

from __future__ import annotations

import uuid

from sqlalchemy import func, select

from portal.core.db import command, db

KINDS = frozenset(
    {
        "invitation",
        "password_reset",
        "verification",
        "replay",
        "password_changed",
        "email_changed",
        "second_factor_added",
        "second_factor_removed",
        "second_factor_reset",
        "recovery_codes_renewed",
        "recovery_code_used",
    }
)


@command
def send_later(kind: str, user_id: uuid.UUID) -> None:
    """Have a letter of this kind written and sent to a person, if the transaction of the caller is committed.

    Of a changed address the job names the event too, which knows the former one.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no letter of the kind {kind}")
    db.session.flush()
    db.session.execute(select(func.portal_send_later(kind, user_id)))
