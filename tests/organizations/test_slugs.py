"""Short URLs of organizations, and links to them in lists."""

from __future__ import annotations

from portal.core.clock import now
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient


def test_a_persons_row_links_to_their_organization(
    client: PageClient, sign_in: SignIn, root: Person, ada: Person, acme: Tenant
) -> None:
    sign_in(root)

    assert f'<a href="/o/{acme.slug}">{acme.name}</a>' in client.get("/users/").text
    answer = client.get(f"/o/{acme.slug}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/organizations/{acme.id}")


def test_an_admin_opens_only_their_own_organization(
    client: PageClient, sign_in: SignIn, ada: Person, acme: Tenant, birch: Tenant
) -> None:
    sign_in(ada)

    assert client.get(f"/o/{acme.slug}").status_code == 303
    for slug in (birch.slug, "nobody", "a%2Fb", "x" * 3000):
        assert client.get(f"/o/{slug}").status_code in (400, 404, 414), slug
    assert "/o/" not in client.get("/users/").text


def test_a_deleted_organization_is_linked_by_its_id(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person
) -> None:
    closed = build.tenant("Closed", deleted_at=now())
    build.person("lost@example.com", tenant=closed)
    sign_in(root)

    page = client.get("/users/?status=organization-deleted").text
    assert f'<a href="/organizations/{closed.id}">Closed</a>' in page
