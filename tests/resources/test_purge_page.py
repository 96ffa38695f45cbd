"""The page that permanently deletes a row: only for SUPER_ADMINs who type its name and confirm who they are."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from portal.core.clock import now
from portal.organizations.models import Organization
from portal.users.models import User
from tests.acting import acting, age_authentication
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.pages import HTMX, PageClient, fields_of, text_of


@pytest.fixture
def gone(build: Builder) -> Tenant:
    """A deleted organization with an active and a deleted person."""
    tenant = build.tenant("Gone Ltd", slug="gone", deleted_at=now())
    build.person("one@example.com", tenant=tenant)
    build.person("two@example.com", tenant=tenant, deleted_at=now())
    return tenant


def test_the_page_of_a_deleted_row_offers_permanent_deletion_to_super_admins_only(
    client: PageClient, other_client: PageClient, sign_in: SignIn, root: Person, ada: Person, gil: Person, uma: Person
) -> None:
    sign_in(root)
    sign_in(ada, other_client)

    assert f'href="/users/{gil.id}/purge"' in client.get(f"/users/{gil.id}").text
    assert "/purge" not in client.get(f"/users/{uma.id}").text
    assert "/purge" not in other_client.get(f"/users/{gil.id}").text


@pytest.mark.parametrize("kwargs", [{}, {"headers": HTMX}], ids=["plain", "htmx"])
def test_an_organization_is_removed_once_its_slug_is_typed(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, gone: Tenant, kwargs: dict[str, Any]
) -> None:
    sign_in(root)
    path = f"/organizations/{gone.id}/purge"
    question = client.get(path, **kwargs)
    assert "2 people are permanently deleted with it, also those that were deleted before" in text_of(question.text)
    assert question.text.startswith("<dialog") == bool(kwargs)
    fields = fields_of(question.text, path)

    for typed in ("", "Gone Ltd", "gon", "\x00", "x" * 300, "gone\u202e2"):
        refused = client.post(path, data={**fields, "typed": typed})
        assert refused.status_code in (400, 422), typed
    assert build.read(Organization, gone.id) is not None
    done = client.post(path, data={**fields, "typed": " GONE\u200b "})

    assert done.status_code == 303
    assert "Gone Ltd permanently deleted." in client.get(done.headers["Location"]).text
    assert build.read(Organization, gone.id) is None
    assert client.get(f"/organizations/{gone.id}").status_code == 404
    assert client.post(path, data={**fields, "typed": "gone"}).status_code == 404


def test_a_person_is_removed_once_the_address_is_typed(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person
) -> None:
    anne = build.person("anne@xn--mller-kva.example", deleted_at=now())
    sign_in(root)
    path = f"/users/{anne.id}/purge"

    assert "Type anne@müller.example to confirm" in client.get(path).text
    assert client.send(path, {"typed": "Anne@Müller.example"}).status_code == 303
    assert build.read(User, anne.id) is None


def test_a_purge_whose_consequences_changed_meanwhile_is_shown_again(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, gone: Tenant
) -> None:
    sign_in(root)
    path = f"/organizations/{gone.id}/purge"
    fields = client.form(path)
    build.person("three@example.com", tenant=gone)

    again = client.post(path, data={**fields, "typed": "gone"})

    assert again.status_code == 422
    assert "This has changed since it was shown." in again.text
    assert "3 people are permanently deleted with it" in text_of(again.text)
    assert build.read(Organization, gone.id) is not None
    assert client.post(path, data={**fields_of(again.text, path), "typed": "gone"}).status_code == 303


def test_purging_asks_for_the_password_if_it_was_not_entered_recently(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, root: Person, gil: Person
) -> None:
    sign_in(root)
    path, typed = f"/users/{gil.id}/purge", {"typed": gil.email}
    with acting(app):
        age_authentication(root)

    asked = client.send(path, typed)
    wrong = client.post(path, data={**fields_of(asked.text, path), "own_password": "not this one"})

    assert (asked.status_code, wrong.status_code) == (422, 422)
    assert "Your password" in asked.text
    assert fields_of(asked.text, path)["typed"] == gil.email
    assert build.read(User, gil.id) is not None
    assert client.post(path, data={**fields_of(wrong.text, path), "own_password": PASSWORD}).status_code == 303
    assert build.read(User, gil.id) is None


def test_a_row_that_was_restored_meanwhile_is_not_removed(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, gil: Person
) -> None:
    sign_in(root)
    path = f"/users/{gil.id}/purge"
    fields = client.form(path)
    client.send(f"/users/{gil.id}/restore", at=f"/users/{gil.id}")

    answer = client.post(path, data={**fields, "typed": gil.email})

    assert answer.headers["Location"] == f"/users/{gil.id}"
    assert "isn’t deleted. Delete the person first." in client.get(f"/users/{gil.id}").text
    assert build.read(User, gil.id).deleted_at is None


def test_the_history_names_nobody_who_was_removed(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, gil: Person
) -> None:
    sign_in(root)
    client.send(f"/users/{gil.id}/purge", {"typed": gil.email})

    for path in ("/activity/", f"/activity/people/{gil.id}", f"/activity/?q={gil.id}", "/users/?status=deleted"):
        answer = client.get(path)
        assert answer.status_code in (200, 404), path
        assert "gil" not in text_of(answer.text).casefold().replace(f"{gil.name} permanently deleted".casefold(), "")
