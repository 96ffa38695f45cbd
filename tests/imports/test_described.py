"""Imports of resources by their description: organizations and teams, under the rules of their forms."""

from __future__ import annotations

import io
import uuid
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.core.db import db
from portal.core.history import Activity
from portal.imports import uploads
from portal.imports.models import Import, ImportRow
from portal.organizations.commands import organizations
from portal.organizations.forms import WRONG
from portal.organizations.models import Organization
from portal.teams.models import Team
from tests.acting import acting
from tests.cast import Builder, Person, Tenant, page_client
from tests.imports.test_views import reasons, run, settings, start, upload, verdicts
from tests.pages import PageClient, text_of
from tests.selecting import add

NOT_A_SLUG = f"URL name: {WRONG}"
ORGANIZATIONS = "Name,Slug\nNorth Freight,north\nSouth Freight,\n,west\nEast,Not a slug\nAgain,north\n"


@pytest.fixture
def roots(app: Flask, root: Person) -> PageClient:
    return page_client(app, root)


@pytest.fixture
def ours(app: Flask, ada: Person) -> PageClient:
    return page_client(app, ada)


def teams_of(app: Flask, tenant: Tenant) -> dict[str, str | None]:
    with acting(app):
        found = select(Team.name, Team.description).where(Team.organization_id == tenant.id, Team.deleted_at.is_(None))
        return {name: text for name, text in db.session.execute(found)}


def slugs(app: Flask) -> set[str]:
    with acting(app):
        return set(db.session.scalars(select(Organization.slug)))


def test_organizations_are_previewed_imported_and_undone(app: Flask, roots: PageClient, acme: Tenant) -> None:
    before = slugs(app)
    import_id = upload(roots, ORGANIZATIONS, "customers.csv", resource="organizations")

    assert verdicts(app, import_id) == {"create": 2, "refused": 3}
    assert reasons(app, import_id) == [
        "Name: Enter the organization's name.",
        NOT_A_SLUG,
        "URL name: the same as on line 2.",
    ]
    page = text_of(roots.get(f"/imports/{import_id}/").text)
    assert "Import 2 organizations" in page
    assert "Send invitations" not in page
    job = start(app, roots, import_id)
    assert (job.state, job.done, job.failed) == ("partly failed", 5, 3)
    assert slugs(app) - before == {"north", "south-freight"}
    with acting(app):
        created = select(func.count()).where(Activity.table_name == "organizations", Activity.action == "create")
        assert db.session.scalar(created.where(Activity.actor_id.is_not(None))) == 2

    again = upload(roots, ORGANIZATIONS, "customers.csv", resource="organizations")
    assert verdicts(app, again) == {"unchanged": 2, "refused": 3}
    job = start(app, roots, import_id, "undo")
    assert (job.state, slugs(app)) == ("done", before)


def test_an_exported_file_can_be_imported_unchanged(
    app: Flask, roots: PageClient, ours: PageClient, acme: Tenant, birch: Tenant
) -> None:
    with acting(app):
        add(Team(name="'=Drivers", description="Berlin; Bonn", organization_id=acme.id))
        add(Team(name="Drivers", organization_id=birch.id), Organization(name="Old", slug="NOT_valid"))
    for client, name in ((roots, "organizations"), (roots, "teams"), (ours, "teams")):
        for kind in ("csv", "xlsx"):
            exported = client.get(f"/{name}/export?format={kind}").data

            import_id = upload(client, exported, f"export.{kind}", resource=name)

            overwritten = {"organizations": "overwrite-name", "teams": "overwrite-description"}[name]
            settings(client, import_id, **{overwritten: "on"})
            assert set(verdicts(app, import_id)) == {"unchanged"}, reasons(app, import_id)


def test_teams_are_updated_only_by_choice_and_undone_unless_changed_since(
    app: Flask, ours: PageClient, acme: Tenant
) -> None:
    with acting(app):
        add(*(Team(name=name, description="Old", organization_id=acme.id) for name in ("One", "Two")))
    file = "Team;Beschreibung\nONE;New\nTwo;New\nThree;\n"
    import_id = upload(ours, file, resource="teams")
    assert verdicts(app, import_id) == {"unchanged": 2, "create": 1}

    settings(ours, import_id, **{"overwrite-description": "on", "overwrite-name": "on", "overwrite-slug": "on"})
    start(app, ours, import_id)

    assert teams_of(app, acme) == {"One": "New", "Two": "New", "Three": None}
    assert verdicts(app, upload(ours, file, resource="teams")) == {"unchanged": 3}
    with acting(app):
        two = db.session.scalar(select(Team).where(Team.name == "Two"))
        assert two
    fields = ours.form(f"/teams/{two.id}/edit")
    assert ours.post(f"/teams/{two.id}/edit", data={**fields, "description": "Newer"}).status_code == 303
    job = start(app, ours, import_id, "undo")
    assert (job.state, job.done, job.failed) == ("partly failed", 3, 1)
    assert teams_of(app, acme) == {"One": "Old", "Two": "Newer"}


