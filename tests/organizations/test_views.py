"""The pages of organizations, as administrators use them."""

from __future__ import annotations

import html
import re
import uuid

import pytest

from portal.core.actor import Role
from portal.core.clock import now
from portal.organizations.models import Organization
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import HTMX, PageClient, fields_of, names_in, text_of, undo_in


def test_the_list_shows_active_organizations_and_their_number_of_people(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, uma: Person, gil: Person
) -> None:
    build.tenant("Gone", deleted_at=now())
    sign_in(root)

    text = client.get("/organizations/").text

    assert names_in(text) == ["Acme"]
    assert 'aria-label="1 people of Acme"' in text or ">1</a>" in text
    assert names_in(client.get("/organizations/?status=deleted").text) == ["Gone"]


def test_the_count_links_to_exactly_those_people(
    client: PageClient, sign_in: SignIn, root: Person, acme: Tenant, uma: Person, bea: Person
) -> None:
    sign_in(root)
    link = re.search(r'href="(/users/\?organization=[^"]+)"[^>]*>1<', client.get("/organizations/?q=acme").text)
    assert link is not None

    assert names_in(client.get(link.group(1)).text) == [uma.name]


def test_search_returns_only_the_table(client: PageClient, sign_in: SignIn, root: Person, acme: Tenant) -> None:
    sign_in(root)

    answer = client.get("/organizations/?q=ac", headers=HTMX)

    assert answer.text.lstrip().startswith('<div class="list" id="organizations-table"')
    assert names_in(answer.text) == ["Acme"]
    assert answer.headers["HX-Push-Url"] == "/organizations/?q=ac"


def test_options_suggest_names_or_slugs_if_a_name_is_ambiguous(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant
) -> None:
    sign_in(root)
    assert '<option value="Acme">acme</option>' in client.get("/organizations/options?organization_id=ac").text

    build.tenant("ACME", slug="acme-two")

    proposed = client.get("/organizations/options?organization_id=ac").text
    assert '<option value="acme">Acme</option>' in proposed
    assert '<option value="acme-two">ACME</option>' in proposed


def test_after_creating_an_organization_its_first_administrator_is_suggested(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person
) -> None:
    sign_in(root)

    answer = client.send("/organizations/new", {"name": "  Fern   Valley ", "slug": "fern-valley"})

    row = build.read(Organization, uuid.UUID(answer.headers["Location"].split("/")[-1]))
    assert (row.name, row.slug, row.created_by, row.version) == ("Fern Valley", "fern-valley", root.id, 1)
    assert "Add its first administrator next." in client.get(answer.headers["Location"]).text


def test_a_duplicate_slug_is_reported_at_its_field(
    client: PageClient, sign_in: SignIn, root: Person, acme: Tenant
) -> None:
    sign_in(root)

    answer = client.send("/organizations/new", {"name": "Other", "slug": acme.slug})

    assert answer.status_code == 422
    assert "Acme already uses this URL name." in answer.text
    assert 'value="Other"' in answer.text


def test_an_invalid_slug_is_explained(client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)

    for slug in ("Äpfel", "two words", "-x", "x--y", "UPPER!"):
        answer = client.send("/organizations/new", {"name": "Other", "slug": slug})
        assert answer.status_code == 422, slug
        assert 'id="slug-error"' in answer.text


def test_the_form_of_an_admin_has_a_name_but_no_slug(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant
) -> None:
    sign_in(ada)
    path = f"/organizations/{acme.id}/edit"
    form = client.form(path)
    assert "slug" not in form
    assert "slug" not in form["base"]

    answer = client.send(path, {"name": "Acme Logistics", "slug": "another"})

    row = build.read(Organization, acme.id)
    assert answer.status_code == 303
    assert (row.name, row.slug, row.updated_by) == ("Acme Logistics", "acme", ada.id)


def test_co1_concurrent_edits_of_an_organization_are_merged(
    client: PageClient,
    other_client: PageClient,
    sign_in: SignIn,
    build: Builder,
    ada: Person,
    root: Person,
    acme: Tenant,
) -> None:
    sign_in(ada)
    sign_in(root, other_client)
    path = f"/organizations/{acme.id}/edit"
    mine = client.form(path)
    other_client.send(path, {"name": "Theirs", "slug": "theirs"})

    conflict = client.post(path, data={**mine, "name": "Mine"})

    assert conflict.status_code == 409
    assert "slug" not in fields_of(conflict.text, path)["base"]
    assert "Theirs" in conflict.text
    assert "Mine" in conflict.text
    assert client.post(path, data=fields_of(conflict.text, path)).status_code == 303
    row = build.read(Organization, acme.id)
    assert (row.name, row.slug) == ("Mine", "theirs")


def test_deleting_shows_how_many_people_lose_access_and_offers_undo(
    client: PageClient, other_client: PageClient, sign_in: SignIn, root: Person, acme: Tenant, ada: Person, uma: Person
) -> None:
    sign_in(ada, other_client)
    sign_in(root)
    question = client.get(f"/organizations/{acme.id}/delete")
    assert "2 people lose access at once, 1 of them as administrator." in question.text

    deleted = client.post(f"/organizations/{acme.id}/delete", data=fields_of(question.text))
    page = client.get(deleted.headers["Location"]).text

    assert "Acme deleted." in page
    assert other_client.get("/users/").headers["Location"].startswith("/login")
    client.post(f"/activity/organizations/{acme.id}/undo", data=undo_in(page))
    assert other_client.get("/users/").status_code == 200


