"""Interrupt the transaction that holds an advisory lock, whichever process it belongs to."""

from __future__ import annotations

import time

from sqlalchemy import text

from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db

LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
# The halves of the lock's key are its class and its object.
INTERRUPT = text("""
SELECT count(pg_cancel_backend(pid)) FROM pg_locks, hashtextextended(:name, 0) AS key
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = ((key >> 32) & 4294967295)::oid AND objid = (key & 4294967295)::oid
""")
TRIES, PAUSE = 20, 0.05  # seconds: between two statements, there is nothing to cancel


def lock(name: str) -> None:
    """Wait for the lock of this name, and hold it until the transaction ends."""
    db.session.execute(LOCK, {"name": name})


def interrupt(name: str) -> None:
    """Cancel the running statement of whoever holds the lock, so that the transaction is rolled back."""
    with acting_as(SYSTEM):
        for _ in range(TRIES):
            held = db.session.scalar(INTERRUPT, {"name": name})
            db.session.rollback()
            if not held:
                return
            time.sleep(PAUSE)
