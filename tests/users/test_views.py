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
from tests.pages import HTMX, PageClient, fields_of, undo_in


def names_in(text: str) -> list[str]:
    """The people of a list, in its order."""
    return re.findall(r'<td><a class="hue-\d"[^>]*>([^<]+)</a>', text)


def crowd(build: Builder, tenant: Tenant, count: int) -> None:
    for number in range(count):
        at = now() - timedelta(days=count - number)
        first = f"P{number:02d}"
        build.person(f"p{number:02d}@example.com", tenant=tenant, first_name=first, last_name="Crowd", created_at=at)


def test_an_admin_sees_the_own_tenant_and_nobody_deleted(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, bea: Person, gil: Person
) -> None:
    sign_in(ada)

    names = names_in(client.get("/users/").text)

    assert sorted(names) == sorted([ada.name, uma.name])


def test_search_finds_without_case_and_accents_all_words(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    build.person("m@example.com", tenant=acme, first_name="Jürgen", last_name="Müller")
    build.person("n@example.com", tenant=acme, first_name="Jürgen", last_name="Maier")
    sign_in(ada)

    assert names_in(client.get("/users/?q=muller").text) == ["Jürgen Müller"]
    assert names_in(client.get("/users/?q=MÜLL+jurg").text) == ["Jürgen Müller"]
    assert names_in(client.get("/users/?q=muller+maier").text) == []


def test_in5_percent_underscore_and_backslash_are_letters(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    for number, name in enumerate(("100% Sure", "under_score", "back\\slash")):
        build.person(f"x{number}@example.com", tenant=acme, first_name=name)
    sign_in(ada)

    assert names_in(client.get("/users/?q=00%25").text) == ["100% Sure Example"]
    assert names_in(client.get("/users/?q=er_s").text) == ["under_score Example"]
    assert names_in(client.get("/users/?q=k%5Cs").text) == ["back\\slash Example"]
    assert names_in(client.get("/users/?q=%25%25%25").text) == []


def test_typing_gets_the_table_alone_and_an_address_for_it(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    answer = client.get("/users/?q=ada&role=&per_page=25", headers=HTMX)

    assert answer.text.lstrip().startswith('<div class="list" id="users-table">')
    assert answer.headers["HX-Push-Url"] == "/users/?q=ada"
    assert "HX-Request" in answer.headers["Vary"]


def test_typing_on_replaces_the_last_address(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    answer = client.get("/users/?q=ada", headers={**HTMX, "HX-Current-URL": "http://localhost/users/?q=ad"})

    assert answer.headers["HX-Replace-Url"] == "/users/?q=ada"
    assert "HX-Push-Url" not in answer.headers


def test_going_back_gets_the_whole_page(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    answer = client.get("/users/?q=ada", headers={"HX-Request": "true", "HX-Request-Type": "full"})

    assert "<h1>People</h1>" in answer.text


def test_a_copied_address_shows_the_same_list(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    crowd(build, acme, 30)
    sign_in(ada)
    typed = client.get("/users/?q=crowd&sort=name&per_page=25&role=USER", headers=HTMX)

    copied = client.get(typed.headers["HX-Push-Url"])

    assert names_in(copied.text) == names_in(typed.text) == [f"P{number:02d} Crowd" for number in range(25)]
    assert 'name="q" value="crowd"' in copied.text
    assert '<option value="USER" selected>' in copied.text


def test_pages_go_forward_back_and_to_both_ends(
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


def test_sorting_and_more_rows_a_page(
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


def test_people_of_deleted_organizations_are_a_view_for_super_admins(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, ada: Person
) -> None:
    closed = build.tenant("Closed", deleted_at=now())
    lost = build.person("lost@example.com", tenant=closed)
    sign_in(root)

    assert names_in(client.get("/users/?status=organization-deleted").text) == [lost.name]
    assert "Deleted. None of its people can sign in." in client.get(f"/users/{lost.id}").text


def test_filters_show_as_chips_that_can_be_removed(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)

    page = client.get("/users/?role=ADMIN&verified=no&created_from=2020-01-01").text

    assert names_in(page) == [ada.name]
    for label in ("Role: Admin", "Email not verified", "Created from 2020-01-01", "Clear all"):
        assert label in page


def test_an_empty_list_says_why_and_what_next(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    assert "No people match “zebra”" in client.get("/users/?q=zebra").text
    assert "No deleted people" in client.get("/users/?status=deleted").text
    assert "No deactivated people" in client.get("/users/?status=deactivated").text
    assert "No open invitations" in client.get("/users/?status=invited").text


def test_a_new_person_is_invited_and_accepts_with_a_password_of_their_own(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person
) -> None:
    sign_in(ada)
    sent = {"first_name": "Nia", "last_name": "New", "email": "Nia@Example.com", "role": "USER"}

    answer = client.send("/users/new", sent)

    there = answer.headers["Location"]
    row = build.read(User, uuid.UUID(there.split("/")[-1]))
    assert (answer.status_code, row.email, row.created_by, row.organization_id) == (
        303, "nia@example.com", ada.id, ada.organization_id,
    )  # fmt: skip
    assert "Pending, sent" in client.get(there).text
    (message,) = emails(app)
    other_client.get(path_of(message))
    assert "Nia New" in other_client.get("/invitations/").text
    other_client.send("/invitations/", {"password": PASSWORD})
    assert "nia@example.com" in other_client.get("/account/").text
    assert "Accepted" in client.get(there).text


def test_errors_stand_beside_their_fields_and_nothing_typed_is_lost(
    client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)

    answer = client.send("/users/new", {"first_name": "Kept", "email": "no address"})

    assert answer.status_code == 422
    assert "<title>Error: New person" in answer.text
    assert 'value="Kept"' in answer.text
    assert 'value="no address"' in answer.text
    assert 'id="email-error"' in answer.text


def test_an_address_in_use_is_named(client: PageClient, sign_in: SignIn, ada: Person, uma: Person) -> None:
    sign_in(ada)

    answer = client.send("/users/new", {"email": uma.email, "role": "USER"})

    assert answer.status_code == 422
    assert f"{uma.name} already uses this address." in answer.text


@pytest.mark.parametrize("stored", ["gil@example.com", "Gil@Example.COM"])
def test_co4_a_deleted_persons_address_offers_to_restore_them(
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


def test_co4_a_deleted_persons_address_can_be_used_anew(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, gil: Person
) -> None:
    sign_in(ada)
    refused = client.send("/users/new", {"email": gil.email, "role": "USER"})

    anew = client.post("/users/new", data={**fields_of(refused.text, "/users/new"), "anew": "y"})

    assert anew.status_code == 303
    assert build.read(User, gil.id).deleted_at is not None


def test_co4_a_restore_in_conflict_says_with_whom(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, gil: Person
) -> None:
    build.person(gil.email, tenant=acme, first_name="Gilbert", last_name="Second")
    sign_in(ada)

    client.post(f"/users/{gil.id}/restore", data=client.form(f"/users/{gil.id}", action=f"/users/{gil.id}/restore"))

    assert "Not restored. Gilbert Second already uses this address." in client.get(f"/users/{gil.id}").text


def test_a_person_is_edited(client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person) -> None:
    sign_in(ada)

    answer = client.confirm(client.send(f"/users/{uma.id}/edit", {"first_name": "Ulla", "role": "ADMIN"}))

    row = build.read(User, uma.id)
    assert answer.headers["Location"] == f"/users/{uma.id}"
    assert (row.first_name, row.role, row.updated_by, row.version) == ("Ulla", Role.ADMIN, ada.id, 2)
    assert "Changes to Ulla Example saved." in client.get(f"/users/{uma.id}").text


def test_co1_an_edit_that_meets_another_shows_both_and_saves_the_choice(
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
    there = f"/users/{uma.id}/edit"
    mine = client.form(there)
    other_client.send(there, {"first_name": "Theirs", "last_name": "Changed"})

    met = client.confirm(client.post(there, data={**mine, "first_name": "Mine", "role": "ADMIN"}))

    assert met.status_code == 409
    for words in ("Theirs", "Mine", "Uma", "Changed", eve.name, "Discard my changes"):
        assert words in met.text
    choice = fields_of(met.text, there)
    assert choice["first_name"] == "Mine"
    assert client.confirm(client.post(there, data={**choice, "first_name": "Theirs"})).status_code == 303
    row = build.read(User, uma.id)
    assert (row.first_name, row.last_name, row.role) == ("Theirs", "Changed", Role.ADMIN)


def test_co1_edits_that_do_not_clash_are_merged(
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
    there = f"/users/{uma.id}/edit"
    mine = client.form(there)
    other_client.send(there, {"last_name": "Theirs"})

    met = client.post(there, data={**mine, "first_name": "Mine"})

    assert met.status_code == 409
    assert "Already merged" in met.text
    assert "System administrator saved this" in met.text
    assert client.post(there, data=fields_of(met.text, there)).status_code == 303
    row = build.read(User, uma.id)
    assert (row.first_name, row.last_name) == ("Mine", "Theirs")


def test_nobody_is_asked_to_confirm_what_somebody_else_changed_meanwhile(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, root: Person
) -> None:
    boss = build.person("boss@example.com", role=Role.SUPER_ADMIN)
    sign_in(root)
    there = f"/users/{boss.id}/edit"
    mine = client.form(there)
    with acting(app, root):
        users.update(boss.id, 1, {"role": Role.USER})

    met = client.post(there, data={**mine, "last_name": "Mine"})

    assert (met.status_code, "becomes a super admin" in met.text) == (409, False)
    assert "Already merged" in met.text
    assert client.post(there, data=fields_of(met.text, there)).status_code == 303
    row = build.read(User, boss.id)
    assert (row.last_name, row.role) == ("Mine", Role.USER)


def test_co1_the_choice_too_can_meet_another_edit(
    client: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, uma: Person, root: Person
) -> None:
    sign_in(ada)
    sign_in(root, other_client)
    there = f"/users/{uma.id}/edit"
    mine = client.form(there)
    other_client.send(there, {"first_name": "First"})
    met = client.post(there, data={**mine, "first_name": "Mine"})
    other_client.send(there, {"first_name": "Second"})

    again = client.post(there, data=fields_of(met.text, there))

    assert again.status_code == 409
    assert "Second" in again.text


def test_deleting_says_what_it_means_and_offers_undo(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(uma, other_client)
    sign_in(ada)
    asked = client.get(f"/users/{uma.id}/delete")
    assert f"{uma.name} is signed out on 1 device at once" in asked.text

    gone = client.post(f"/users/{uma.id}/delete", data=fields_of(asked.text))
    page = client.get(gone.headers["Location"]).text

    assert build.read(User, uma.id).deleted_by == ada.id
    assert f"{uma.name} deleted." in page
    client.post(f"/activity/people/{uma.id}/undo", data=undo_in(page))
    assert build.read(User, uma.id).deleted_at is None
    assert other_client.get("/account/").status_code == 303


def test_the_question_before_an_act_is_a_dialog_for_htmx(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)

    for act in ("delete", "deactivation", "password"):
        text = client.get(f"/users/{uma.id}/{act}", headers=HTMX).text
        assert text.lstrip().startswith("<dialog")
        assert fields_of(text)["csrf_token"]


def test_a_deactivated_person_stays_and_can_come_back(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(uma, other_client)
    sign_in(ada)

    client.send(f"/users/{uma.id}/deactivation")
    assert not build.read(User, uma.id).is_active
    assert other_client.get("/account/").headers["Location"].startswith("/login")
    assert f"{uma.name} deactivated." in client.get(f"/users/{uma.id}").text
    client.send(f"/users/{uma.id}/deactivation")

    assert build.read(User, uma.id).is_active
    sign_in(uma, other_client)


def test_a_reset_mails_a_link_and_ends_every_sign_in(
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


def test_the_page_of_a_person_says_who_and_when(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    client.send(f"/users/{uma.id}/edit", {"first_name": "Ulla"})

    text = client.get(f"/users/{uma.id}").text

    assert "by the system" in text
    assert f"by {ada.name}" in text
    assert "<time datetime=" in text


def test_a_super_admin_chooses_the_organization_by_its_slug(
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

    assert len(client.get("/users/").data) < 24_000
    assert len(client.get("/users/?q=crowd", headers=HTMX).data) < 13_000
    assert len(client.get("/users/new").data) < 12_000


def test_a_day_that_is_none_and_one_that_contradicts_are_told_at_the_field(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    wrong = 'name="last_sign_in_before" value="" aria-invalid="true" aria-describedby="last_sign_in_before-error"'

    for query, told in (
        ("last_sign_in_before=tomorrow", "This is not a valid date"),
        ("last_sign_in=never&last_sign_in_before=2026-01-01", "so this date is ignored"),
    ):
        page = client.get(f"/users/?{query}").text
        part = client.get(f"/users/?{query}", headers=HTMX).text
        assert wrong in page
        assert told in page
        assert told in part
        assert uma.name in page
    assert "aria-invalid" not in client.get("/users/?last_sign_in_before=2026-01-01").text
    assert "This is not a valid date" in client.get("/activity/?from=2026-13-01").text


def test_an_empty_list_blames_no_letters_where_none_were_written(
    client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)

    assert "Try fewer letters" not in client.get("/users/?verified=yes").text
    assert "Try fewer letters" in client.get("/users/?q=zzzz").text
