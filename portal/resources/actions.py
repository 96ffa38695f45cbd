"""Actions recorded by the pages of every resource, besides changes of rows."""

from __future__ import annotations

from portal.core.actions import Action

EXPORT = Action(
    "export", "downloaded a list", "Downloaded a list", "download", verb_with="downloaded {rows}", worded=str
)

ACTIONS = (EXPORT,)
