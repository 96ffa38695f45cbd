"""An organization chooses only once what the columns of its files mean."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.core.clock import now
from portal.imports import commands
from portal.imports.models import Import
from tests.acting import acting
from tests.cast import Builder, Person, page_client
from tests.imports.test_views import settings, upload, verdicts
from tests.pages import PageClient, text_of

FILE = "Kontakt;Rufname;Gruppe\none@example.com;Ann;7\n"
SAYS = "The settings are those of people.csv, an earlier file with the same headings."


@pytest.fixture
def ours(app: Flask, ada: Person) -> PageClient:
    client = page_client(app, ada)
    import_id = upload(client, FILE)
    assert SAYS not in text_of(client.get(f"/imports/{import_id}/").text)
    settings(client, import_id, **{"column-1": "first_name", "overwrite-first_name": "on", "invites": "on"})
    return client


def read_again(app: Flask, client: PageClient, text: str = FILE, name: str = "next.csv") -> tuple[Import, bool]:
    """The import of a file, and whether its page names the earlier file."""
    import_id = upload(client, text, name)
    says = SAYS in text_of(client.get(f"/imports/{import_id}/").text)
    one: Import = Builder(app).read(Import, import_id)
    return one, says


def test_a_file_with_the_same_headings_is_read_as_the_last_one(app: Flask, ours: PageClient) -> None:
    one, says = read_again(app, ours, FILE.replace("one", "two"))

    assert says
    assert one.fields == ["email", "first_name", ""]
    assert (one.options["overwrites"], one.options["invites"]) == (["first_name"], True)
    assert verdicts(app, one.id) == {"create": 1}
    settings(ours, one.id, **{"column-1": "last_name", "invites": None})
    latest, _ = read_again(app, ours)
    assert (latest.fields, latest.options["invites"]) == (["email", "last_name", ""], False)
    assert read_again(app, ours, FILE.replace("Gruppe", "Team"))[1] is False
    assert read_again(app, ours, "one@example.com;Ann;7\n")[1] is False


def test_corrected_rows_are_read_like_the_file_that_they_are_from(app: Flask, ours: PageClient) -> None:
    one, says = read_again(app, ours, "Kontakt;Rufname;Gruppe;Reason\nbad@example.com;Ann;7;Email: no @.\n")

    assert (one.fields, says) == (["email", "first_name", "", ""], True)


def test_organizations_and_system_administrators_remember_on_their_own(
    app: Flask, ours: PageClient, bea: Person, root: Person
) -> None:
    for person in (bea, root):
        one, says = read_again(app, page_client(app, person))
        assert (one.fields, says) == (["email", "", ""], False)


def test_columns_are_remembered_after_files_are_removed(app: Flask, ours: PageClient) -> None:
    older, _ = read_again(app, ours)
    with acting(app):
        assert commands.remove_old(now()) == 2
        assert commands.remove_old(now()) == 0

    one, _ = read_again(app, ours)

    assert one.fields == ["email", "first_name", ""]
    assert ours.get(f"/imports/{older.id}/").status_code == 404
    assert str(older.id) not in ours.get("/imports/").text
    with acting(app):
        assert commands.remove_old(now()) == 2  # the older one, too, because the newer one is remembered
