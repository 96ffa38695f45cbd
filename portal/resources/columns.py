"""The columns of lists, and what their cells show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from portal.core.actor import current_actor
from portal.core.listing import Listing
from portal.core.policy import Permission, allows

Kind = Literal["title", "text", "time", "dot", "number"]


@dataclass(frozen=True)
class Column:
    """A column of a list.

    Its cells show the row's title, a text, a time, a state (the class of its dot, its label, the meaning of a sign
    beside it, if any) or a number (a Count, and the URL of the list of what it counts).
    """

    name: str  # also the name of the sort, if the tab can be sorted by it
    label: str
    kind: Kind
    value: Callable[[Any], Any] | None = None  # of a row; by default its attribute `name`
    tabs: tuple[str, ...] = ()  # tabs that show it; all if empty
    permission: Permission | None = None  # needed to see the column
    is_minor: bool = False  # hidden on narrow screens unless the list is sorted by it
    is_labeled: bool = False  # phones, which have no headings, show the label before the value
    never: str = ""  # shown instead of a missing time
    is_optional: bool = False  # shown only if somebody chooses it
    read: Callable[[], Any] | None = None  # makes an expression for its value, if the rows of the list don't have it
    exported: tuple[str, ...] = ()  # the headings of its values in downloads, unless it is the label

    @property
    def is_allowed(self) -> bool:
        return self.permission is None or allows(current_actor(), self.permission)

    def is_shown(self, listing: Listing) -> bool:
        return self.is_allowed and (not self.tabs or listing.status in self.tabs)

    @property
    def of(self) -> Callable[[Any], Any]:
        """Gets the value of a row's cell. The title belongs to the whole row."""
        return self.value or attrgetter(self.name)

    def heading(self, listing: Listing) -> tuple[str, bool, str | None, str]:
        """Its label, whether it is minor, the direction in which the list is sorted by it, and the URL that does so."""
        url = listing.sort_url(self.name) if self.name in listing.tab.sorts else ""
        return self.label, self.is_minor, listing.sort_direction(self.name), url

    def phone_label(self, listing: Listing) -> str:
        return self.label if self.is_labeled or listing.sort_direction(self.name) else ""
