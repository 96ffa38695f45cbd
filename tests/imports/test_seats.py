"""An import that needs more seats than its organizations have says so before it begins, with numbers."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from portal.core.db import command, db
from portal.organizations.models import Organization
from tests.acting import acting
from tests.cast import Builder, Person, Tenant, page_client
from tests.imports.test_views import PEOPLE, settings, start, upload
from tests.pages import PageClient


@pytest.fixture
def limited(app: Flask, acme: Tenant, birch: Tenant, ada: Person, uma: Person, root: Person) -> PageClient:
    """A SUPER_ADMIN's browser. Acme has three seats, two of them in use; Birch has no limit."""

    @command
    def limit() -> None:
        db.session.execute(update(Organization).where(Organization.id == acme.id).values(seat_limit=3))

    with acting(app):
        limit()
    return page_client(app, root)


def notice(client: PageClient, import_id: Any) -> str:
    page = client.get(f"/imports/{import_id}/").text
    return page.split("Not enough seats")[1].split("</div>")[0] if "Not enough seats" in page else ""


def rows(*people: tuple[str, str, str, str]) -> str:
    lines = (f"{name}@example.com,{slug},{role},{active}\n" for name, slug, role, active in people)
    return "Email,Organization slug,Role,Active\n" + "".join(lines)


def test_the_preview_names_organizations_without_enough_seats(app: Flask, limited: PageClient) -> None:
    acme = [("a", "acme", "", ""), ("b", "acme", "Admin", "yes"), ("c", "acme", "", "")]
    others = [
        ("d", "acme", "", "no"),
        ("e", "acme", "Super admin", ""),
        ("f", "birch", "", ""),
        ("bad", "none", "", ""),
    ]
    import_id = upload(limited, rows(*acme, *others))

    shown = notice(limited, import_id)
    assert "Acme has 3 seats, 2 in use. This needs 3 more, which is 2 too many." in shown
    assert "Birch" not in shown
    assert "allow more seats" in shown
    assert start(app, limited, import_id).state == "failed", "the database refuses it, as the preview says"


def test_an_import_that_fits_says_nothing(app: Flask, limited: PageClient) -> None:
    import_id = upload(limited, rows(("a", "acme", "", ""), ("b", "acme", "", "no")))

    assert notice(limited, import_id) == ""
    assert start(app, limited, import_id).state == "done"
    again = upload(limited, rows(("a", "acme", "", ""), ("c", "acme", "", "")))
    assert "This needs 1 more, which is 1 too many." in notice(limited, again)


def test_people_who_are_activated_need_seats_only_if_their_status_is_overwritten(
    app: Flask, limited: PageClient, build: Builder, acme: Tenant, uma: Person
) -> None:
    for name in ("off", "out"):
        build.person(f"{name}@example.com", tenant=acme, is_active=False)
    import_id = upload(limited, rows(("off", "acme", "", "yes"), ("out", "acme", "", "yes")))

    assert notice(limited, import_id) == ""
    settings(limited, import_id, **{"overwrite-is_active": "y"})
    assert "This needs 2 more, which is 1 too many." in notice(limited, import_id)
    swapped = upload(limited, rows(("off", "acme", "", "yes"), (uma.email.split("@")[0], "acme", "", "no")))
    settings(limited, swapped, **{"overwrite-is_active": "y"})
    assert notice(limited, swapped) == ""


def test_an_admin_sees_only_their_own_organization(app: Flask, limited: PageClient, ada: Person, birch: Tenant) -> None:
    import_id = upload(page_client(app, ada), PEOPLE + "a@example.com,,,,\nb@example.com,,,,\n")

    shown = notice(page_client(app, ada), import_id)
    assert "Acme has 3 seats, 2 in use. This needs 2 more, which is 1 too many." in shown
    assert "ask your system administrator" in shown
