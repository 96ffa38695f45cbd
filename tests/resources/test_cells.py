"""The rows of a list as HTML."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import html5lib
import pytest

from portal.core.actor import Actor, Role, bind, unbind
from portal.core.clock import now
from portal.core.counts import Count
from portal.core.listing import Listing
from portal.resources.cells import table_rows
from portal.resources.columns import Column, Kind
from portal.users.permissions import USERS

HOSTILE = "\"'><script>alert(1)</script>{0}{}%s"
LISTING = cast(Listing, SimpleNamespace(status="active", sort_direction=lambda name: None))


def cells_of(kind: Kind, value: Any, **more: Any) -> list[Any]:
    """The cells of a row whose title and subtitle are hostile, as a browser reads them."""
    columns = [Column("name", "Name", "title"), Column("one", "One", kind, lambda row: row.value, **more)]
    row = SimpleNamespace(id=uuid.UUID(int=7), value=value)
    token = bind(Actor(uuid.UUID(int=1), Role.SUPER_ADMIN))
    try:
        rows = table_rows([(row, HOSTILE, HOSTILE)], columns, LISTING, "/things/", USERS)
    finally:
        unbind(token)
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return list(page.parseFragment(f"<table><tbody>{rows}</tbody></table>").iter("td"))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("text", HOSTILE), ("dot", ("dot", HOSTILE, HOSTILE)), ("number", (Count(3), f"/things/?q={HOSTILE}"))],
)
def test_texts_are_escaped_in_every_cell(kind: Kind, value: Any) -> None:
    title, cell, action = cells_of(kind, value)

    assert not [one for td in (title, cell, action) for one in td.iter("script")]
    assert title.find("input").get("aria-label") == f"Select {HOSTILE}"
    assert (title.find("a").text, title.find("small").text) == (HOSTILE, HOSTILE)
    assert title.find("a").get("href") == f"/things/{uuid.UUID(int=7)}"
    assert action.find("a").get("aria-label") == f"Edit {HOSTILE}"


def test_a_cell_shows_a_number_with_its_list_unless_it_is_zero() -> None:
    assert cells_of("number", (Count(3), "/other/"))[1].find("a").get("href") == "/other/"
    assert cells_of("number", (Count(0), "/other/"))[1].text == "0"


def test_a_cell_shows_when_and_the_exact_time_on_hover() -> None:
    at = now()

    known, missing = cells_of("time", at)[1], cells_of("time", None, never="Never")[1]

    assert known.text == "just now"
    assert known.get("title") == f"{at.day} {at:%b %Y, %H:%M} UTC"
    assert (missing.text, missing.get("class")) == ("Never", "quiet")
    (_, old, *_) = cells_of("time", datetime(2020, 3, 4, 16, 3, 10, tzinfo=UTC))
    assert (old.text, old.get("title")) == ("4 Mar 2020", "16:03 UTC")
