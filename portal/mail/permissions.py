"""The permission to read the outbox, and to see which emails failed."""

from __future__ import annotations

from portal.core.policy import SUPER_ADMINS, Permission

OUTBOX_READ = Permission("outbox:read", SUPER_ADMINS, "Read the demo’s outbox, and see which emails failed")
