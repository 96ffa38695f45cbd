"""Lists begin at a name, the beginning of one, or a day, over HTTP."""

from __future__ import annotations

import re
import string
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from portal.core.batch import create_many
from portal.core.db import command
from portal.users.models import User
from tests.acting import acting
from tests.cast import Person, SignIn, Tenant, page_client
from tests.pages import HTMX, PageClient, names_in

BEGAN = datetime(2025, 3, 1, 12, tzinfo=UTC)


@command
def fill(tenant: Tenant) -> None:
    """Two people for each initial, created on consecutive days."""
    initials = [(n, initial) for n, initial in enumerate(string.ascii_uppercase)]
    create_many(
        User,
        [
            {
                "email": f"{initial}{m}@example.com",
                "first_name": f"No{m}",
                "last_name": f"{initial}müller" if m else f"{initial}eber",
                "organization_id": tenant.id,
                "created_at": BEGAN + timedelta(days=n, minutes=m),
            }
            for n, initial in initials
            for m in (0, 1)
        ],
    )


@pytest.fixture
def filled(app: Flask, acme: Tenant, ada: Person, root: Person) -> Flask:
    with acting(app):
        fill(acme)
    return app


def link(page: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    assert found
    return found.group(1).replace("&amp;", "&")


@pytest.mark.parametrize("who", ["root", "ada"])
@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("sort=name&at=m", "No0 Meber"), ("sort=name&at=M", "No0 Meber"), ("sort=name&at=mmu", "No1 Mmüller"),
        ("sort=name&at=MMÜLLER", "No1 Mmüller"), ("sort=name&at=zz", "No0 Zeber"), ("sort=-name&at=m", "No1 Mmüller"),
        ("sort=-name&at=Meb", "No0 Meber"), ("sort=created_at&at=2025-03-05", "No0 Eeber"),
        ("sort=-created_at&at=2025-03-05", "No1 Emüller"), ("at=2025-03-02", "No1 Bmüller"),
        ("sort=name&at=k&q=example", "No0 Keber"),
    ],
)  # fmt: skip
def test_a_list_begins_there_and_continues_both_ways(
    filled: Flask, root: Person, ada: Person, who: str, query: str, first: str
) -> None:
    client = page_client(filled, {"root": root, "ada": ada}[who])
    for headers in ({}, HTMX):
        page = client.get(f"/users/?{query}", headers=headers).text
        names = names_in(page)
        if "at=zz" in query:  # nobody comes after it, so the last page is shown
            assert first in names
            continue
        assert names[0] == first
        assert 'class="error refused"' not in page
    if "at=zz" not in query:
        before = names_in(client.get(link(page, "prev")).text)
        assert before
        assert names[0] not in before
        assert names_in(client.get(link(client.get(link(page, "prev")).text, "next")).text)[: len(names)] == names


@pytest.mark.parametrize("at", ["tomorrow", "2025-13-01", "99999-01-01", "%00", "%C3%28", "0", "-1", "é" * 300, "%25_"])
def test_unknown_places_are_reported_and_never_fail(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, at: str
) -> None:
    sign_in(ada)

    for sort in ("name", "-name", "created_at", "-last_sign_in_at", "role"):
        page = client.get(f"/users/?sort={sort}&at={at}")
        assert page.status_code in (200, 400)
        if page.status_code == 200 and sort != "name" and sort != "-name":
            assert 'id="at-error"' in page.text
            assert set(names_in(page.text)) == {ada.name, uma.name}


def test_the_page_of_filters_asks_for_what_the_order_can_begin_at(
    client: PageClient, sign_in: SignIn, root: Person, ada: Person
) -> None:
    sign_in(root)

    for path in ("/users/filters?sort=name", "/organizations/filters", "/teams/filters"):
        page = client.get(path).text
        assert "Begin at this name or its beginning" in " ".join(page.split())
        assert 'id="begin-at"' in page
    assert re.search(r'type="date" id="begin-at"', client.get("/users/filters").text)
    assert 'name="at"' not in client.get("/users/filters?sort=role").text


def test_selecting_all_rows_of_a_page_that_begins_in_the_middle_selects_these(filled: Flask, ada: Person) -> None:
    page = page_client(filled, ada).get("/users/?sort=name&at=m").text

    assert 'action="/users/selection?sort=name&amp;at=m"' in page
    assert uuid.UUID(re.findall(r'name="id" value="([^"]+)"', page)[0])