def test_an_undo_leaves_organizations_that_have_people_by_now(
    app: Flask, roots: PageClient, build: Builder, root: Person
) -> None:
    import_id = upload(roots, "Name\nEmpty\nFull\n", resource="organizations")
    start(app, roots, import_id)
    with acting(app):
        full = db.session.scalar(select(Organization).where(Organization.slug == "full"))
        assert full
    build.person("new@example.com", tenant=Tenant(full.id, full.name, full.slug))

    job = start(app, roots, import_id, "undo")

    assert (job.done, job.failed) == (2, 1)
    assert {"empty", "full"} & slugs(app) == {"full"}


def test_super_admins_name_the_organization_of_teams(
    app: Flask, roots: PageClient, acme: Tenant, birch: Tenant
) -> None:
    file = f"Name,Organization (URL name)\nDrivers,{birch.slug}\nDrivers,\nPilots,nowhere\nDrivers,{acme.slug}\n"
    import_id = upload(roots, file, resource="teams")
    assert reasons(app, import_id)[0] == "Organization: Enter the team's organization."

    settings(roots, import_id, organization=acme.slug)

    assert reasons(app, import_id) == [
        "Organization: No such organization. Enter its name or its URL name.", "Name: the same as on line 3.",
    ]  # fmt: skip
    start(app, roots, import_id)
    assert (teams_of(app, acme), teams_of(app, birch)) == ({"Drivers": None}, {"Drivers": None})


def test_an_admin_imports_teams_only_into_their_own_organization(
    app: Flask, ours: PageClient, acme: Tenant, birch: Tenant
) -> None:
    file = f"Name,Organization slug,Organization\nA,{acme.slug},x\nB,{birch.slug},x\nC,,{birch.name}\nD,nowhere,x\n"
    import_id = upload(ours, file, resource="teams", organization=birch.slug)
    settings(ours, import_id, organization=birch.slug)

    start(app, ours, import_id)

    said = "Organization: there is no organization with the URL name “{}”."
    assert reasons(app, import_id) == [said.format(birch.slug), said.format("nowhere")]
    assert (set(teams_of(app, acme)), teams_of(app, birch)) == ({"A", "C"}, {})


@pytest.mark.parametrize("name", ["organizations", "sessions", "import_rows", "../users", "", "teams\x00"])
def test_only_offered_resources_can_be_imported(app: Flask, ours: PageClient, name: str) -> None:
    assert "Organizations</label>" not in ours.get("/imports/?resource=organizations").text

    with acting(app):
        before = db.session.scalar(select(func.count()).select_from(Import))
    response = ours.send("/imports/", {"file": (io.BytesIO(b"Name,Slug\nX,x\n"), "x.csv"), "resource": name})

    assert response.status_code in (400, 422)
    with acting(app):
        assert db.session.scalar(select(func.count()).select_from(Import)) == before


@pytest.mark.parametrize("cell", ["=1+1", "x" * 81, "\u202ename", "<script>alert(1)</script>", "a\x07b", "Ⅷ"])
def test_hostile_names_are_refused_or_only_text(app: Flask, ours: PageClient, acme: Tenant, cell: str) -> None:
    import_id = upload(ours, f'Name,Description\n"{cell}",x\n', resource="teams")
    assert ours.get(f"/imports/{import_id}/").status_code == 200

    if "create" in verdicts(app, import_id):
        assert start(app, ours, import_id).state == "done"
        assert "<script>alert" not in ours.get("/teams/").text
    else:
        assert len(reasons(app, import_id)) == 1


def test_batches_are_applied_once_and_refusals_at_the_end_name_their_cell(
    app: Flask, roots: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BATCH", 3)
    file = "Name,Slug\n" + "".join(f"Many {number},many-{number}\n" for number in range(7)) + "Late,many-1\n"
    import_id = upload(roots, file, resource="organizations")
    assert run(app, Builder(app).read(Import, import_id).job_id).state == "done"
    assert verdicts(app, import_id) == {"create": 7, "refused": 1}
    with acting(app):
        organizations.create({"name": "Rival", "slug": "many-5"}, row_id=uuid.uuid4())

    job = start(app, roots, import_id)

    assert (job.state, job.done, job.failed) == ("partly failed", 8, 1)
    assert verdicts(app, import_id) == {"create": 6, "unchanged": 1, "refused": 1}


def refused_file(client: PageClient, import_id: uuid.UUID) -> Any:
    return client.get(f"/imports/{import_id}/export/refused").text


def test_refused_rows_are_downloaded_corrected_and_imported(app: Flask, roots: PageClient) -> None:
    import_id = upload(roots, ORGANIZATIONS, resource="organizations")

    text = refused_file(roots, import_id)

    assert text.splitlines()[0] == "Name,Slug,Reason"
    corrected = text.replace("Not a slug", "east").replace("\n,west", "\nWest,west").replace("Again,north", "Again,a")
    assert verdicts(app, upload(roots, corrected, resource="organizations")) == {"create": 3}


def test_rows_of_one_resource_are_not_remembered_for_another(app: Flask, roots: PageClient) -> None:
    file = "Name,Kontakt\nNew,new@example.com\n"
    settings(roots, upload(roots, file), **{"column-0": "last_name"})

    import_id = upload(roots, file, resource="organizations")

    assert Builder(app).read(Import, import_id).fields == ["name", ""]
    with acting(app):
        row = db.session.get_one(ImportRow, (import_id, 1))
        assert (row.key, row.values, row.first_name) == ("new", {"name": "New"}, None)
