"""How does a letter get on its way?"""

from __future__ import annotations

import uuid


def send_later(kind: str, user_id: uuid.UUID) -> None:
    """Have a letter of this kind written and sent to a person, if the transaction of the caller is committed."""
