"""Imports from upload to undo: the preview equals the outcome, inside the rules of the person who imports."""

from __future__ import annotations

import io
import re
import uuid
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, text

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.imports import commands, people_by_sql, uploads
from portal.imports.commands import totals
from portal.imports.models import Import, ImportPart, ImportRow
from portal.jobs import running
from portal.jobs.models import Job
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant, page_client
from tests.mailbox import jobs as emails
from tests.pages import PageClient, text_of

PEOPLE = "Email,First name,Last name,Role,Active\n"


def upload(client: PageClient, content: str | bytes, name: str = "people.csv", **fields: Any) -> uuid.UUID:
    data = content.encode() if isinstance(content, str) else content
    response = client.send("/imports/", {"file": (io.BytesIO(data), name), **fields})
    assert response.status_code == 303, response.text
    return uuid.UUID(response.location.split("/")[-2])


def settings(client: PageClient, import_id: uuid.UUID, **changes: str | None) -> None:
    page = f"/imports/{import_id}/"
    fields = client.form(page, action=f"{page}settings") | changes
    sent = {name: value for name, value in fields.items() if value is not None}
    assert client.post(f"{page}settings", data=sent).status_code == 303


def start(app: Flask, client: PageClient, import_id: uuid.UUID, what: str = "start") -> Any:
    """Start the import, or undo it, and let it run to its end."""
    page = f"/imports/{import_id}/"
    response = client.post(f"{page}{what}", data=client.form(page, action=f"{page}{what}"))
    assert response.status_code == 303, response.text
    return run(app, uuid.UUID(response.location.split("/")[-2]))


def run(app: Flask, job_id: uuid.UUID) -> Any:
    with app.app_context():
        running.run(job_id)
    return Builder(app).read(Job, job_id)


def verdicts(app: Flask, import_id: uuid.UUID) -> dict[str, int]:
    with acting(app):
        return totals(import_id)


def reasons(app: Flask, import_id: uuid.UUID) -> list[str]:
    with acting(app):
        found = select(ImportRow.reason).where(ImportRow.import_id == import_id, ImportRow.reason.is_not(None))
        return list(map(str, db.session.scalars(found.order_by(ImportRow.number))))


def found(app: Flask, email: str) -> Any:
    with acting(app):
        return db.session.scalar(select(User).where(User.email == email))


@pytest.fixture
def ours(app: Flask, ada: Person) -> PageClient:
    """A browser in which the ADMIN of Acme is signed in."""
    return page_client(app, ada)


@pytest.fixture
def roots(app: Flask, root: Person) -> PageClient:
    return page_client(app, root)


def test_a_file_is_previewed_then_imported_and_the_preview_equals_the_outcome(
    app: Flask, ours: PageClient, ada: Person, uma: Person
) -> None:
    import_id = upload(
        ours,
        PEOPLE + "new@example.com,Nia,New,Admin,yes\nold@example.com,Otto,Old,,no\nbad,,,,\n"
        f"NEW@example.com,Twin,,,\n{uma.email},Uma,Changed,,\nboss@example.com,,,Super admin,\n",
    )

    before = {"create": 2, "unchanged": 1, "refused": 3}
    assert verdicts(app, import_id) == before
    assert found(app, "new@example.com") is None
    page = ours.get(f"/imports/{import_id}/").text
    assert "6 rows, read as UTF-8, separated by comma" in page
    assert "Email: the same address as on line 2." in page
    job = start(app, ours, import_id)

    assert (job.state, job.done, job.failed) == ("partly failed", 6, 3)
    assert verdicts(app, import_id) == before
    new, old = found(app, "new@example.com"), found(app, "old@example.com")
    assert (new.first_name, new.last_name, new.role, new.is_active) == ("Nia", "New", Role.ADMIN, True)
    assert (old.is_active, old.invitation, old.organization_id) == (False, "pending", ada.organization_id)
    assert new.created_by == ada.id
    assert found(app, uma.email).last_name == "Example"
    assert emails(app) == []
    assert "Undo import" in ours.get(f"/imports/{import_id}/").text


