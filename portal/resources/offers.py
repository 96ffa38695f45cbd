"""What a list offers when a search finds nothing: another spelling, and rows of other resources."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from portal.core.actor import current_actor
from portal.core.counts import Count
from portal.core.db import db
from portal.core.listing import Listing
from portal.core.policy import allows
from portal.core.spelling import corrections
from portal.resources.resource import Resource, resources

GROUPS = 2  # rows of each other resource


@dataclass(frozen=True)
class Offer:
    """A link with its label. Rows of other resources have a number of rows of the list, and the URL of these."""

    label: str
    url: str
    kind: str = ""  # the noun of the other resource
    count: Count | None = None
    count_url: str = ""


def searched() -> list[Resource[Any]]:
    """The resources whose rows the actor may read."""
    return [one for one in resources().values() if allows(current_actor(), one.permissions.read)]


def correction(resource: Resource[Any], q: str, listed: Callable[[str], Listing]) -> Offer | None:
    """The same search in another spelling, with which the list isn't empty. `listed` makes the list of a text."""
    for text in corrections(resource.name, q):
        listing = listed(text)
        url = listing.url
        if row := db.session.execute(listing.after(None, 1), execution_options=listing.options).first():
            return Offer(_as_written(text, resource.title_of(row)), url)
    return None


def groups(resource: Resource[Any], q: str) -> Iterator[Offer]:
    """Rows of other resources that match the search and have rows of this list, such as an organization its people."""
    for other in searched():
        column = next((one for one in other.columns if one.kind == "number"), None)
        if other is resource or column is None:
            continue
        listing = other.listing({"q": q}, other.url("index"), {})
        for row in db.session.execute(listing.after(None, GROUPS), execution_options=listing.options):
            count, url = column.of(row)
            if url.startswith(resource.url("index")):
                yield Offer(_named(other, row), other.url("show", row.id), other.noun, count, url)


def _named(resource: Resource[Any], row: Any) -> str:
    """With the organization, for actors who see rows with the same name in several."""
    organization = getattr(row, "organization_name", "") if current_actor().is_unlimited else ""
    return f"{resource.title_of(row)} ({organization})" if organization else resource.title_of(row)


def _as_written(text: str, title: str) -> str:
    """The text, with words spelled as in the title of a row that it found: `müller` for `muller`."""
    written = {_plain(word): word for word in title.split()}
    return " ".join(written.get(_plain(word), word) for word in text.split())


def _plain(word: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(sign))