def test_restoring_an_organization_restores_everybodys_access(
    client: PageClient,
    other_client: PageClient,
    sign_in: SignIn,
    build: Builder,
    root: Person,
    acme: Tenant,
    ada: Person,
) -> None:
    sign_in(root)
    client.send(f"/organizations/{acme.id}/delete")
    shown = client.get(f"/organizations/{acme.id}").text

    client.post(f"/organizations/{acme.id}/restore", data=fields_of(shown, f"/organizations/{acme.id}/restore"))

    assert build.read(Organization, acme.id).deleted_at is None
    sign_in(ada, other_client)


def test_co4_a_restore_with_a_taken_slug_names_the_other_organization(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person
) -> None:
    gone = build.tenant("Old", slug="same", deleted_at=now())
    build.tenant("Newer", slug="same")
    sign_in(root)

    client.send(f"/organizations/{gone.id}/restore", at=f"/organizations/{gone.id}")

    assert "Not restored. Newer already uses this URL name." in client.get(f"/organizations/{gone.id}").text


def test_the_page_shows_the_newest_people_and_how_many_can_sign_in(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant, uma: Person, gil: Person
) -> None:
    build.person("hidden@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    sign_in(ada)

    text = client.get(f"/organizations/{acme.id}").text

    assert "2 can sign in, 1 of them as administrator" in text_of(text)
    assert ada.name in text
    assert uma.name in text
    assert gil.name not in text
    assert "Hidden" not in text


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_each_number_of_people_links_to_a_list_of_as_many(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, root: Person, acme: Tenant, uma: Person,
    gil: Person, role: Role,
) -> None:  # fmt: skip
    assert uma.organization_id == gil.organization_id == acme.id
    build.person("hidden@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    build.person("invited@example.com", tenant=acme, invited_at=now())
    build.person("off@example.com", tenant=acme, is_active=False, role=Role.ADMIN)
    sign_in(ada if role is Role.ADMIN else root)

    active = {ada.name, uma.name} if role is Role.ADMIN else {ada.name, uma.name, "Hidden Example"}
    page = client.get(f"/organizations/{acme.id}").text
    assert f"{len(active)} can sign in, 1 of them as administrator" in text_of(page)
    assert _listed(client, page, f"{len(active)} can sign in") == active
    assert _listed(client, page, "1 of them as administrator") == {ada.name}
    assert _listed(client, page, "All active people") == active


def test_the_numbers_of_a_deleted_organization_link_to_a_list_of_as_many(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, ada: Person, uma: Person
) -> None:
    build.person("off@example.com", tenant=acme, is_active=False, role=Role.ADMIN)
    build.person("gone@example.com", tenant=acme, deleted_at=now())
    sign_in(root)
    client.send(f"/organizations/{acme.id}/delete", {})

    page = client.get(f"/organizations/{acme.id}").text
    assert "3 people, 2 of them as administrators. None can sign in while it is deleted" in text_of(page)
    assert _listed(client, page, "3 people") == {ada.name, uma.name, "Off Example"}
    assert _listed(client, page, "2 of them as administrators") == {ada.name, "Off Example"}
    assert _listed(client, page, "All people") == {ada.name, uma.name, "Off Example"}


def _listed(client: PageClient, page: str, label: str) -> set[str]:
    """The names in the list that a link leads to."""
    link = re.search(rf'<a href="([^"]+)">{label}</a>', page)
    assert link is not None, label
    return set(names_in(client.get(html.unescape(link[1])).text))


def test_an_organization_without_people_offers_to_add_one(
    client: PageClient, sign_in: SignIn, root: Person, birch: Tenant
) -> None:
    sign_in(root)

    text = client.get(f"/organizations/{birch.id}").text

    assert "No people yet" in text
    for address in ("/users/new", "/imports/invite"):
        assert f"{address}?organization={birch.slug}" in text
        assert f'value="{birch.name}"' in client.get(f"{address}?organization={birch.slug}").text


def test_the_page_shows_two_factor_coverage_last_sign_in_and_numbers_over_time(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, birch: Tenant,
    ada: Person, root: Person,
) -> None:  # fmt: skip
    build.person("safe@example.com", tenant=acme, has_two_factor=True)
    sign_in(ada)
    mine = client.get(f"/organizations/{acme.id}").text
    sign_in(root, other_client)
    theirs = other_client.get(f"/organizations/{birch.id}?period=year").text

    assert "1 of 2 who can sign in 1 without" in text_of(mine)
    assert 'href="/users/?two_factor=no"' in mine
    assert "Last sign-inNever" in text_of(theirs)
    assert re.search("Last sign-in ?just now", text_of(mine))
    assert f"/activity/?organization={birch.id}" in theirs
    for page, first in ((mine, "30 days"), (theirs, "12 months")):
        assert re.search(rf'aria-current="true">{first}<', page)
        assert page.count("<svg") == 2