def test_the_same_file_again_changes_nothing(app: Flask, ours: PageClient) -> None:
    file = PEOPLE + "".join(f"person{number}@example.com,Ann,Lee,,\n" for number in range(5))
    start(app, ours, upload(ours, file))

    import_id = upload(ours, file)

    assert verdicts(app, import_id) == {"unchanged": 5}
    assert "Import 5 people" not in ours.get(f"/imports/{import_id}/").text


def test_names_are_updated_only_on_request_and_undone_exactly(app: Flask, ours: PageClient, uma: Person) -> None:
    import_id = upload(ours, PEOPLE + f"{uma.email.upper()},,Changed,,\nnew@example.com,Nia,New,,\n")
    assert verdicts(app, import_id) == {"unchanged": 1, "create": 1}

    settings(ours, import_id, **{"overwrite-first_name": "on", "overwrite-last_name": "on"})
    assert verdicts(app, import_id) == {"update": 1, "create": 1}
    start(app, ours, import_id)
    assert (found(app, uma.email).first_name, found(app, uma.email).last_name) == ("Uma", "Changed")

    job = start(app, ours, import_id, "undo")
    assert (job.state, found(app, uma.email).last_name) == ("done", "Example")
    assert found(app, "new@example.com") is None


def test_an_undo_keeps_what_was_changed_since_and_counts_it(app: Flask, ours: PageClient) -> None:
    import_id = upload(ours, PEOPLE + "one@example.com,,,,\ntwo@example.com,,,,\n")
    start(app, ours, import_id)
    with acting(app):
        rename = text("UPDATE users SET first_name = 'Renamed' WHERE email = 'two@example.com'")
        command(lambda: db.session.execute(rename))()

    job = start(app, ours, import_id, "undo")

    assert (job.state, job.failed) == ("partly failed", 1)
    assert (found(app, "one@example.com"), found(app, "two@example.com").first_name) == (None, "Renamed")


def test_invitations_are_sent_only_on_request_and_not_to_deactivated_people(app: Flask, ours: PageClient) -> None:
    import_id = upload(ours, PEOPLE + "one@example.com,,,,\ntwo@example.com,,,,no\n")
    settings(ours, import_id, invites="on")

    start(app, ours, import_id)

    assert emails(app) == [("invitation", found(app, "one@example.com").id)]


def test_columns_can_be_read_as_other_fields(app: Flask, ours: PageClient) -> None:
    import_id = upload(ours, "Email,Spitzname\none@example.com,Nick\n")
    settings(ours, import_id, **{"column-1": "first_name"})

    start(app, ours, import_id)

    assert found(app, "one@example.com").first_name == "Nick"


def test_a_file_is_read_in_another_way_without_uploading_it_again(app: Flask, ours: PageClient) -> None:
    import_id = upload(ours, "Adressen von Jörg\nE-Mail;Vorname\none@example.com;Jörg\n".encode("mac-roman"))
    page = f"/imports/{import_id}/"
    assert "<td>J\u0161rg</td>" in ours.get(page).text
    fields = ours.form(page, action=f"{page}settings")
    assert (fields["encoding"], fields["delimiter"], fields["header"], fields["column-1"]) == ("", "", "", "first_name")

    settings(ours, import_id, encoding="mac-roman", **{"column-1": "last_name"})

    text = ours.get(page).text
    assert "<td>Jörg</td>" in text
    assert "read as Mac Roman, separated by semicolon" in text
    assert ours.form(page, action=f"{page}settings")["column-1"] == "last_name"
    settings(ours, import_id, delimiter=",")
    assert ours.form(page, action=f"{page}settings")["encoding"] == "mac-roman"
    assert verdicts(app, import_id) == {"refused": 1}
    settings(ours, import_id, delimiter=";", header="none")
    assert verdicts(app, import_id) == {"refused": 2, "create": 1}
    settings(ours, import_id, header="2")
    assert verdicts(app, import_id) == {"create": 1}
    assert ours.form(page, action=f"{page}settings")["column-1"] == "first_name"  # the headings have changed


