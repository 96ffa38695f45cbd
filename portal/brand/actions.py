"""The action that the trigger `record` of the table writes to the history."""

from __future__ import annotations

from portal.core.actions import Action

BRAND = Action("brand", "changed the branding", "Changed the branding")
