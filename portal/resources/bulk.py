"""Actions on the selected rows of a list, which resources and relations declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portal.core.actor import current_actor
from portal.core.bulk import BulkChange
from portal.core.policy import Permission, allows

DELETED = "deleted"  # the tab


@dataclass(frozen=True)
class Entry:
    """What has to be entered for an action: a row of another resource, such as a team."""

    table: str
    title: str  # in place of what will be entered, such as "a team"
    none: str = ""  # what an empty entry means, if it can be empty


@dataclass(frozen=True, eq=False)  # each is made once
class BulkAction:
    """An action on rows. In `title` and `done`, {} is their number, such as "3 people", and {entry} what was entered.

    Without a change, it downloads the rows as `kind`.
    """

    name: str
    label: str  # of the button
    icon: str
    title: str  # without a question mark
    done: str
    permission: Permission
    change: Callable[[Any], BulkChange] | None = None  # given the entered row
    kind: str | None = None
    tabs: tuple[str, ...] = ()  # that show it; all but that of deleted rows if empty
    is_risky: bool = False
    is_first: bool = False  # shown beside the menu
    entry: Entry | None = None
    of_all: str = ""  # the label of a button above the list, for all its rows

    def is_offered(self, tab: str) -> bool:
        """Whether the tab shows it to the actor."""
        return self.fits(tab) and allows(current_actor(), self.permission)

    def fits(self, tab: str) -> bool:
        """Whether it makes sense for the rows of this tab."""
        return self.kind is not None or (tab in self.tabs if self.tabs else tab != DELETED)