@pytest.mark.parametrize("header", ["3", "99", "-1", "x" * 10_000, "<script>", "２"])
def test_a_header_row_that_is_not_there_is_named_and_another_can_be_chosen(
    app: Flask, ours: PageClient, header: str
) -> None:
    import_id = upload(ours, "Email\none@example.com\n")
    page = f"/imports/{import_id}/"

    settings(ours, import_id, header=header)

    text = ours.get(page).text
    assert "The header row can&#39;t be line" in text
    assert "<script>" not in text.partition("<main")[2]
    assert ours.form("/imports/")
    settings(ours, import_id, header="1")
    assert verdicts(app, import_id) == {"create": 1}


@pytest.mark.parametrize(
    ("content", "sentence", "changes"),
    [
        (b"Email;Vorname\n" + b"".join(b"a%d@example.com;Ann\n" % n for n in range(4_000)) + b"b@example.com;J\xf6rg\n",
         "the file is not valid UTF-8. Choose its encoding.", {"encoding": "cp1252"}),
        (b"Name,Kontakt\nAnn,?\nBob,?\n", "No column with email addresses was found.", {"header": "1"}),
    ],
    ids=["encoding", "header"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_kept_and_read_in_another_way(
    app: Flask, ours: PageClient, content: bytes, sentence: str, changes: dict[str, str]
) -> None:
    import_id = upload(ours, content)
    page = f"/imports/{import_id}/"
    text = ours.get(page).text
    assert sentence in text
    assert "Import " + "0" not in text
    assert ours.send(f"{page}start", at="/imports/").status_code == 303
    assert "The file has not been checked yet." in ours.get(page).text

    settings(ours, import_id, **changes)

    assert 'role="alert"' not in ours.get(page).text
    assert sum(verdicts(app, import_id).values()) in (4_001, 2)


@pytest.mark.parametrize("field", ["role_id", "password", "<script>"])
def test_an_admin_chooses_only_fields_of_their_own(app: Flask, ours: PageClient, field: str, birch: Tenant) -> None:
    import_id = upload(ours, f"Email,Home\none@example.com,{birch.slug}\n")
    settings(ours, import_id, **{"column-1": field, "organization": birch.slug})

    start(app, ours, import_id)

    assert found(app, "one@example.com").organization_id != birch.id


def test_an_admin_names_only_their_own_organization(app: Flask, ours: PageClient, acme: Tenant, birch: Tenant) -> None:
    slugs = {"a": acme.slug, "b": birch.slug, "c": "nowhere"}
    rows = "".join(f"{name}@example.com,{slug}\n" for name, slug in slugs.items())
    import_id = upload(ours, f"Email,Organization slug\n{rows}")

    settings(ours, import_id, organization=birch.slug)

    said = "Organization: there is no organization with the URL name “{}”."
    assert reasons(app, import_id) == [said.format(birch.slug), said.format("nowhere")]
    start(app, ours, import_id)
    assert found(app, "a@example.com").organization_id == acme.id
    assert (found(app, "b@example.com"), found(app, "c@example.com")) == (None, None)


def test_super_admins_name_organizations_by_slug(app: Flask, roots: PageClient, acme: Tenant, birch: Tenant) -> None:
    import_id = upload(
        roots, f"Email,Organization (URL name)\na@example.com,{birch.slug}\nb@example.com,\nc@example.com,nowhere\n"
    )
    settings(roots, import_id, organization=acme.slug)
    assert reasons(app, import_id) == ["Organization: there is no organization with the URL name “nowhere”."]

    start(app, roots, import_id)

    assert found(app, "a@example.com").organization_id == birch.id
    assert found(app, "b@example.com").organization_id == acme.id


def test_people_of_other_organizations_are_neither_shown_nor_changed(
    app: Flask, ours: PageClient, bea: Person, root: Person
) -> None:
    import_id = upload(ours, PEOPLE + f"{bea.email},Hacked,,,\n{root.email},Hacked,,,\n")
    settings(ours, import_id, **{"overwrite-first_name": "on", "overwrite-last_name": "on"})

    assert set(reasons(app, import_id)) == {"Email: this address can't be used here. Ask your system administrator."}
    assert (found(app, bea.email).first_name, found(app, root.email).first_name) == ("Bea", "Root")


def test_an_import_does_not_reveal_many_addresses_of_other_organizations(
    app: Flask, ours: PageClient, build: Builder, birch: Tenant, change_settings: Any
) -> None:
    change_settings(foreign_addresses_per_hour=2)
    for number in range(3):
        build.person(f"foreign{number}@example.com", tenant=birch)
    addresses = [f"foreign{number}@example.com" for number in range(3)] + ["free@example.com"]

    import_id = upload(ours, "Email\n" + "\n".join(addresses))

    assert verdicts(app, import_id) == {"refused": 4}
    assert set(reasons(app, import_id)) == {people_by_sql.TOO_MANY_ELSEWHERE}


def test_deleted_people_are_restored_not_created_anew(app: Flask, ours: PageClient, gil: Person) -> None:
    import_id = upload(ours, f"Email\n{gil.email}\n")

    assert reasons(app, import_id) == ["Email: a deleted person has this address. Restore them instead."]


def test_all_rows_of_a_file_can_be_paged_through(app: Flask, ours: PageClient) -> None:
    import_id = upload(ours, "Email\n" + "\n".join(f"p{number}@example.com" for number in range(120)))
    page, seen = f"/imports/{import_id}/?verdict=create", list[str]()
    while page:
        text = ours.get(page).text
        seen += re.findall(r"<td>(p\d+@example\.com)", text.partition("Reason</th>")[2])
        following = re.search(r'href="([^"]+)"[^>]*rel="next"|rel="next"[^>]*href="([^"]+)"', text)
        page = unescape(following[1] or following[2]) if following else ""

    assert seen == [f"p{number}@example.com" for number in range(120)]
    for odd in ("x", "-1", "9" * 30, "%00"):
        assert ours.get(f"/imports/{import_id}/?after={odd}").status_code in (200, 400)


def test_imports_of_another_organization_are_not_there(app: Flask, ours: PageClient, bea: Person) -> None:
    theirs = page_client(app, bea)
    import_id = upload(theirs, "Email\none@example.com\n")
    page = f"/imports/{import_id}/"

    assert ours.get(page).status_code == 404
    assert ours.get(f"{page}export/refused").status_code == 404
    token = ours.form("/imports/")
    for what in ("settings", "start", "undo"):
        assert ours.post(f"{page}{what}", data={"csrf_token": token["csrf_token"]}).status_code == 404
    assert str(import_id) not in ours.get("/imports/").text


def test_refused_rows_can_be_downloaded_corrected_and_imported(app: Flask, ours: PageClient) -> None:
    import_id = upload(ours, "Email;Vorname\nmüller;Jörg\ngood@example.com;Ann\n")

    file = ours.get(f"/imports/{import_id}/export/refused").text
    assert file.splitlines()[:2] == [
        "Email;Vorname;Reason", "müller;Jörg;Email: This address has no @. Enter one such as name@example.com.",
    ]  # fmt: skip
    again = upload(ours, file.replace("müller", "mueller@example.com"))

    assert verdicts(app, again) == {"create": 1}


def test_permanently_deleting_people_deletes_imported_files_that_mention_them(
    app: Flask, ours: PageClient, root: Person, gil: Person
) -> None:
    import_id = upload(ours, f"Email\n{gil.email}\nbad\n")
    with acting(app, root):
        users.purge(gil.id)
    page = f"/imports/{import_id}/"

    assert "Permanently deleted" in ours.get(page).text
    assert ours.get(f"{page}export/refused").location == page
    text = ours.get(page).text
    assert "This file was deleted because it may mention someone who was permanently deleted." in text
    assert gil.email not in text
    settings(ours, import_id)
    assert "This file was deleted" in ours.get(page).text


def test_permanently_deleting_people_deletes_files_that_were_not_read_or_contain_no_people(
    app: Flask, ours: PageClient, bea: Person, uma: Person, root: Person
) -> None:
    unread = upload(ours, "Name,Kontakt\nUma,Uma\n")
    teams = upload(ours, f"Name,Lead\nDrivers,{uma.email}\n", resource="teams")
    kept = upload(ours, "Email\nother@example.com\n"), upload(page_client(app, bea), "Name,Kontakt\nAnn,?\n")
    with acting(app, root):
        users.delete(uma.id)
        users.purge(uma.id)

    with acting(app):
        assert set(db.session.scalars(select(ImportPart.import_id))) == set(kept)
        assert Builder(app).read(Import, unread).sample == Builder(app).read(Import, teams).sample == []
    settings(ours, unread, header="1")
    assert "may mention someone who was permanently deleted" in text_of(ours.get(f"/imports/{unread}/").text)


def test_somebody_created_between_check_and_import_is_not_created_twice(
    app: Flask, ours: PageClient, build: Builder, acme: Tenant
) -> None:
    import_id = upload(ours, "Email\none@example.com\ntwo@example.com\n")
    build.person("one@example.com", tenant=acme)

    job = start(app, ours, import_id)

    assert (job.state, verdicts(app, import_id)) == ("done", {"unchanged": 1, "create": 1})


def test_a_demoted_persons_import_stops(app: Flask, ours: PageClient, ada: Person) -> None:
    import_id = upload(ours, "Email\none@example.com\n")
    page = f"/imports/{import_id}/"
    response = ours.post(f"{page}start", data=ours.form(page, action=f"{page}start"))
    with acting(app):
        command(lambda: db.session.execute(text("UPDATE users SET role = 'USER' WHERE id = :id"), {"id": ada.id}))()

    job = run(app, uuid.UUID(response.location.split("/")[-2]))

    assert (job.state, found(app, "one@example.com")) == ("failed", None)


def test_an_import_begins_only_once(app: Flask, ours: PageClient) -> None:
    import_id = upload(ours, "Email\none@example.com\n")
    page = f"/imports/{import_id}/"
    token = ours.form(page, action=f"{page}start")
    assert ours.post(f"{page}start", data=token).status_code == 303
    ours.post(f"{page}start", data=token)

    assert "This import has already begun." in ours.get(page).text


def test_large_files_are_checked_by_a_job_and_imported_in_batches(
    app: Flask, ours: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BATCH", 10)
    lines = [f"person{number}@example.com,Ann" if number % 10 else f"bad{number},Ann" for number in range(35)]
    import_id = upload(ours, "Email,First name\n" + "\n".join(lines))
    assert "Import " not in re.sub(r"<title>.*?</title>", "", ours.get(f"/imports/{import_id}/").text)

    one = Builder(app).read(Import, import_id)
    assert run(app, one.job_id).done == 35
    before = verdicts(app, import_id)
    job = start(app, ours, import_id)

    assert before == verdicts(app, import_id) == {"create": 31, "refused": 4}
    assert (job.done, job.failed) == (35, 4)
    assert start(app, ours, import_id, "undo").state == "done"
    assert found(app, "person1@example.com") is None


@pytest.mark.parametrize(
    "sent",
    [{}, {"file": (io.BytesIO(b""), "x.csv")}, {"file": (io.BytesIO(b"Email\n"), "x.csv")}],
    ids=["nothing", "empty", "header"],
)
def test_an_upload_without_people_is_refused_with_a_sentence(ours: PageClient, sent: dict[str, Any]) -> None:
    response = ours.send("/imports/", sent)

    assert response.status_code == 422
    assert 'role="alert"' in response.text


def test_hostile_names_of_files_are_only_text(app: Flask, ours: PageClient) -> None:
    import_id = upload(ours, "Email\none@example.com\n", name="../../<script>\u202e.csv")

    page = ours.get(f"/imports/{import_id}/").text
    assert "&lt;script&gt;" in page
    assert "<script>." not in page


def test_retention_removes_old_files_with_their_rows(app: Flask, ours: PageClient) -> None:
    import_id = upload(ours, "Email\none@example.com\n")

    with acting(app):
        assert commands.remove_old(now()) == 1
        assert db.session.scalars(select(ImportRow.number).where(ImportRow.import_id == import_id)).all() == []
        db.session.execute(delete(Job))


def test_in11_large_bodies_of_people_who_cannot_import_are_refused(
    app: Flask, client: PageClient, ours: PageClient, uma: Person
) -> None:
    sent: dict[str, Any] = {"data": b"x" * 1_100_000, "content_type": "multipart/form-data; boundary=y"}

    assert client.post("/imports/", **sent).status_code == 413
    assert page_client(app, uma).post("/imports/", **sent).status_code == 413
    assert ours.get("/imports/").status_code == 200
