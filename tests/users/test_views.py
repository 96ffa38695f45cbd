"""The pages of people, as an administrator uses them."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.mailbox import emails, path_of
from tests.pages import HTMX, PageClient, fields_of, names_in, text_of, undo_in


def crowd(build: Builder, tenant: Tenant, count: int) -> None:
    for number in range(count):
        at = now() - timedelta(days=count - number)
        first = f"P{number:02d}"
        build.person(f"p{number:02d}@example.com", tenant=tenant, first_name=first, last_name="Crowd", created_at=at)


def test_an_admin_sees_only_active_people_of_their_organization(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, bea: Person, gil: Person
) -> None:
    sign_in(ada)

    names = names_in(client.get("/users/").text)

    assert sorted(names) == sorted([ada.name, uma.name])


def test_search_ignores_case_and_accents_and_needs_all_words(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    build.person("m@example.com", tenant=acme, first_name="Jürgen", last_name="Müller")
    build.person("n@example.com", tenant=acme, first_name="Jürgen", last_name="Maier")
    sign_in(ada)

    assert names_in(client.get("/users/?q=muller").text) == ["Jürgen Müller"]
    assert names_in(client.get("/users/?q=MÜLL+jurg").text) == ["Jürgen Müller"]
    assert names_in(client.get("/users/?q=muller+maier").text) == []


def test_in5_percent_underscore_and_backslash_are_ordinary_characters(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    for number, name in enumerate(("100% Sure", "under_score", "back\\slash")):
        build.person(f"x{number}@example.com", tenant=acme, first_name=name)
    sign_in(ada)

    assert names_in(client.get("/users/?q=00%25").text) == ["100% Sure Example"]
    assert names_in(client.get("/users/?q=er_s").text) == ["under_score Example"]
    assert names_in(client.get("/users/?q=k%5Cs").text) == ["back\\slash Example"]
    assert names_in(client.get("/users/?q=%25%25%25").text) == []


def test_searching_returns_only_the_table_and_pushes_its_url(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    answer = client.get("/users/?q=ada&role=&per_page=25", headers=HTMX)

    assert answer.text.lstrip().startswith('<div class="list" id="users-table"')
    assert answer.headers["HX-Push-Url"] == "/users/?q=ada"
    assert "HX-Request" in answer.headers["Vary"]


def test_typing_more_replaces_the_url(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    answer = client.get("/users/?q=ada", headers={**HTMX, "HX-Current-URL": "http://localhost/users/?q=ad"})

    assert answer.headers["HX-Replace-Url"] == "/users/?q=ada"
    assert "HX-Push-Url" not in answer.headers


def test_going_back_returns_the_whole_page(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    answer = client.get("/users/?q=ada", headers={"HX-Request": "true", "HX-Request-Type": "full"})

    assert "<h1>People</h1>" in answer.text


def test_a_copied_url_shows_the_same_list(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    crowd(build, acme, 30)
    sign_in(ada)
    typed = client.get("/users/?q=crowd&sort=name&per_page=25&role=USER", headers=HTMX)

    copied = client.get(typed.headers["HX-Push-Url"])

    assert names_in(copied.text) == names_in(typed.text) == [f"P{number:02d} Crowd" for number in range(25)]
    assert 'name="q" value="crowd"' in copied.text
    assert '<option value="USER" selected>' in copied.text


def test_page_links_go_forward_back_and_to_both_ends(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    crowd(build, acme, 60)
    sign_in(ada)
    everybody = [f"P{number:02d} Crowd" for number in range(60)]

    first = client.get("/users/?q=crowd&sort=name").text
    second = client.get(link_to(first, "Next")).text
    third = client.get(link_to(second, "Next")).text

    assert names_in(first) + names_in(second) + names_in(third) == everybody
    assert names_in(client.get(link_to(third, "Previous")).text) == names_in(second)
    assert names_in(client.get(link_to(third, "First")).text) == names_in(first)
    assert names_in(client.get(link_to(first, "Last")).text)[-1] == everybody[-1]
    assert "1–25 of 60" in first
    assert "25 on this page of 60" in second


def link_to(text: str, label: str) -> str:
    found = re.search(rf'href="([^"]+)">{label}</a>', text)
    assert found, label
    return found.group(1).replace("&amp;", "&")


def test_lists_can_be_sorted_and_show_more_rows_per_page(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    crowd(build, acme, 30)
    sign_in(ada)

    upward = names_in(client.get("/users/?sort=name&per_page=50").text)
    downward = names_in(client.get("/users/?sort=-name&per_page=50").text)

    assert len(upward) == 31
    assert downward == upward[::-1]
    assert names_in(client.get("/users/?sort=created_at&q=crowd").text)[0] == "P00 Crowd"
    assert names_in(client.get("/users/?q=crowd").text)[0] == "P29 Crowd"


def test_tabs_show_active_deactivated_and_deleted_people(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, gil: Person
) -> None:
    off = build.person("off@example.com", tenant=acme, is_active=False)
    sign_in(ada)

    assert names_in(client.get("/users/").text) == [ada.name]
    assert names_in(client.get("/users/?status=deactivated").text) == [off.name]
    assert names_in(client.get("/users/?status=deleted").text) == [gil.name]


def test_a_super_admin_can_view_people_of_deleted_organizations(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, ada: Person
) -> None:
    closed = build.tenant("Closed", deleted_at=now())
    lost = build.person("lost@example.com", tenant=closed)
    sign_in(root)

    assert names_in(client.get("/users/?status=organization-deleted").text) == [lost.name]
    assert "Deleted. None of its people can sign in." in client.get(f"/users/{lost.id}").text


def test_filters_are_shown_as_removable_chips(client: PageClient, sign_in: SignIn, ada: Person, uma: Person) -> None:
    sign_in(ada)

    page = client.get("/users/?role=ADMIN&verified=no&created_from=2020-01-01").text

    assert names_in(page) == [ada.name]
    for label in ("Role: Admin", "Email not verified", "Created since 1 Jan 2020", "Clear all"):
        assert label in page


def test_an_empty_list_explains_why(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    assert "No people match “zebra”" in client.get("/users/?q=zebra").text
    assert "No deleted people" in client.get("/users/?status=deleted").text
    assert "No deactivated people" in client.get("/users/?status=deactivated").text
    assert "No open invitations" in client.get("/users/?status=invited").text


def test_a_new_person_accepts_the_invitation_with_their_own_password(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person
) -> None:
    sign_in(ada)
    sent = {"first_name": "Nia", "last_name": "New", "email": "Nia@Example.com", "role": "USER"}

    answer = client.send("/users/new", sent)

    path = answer.headers["Location"]
    row = build.read(User, uuid.UUID(path.split("/")[-1]))
    assert (answer.status_code, row.email, row.created_by, row.organization_id) == (
        303, "nia@example.com", ada.id, ada.organization_id,
    )  # fmt: skip
    assert "Pending, sent" in client.get(path).text
    (message,) = emails(app)
    other_client.get(path_of(message))
    assert "Nia New" in other_client.get("/invitations/").text
    other_client.send("/invitations/", {"password": PASSWORD})
    assert "nia@example.com" in other_client.get("/account/").text
    assert "Accepted" in client.get(path).text


def test_errors_are_shown_at_their_fields_and_input_is_kept(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    answer = client.send("/users/new", {"first_name": "Kept", "email": "no address"})

    assert answer.status_code == 422
    assert "<title>Error: New person" in answer.text
    assert 'value="Kept"' in answer.text
    assert 'value="no address"' in answer.text
    assert 'id="email-error"' in answer.text


def test_an_email_in_use_names_its_person(client: PageClient, sign_in: SignIn, ada: Person, uma: Person) -> None:
    sign_in(ada)

    answer = client.send("/users/new", {"email": uma.email, "role": "USER"})

    assert answer.status_code == 422
    assert f"{uma.name} already uses this address." in answer.text


@pytest.mark.parametrize("stored", ["gil@example.com", "Gil@Example.COM"])
def test_co4_a_deleted_persons_email_offers_to_restore_them(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, gil: Person, stored: str
) -> None:
    with acting(app):  # capital letters are from a former backend
        command(db.session.execute)(text("UPDATE users SET email = :new WHERE id = :id"), {"new": stored, "id": gil.id})
    sign_in(ada)

    answer = client.send("/users/new", {"email": gil.email, "role": "USER"})
    assert answer.status_code == 422
    assert f"{gil.name} had this address and was deleted." in answer.text
    restored = client.post(f"/users/{gil.id}/restore", data=fields_of(answer.text, f"/users/{gil.id}/restore"))

    assert restored.status_code == 303
    assert build.read(User, gil.id).deleted_at is None


def test_co4_a_deleted_persons_email_can_be_reused(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, gil: Person
) -> None:
    sign_in(ada)
    refused = client.send("/users/new", {"email": gil.email, "role": "USER"})

    anew = client.post("/users/new", data={**fields_of(refused.text, "/users/new"), "anew": "y"})

    assert anew.status_code == 303
    assert build.read(User, gil.id).deleted_at is not None


def test_co4_a_conflict_on_restore_names_the_other_person(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, gil: Person
) -> None:
    build.person(gil.email, tenant=acme, first_name="Gilbert", last_name="Second")
    sign_in(ada)

    client.post(f"/users/{gil.id}/restore", data=client.form(f"/users/{gil.id}", action=f"/users/{gil.id}/restore"))

    assert "Not restored. Gilbert Second already uses this address." in client.get(f"/users/{gil.id}").text


def test_an_administrator_can_edit_a_person(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(ada)

    answer = client.confirm(client.send(f"/users/{uma.id}/edit", {"first_name": "Ulla", "role": "ADMIN"}))

    row = build.read(User, uma.id)
    assert answer.headers["Location"] == f"/users/{uma.id}"
    assert (row.first_name, row.role, row.updated_by, row.version) == ("Ulla", Role.ADMIN, ada.id, 2)
    assert "Changes to Ulla Example saved." in client.get(f"/users/{uma.id}").text


def test_co1_conflicting_edits_show_both_values_and_save_the_choice(
    client: PageClient,
    other_client: PageClient,
    sign_in: SignIn,
    build: Builder,
    acme: Tenant,
    ada: Person,
    uma: Person,
) -> None:
    eve = build.person("eve@example.com", role=Role.ADMIN, tenant=acme)
    sign_in(ada)
    sign_in(eve, other_client)
    path = f"/users/{uma.id}/edit"
    mine = client.form(path)
    other_client.send(path, {"first_name": "Theirs", "last_name": "Changed"})

    conflict = client.confirm(client.post(path, data={**mine, "first_name": "Mine", "role": "ADMIN"}))

    assert conflict.status_code == 409
    for words in ("Theirs", "Mine", "Uma", "Changed", eve.name, "Discard my changes"):
        assert words in conflict.text
    choice = fields_of(conflict.text, path)
    assert choice["first_name"] == "Mine"
    assert client.confirm(client.post(path, data={**choice, "first_name": "Theirs"})).status_code == 303
    row = build.read(User, uma.id)
    assert (row.first_name, row.last_name, row.role) == ("Theirs", "Changed", Role.ADMIN)


def test_co1_edits_of_different_fields_are_merged(
    client: PageClient,
    other_client: PageClient,
    sign_in: SignIn,
    build: Builder,
    ada: Person,
    uma: Person,
    root: Person,
) -> None:
    sign_in(ada)
    sign_in(root, other_client)
    path = f"/users/{uma.id}/edit"
    mine = client.form(path)
    other_client.send(path, {"last_name": "Theirs"})

    conflict = client.post(path, data={**mine, "first_name": "Mine"})

    assert conflict.status_code == 409
    assert "Already merged" in conflict.text
    assert "System administrator saved this" in conflict.text
    assert client.post(path, data=fields_of(conflict.text, path)).status_code == 303
    row = build.read(User, uma.id)
    assert (row.first_name, row.last_name) == ("Mine", "Theirs")


def test_nobody_is_asked_to_confirm_what_somebody_else_changed(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, root: Person
) -> None:
    boss = build.person("boss@example.com", role=Role.SUPER_ADMIN)
    sign_in(root)
    path = f"/users/{boss.id}/edit"
    mine = client.form(path)
    with acting(app, root):
        users.update(boss.id, 1, {"role": Role.USER})

    conflict = client.post(path, data={**mine, "last_name": "Mine"})

    assert (conflict.status_code, "becomes a super admin" in conflict.text) == (409, False)
    assert "Already merged" in conflict.text
    assert client.post(path, data=fields_of(conflict.text, path)).status_code == 303
    row = build.read(User, boss.id)
    assert (row.last_name, row.role) == ("Mine", Role.USER)


def test_co1_resolving_a_conflict_can_conflict_again(
    client: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, uma: Person, root: Person
) -> None:
    sign_in(ada)
    sign_in(root, other_client)
    path = f"/users/{uma.id}/edit"
    mine = client.form(path)
    other_client.send(path, {"first_name": "First"})
    conflict = client.post(path, data={**mine, "first_name": "Mine"})
    other_client.send(path, {"first_name": "Second"})

    again = client.post(path, data=fields_of(conflict.text, path))

    assert again.status_code == 409
    assert "Second" in again.text


def test_deleting_explains_the_consequences_and_offers_undo(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(uma, other_client)
    sign_in(ada)
    question = client.get(f"/users/{uma.id}/delete")
    assert f"{uma.name} is signed out on 1 device at once" in question.text

    deleted = client.post(f"/users/{uma.id}/delete", data=fields_of(question.text))
    page = client.get(deleted.headers["Location"]).text

    assert build.read(User, uma.id).deleted_by == ada.id
    assert f"{uma.name} deleted." in page
    client.post(f"/activity/people/{uma.id}/undo", data=undo_in(page))
    assert build.read(User, uma.id).deleted_at is None
    assert other_client.get("/account/").status_code == 303


def test_confirmations_open_as_dialogs_with_htmx(client: PageClient, sign_in: SignIn, ada: Person, uma: Person) -> None:
    sign_in(ada)

    for action in ("delete", "deactivation", "password"):
        text = client.get(f"/users/{uma.id}/{action}", headers=HTMX).text
        assert text.lstrip().startswith("<dialog")
        assert fields_of(text)["csrf_token"]


def test_a_deactivated_person_can_be_activated_again(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(uma, other_client)
    sign_in(ada)
    assert f'href="/users/{uma.id}/edit#expires_on"' in client.get(f"/users/{uma.id}").text
    assert 'id="expires_on"' in client.get(f"/users/{uma.id}/edit").text

    client.send(f"/users/{uma.id}/deactivation")
    assert not build.read(User, uma.id).is_active
    assert other_client.get("/account/").headers["Location"].startswith("/login")
    assert f"{uma.name} deactivated." in client.get(f"/users/{uma.id}").text
    client.send(f"/users/{uma.id}/deactivation")

    assert build.read(User, uma.id).is_active
    sign_in(uma, other_client)


def test_a_reset_sends_a_link_and_ends_every_session(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(uma, other_client)
    sign_in(ada)

    client.send(f"/users/{uma.id}/password")

    assert other_client.get("/account/").headers["Location"].startswith("/login")
    refused = other_client.send("/login", {"email": uma.email, "password": PASSWORD})
    assert refused.status_code == 422
    (message,) = emails(app)
    other_client.get(path_of(message))
    other_client.send("/password/reset", {"password": "another horse battery staple"})
    sign_in(replace(uma, password="another horse battery staple"), other_client)
    assert other_client.get("/account/").status_code == 200


def test_the_page_of_a_person_shows_who_changed_it_and_when(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    client.send(f"/users/{uma.id}/edit", {"first_name": "Ulla"})

    text = client.get(f"/users/{uma.id}").text

    assert "by the system" in text
    assert f"by {ada.name}" in text
    assert "<time datetime=" in text


def test_a_super_admin_can_enter_an_organization_by_its_slug(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, birch: Tenant
) -> None:
    sign_in(root)

    answer = client.send("/users/new", {"email": "n@example.com", "role": "ADMIN", "organization_id": birch.slug})

    assert build.read(User, uuid.UUID(answer.headers["Location"].split("/")[-1])).organization_id == birch.id
    wrong = client.send("/users/new", {"email": "m@example.com", "role": "ADMIN", "organization_id": "nothing"})
    assert wrong.status_code == 422
    assert "No such organization." in wrong.text


def test_pages_stay_small(client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person) -> None:
    crowd(build, acme, 30)
    sign_in(ada)

    assert len(client.get("/users/").data) < 27_000
    assert len(client.get("/users/?q=crowd", headers=HTMX).data) < 19_000
    assert len(client.get("/users/new").data) < 12_000


def test_an_invalid_or_contradictory_date_is_reported_at_its_field(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    wrong = 'name="last_sign_in_before" value="" aria-invalid="true" aria-describedby="last_sign_in_before-error"'

    for query, message in (
        ("last_sign_in_before=tomorrow", "This is not a valid date"),
        ("last_sign_in=never&last_sign_in_before=2026-01-01", "so this date is ignored"),
    ):
        page = client.get(f"/users/?{query}").text
        part = client.get(f"/users/?{query}", headers=HTMX).text
        assert wrong in client.get(f"/users/filters?{query}").text
        assert message in page
        assert message in part
        assert uma.name in page
    assert "aria-invalid" not in client.get("/users/filters?last_sign_in_before=2026-01-01").text
    assert "This is not a valid date" in client.get("/activity/?from=2026-13-01").text


def test_an_empty_list_mentions_the_search_only_if_there_is_one(
    client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)

    assert "Try fewer letters" not in client.get("/users/?verified=yes").text
    assert "Try fewer letters" in client.get("/users/?q=zzzz").text


def test_deleting_oneself_is_refused_without_asking(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    for headers in ({}, HTMX):
        refused = client.get(f"/users/{ada.id}/delete", headers=headers)
        assert refused.status_code == 409
        assert "delete yourself. Ask another administrator." in text_of(refused.text)
    token = client.form("/account/")["csrf_token"]
    assert client.post(f"/users/{ada.id}/delete", data={"csrf_token": token}).status_code == 409
