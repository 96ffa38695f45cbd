"""Links back to a list keep its search, order and page, whatever is done to its rows."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Flask

from portal.core.batch import create_many
from portal.core.db import command
from portal.organizations.models import Organization
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import Person, SignIn, Tenant
from tests.pages import PageClient, fields_of

HOSTILE = (
    "//evil.example/",
    "https://evil.example/",
    "/\\evil.example",
    "/\t/evil.example",
    "javascript:alert(1)",
    "evil",
)
LISTS = {"people": "/users/?q=example&sort=name", "organizations": "/organizations/?q=company&sort=name"}


@pytest.fixture
def crowd(app: Flask, acme: Tenant) -> None:
    """Enough people and organizations for lists of three pages."""
    people = [{"email": f"p{n:02}@example.com", "last_name": f"P{n:02}", "organization_id": acme.id} for n in range(60)]
    companies = [{"name": f"Company {n:02}", "slug": f"company-{n:02}"} for n in range(60)]
    with acting(app):
        command(lambda: [create_many(User, people), create_many(Organization, companies)])()


def link_in(text: str, pattern: str) -> str:
    found = re.search(rf'(?:href|action|formaction)="({pattern})"', text)
    assert found is not None, (pattern, re.findall(r'(?:href|action)="([^"]+)"', text))
    return found[1].replace("&amp;", "&")


def referer(address: str) -> dict[str, str]:
    """The header that a browser sends when it follows a link or submits a form on this page."""
    return {"Referer": f"http://localhost{address}"}


def second_page(client: PageClient, kind: str) -> tuple[str, str]:
    """The URL and text of the second page of a searched and sorted list."""
    url = link_in(client.get(LISTS[kind]).text, r"[^\"]*after=[^\"]*")
    return url, client.get(url).text


def same(first: str, second: str) -> bool:
    return (urlsplit(first).path, parse_qs(urlsplit(first).query)) == (
        urlsplit(second).path,
        parse_qs(urlsplit(second).query),
    )


@pytest.mark.parametrize("kind", LISTS)
def test_an_edit_opened_from_a_list_returns_to_that_page(
    client: PageClient, sign_in: SignIn, root: Person, crowd: None, kind: str
) -> None:
    sign_in(root)
    list_url, text = second_page(client, kind)
    edit = link_in(text, r"[^\"]*/edit")
    form = client.get(edit, headers=referer(list_url)).text

    wrong = client.post(
        link_in(form, r"[^\"]*/edit\?next[^\"]*"), data={**fields_of(form), "email": "no address", "name": ""}
    )
    saved = client.post(link_in(wrong.text, r"[^\"]*/edit\?[^\"]*"), data={**fields_of(form), "last_name": "N"})

    assert wrong.status_code == 422
    assert f'<a class="btn" href="{list_url}">Cancel'.replace("&", "&amp;") in form
    assert saved.status_code == 303
    assert same(saved.headers["Location"], list_url)


@pytest.mark.parametrize("kind", LISTS)
def test_the_page_of_a_row_keeps_the_link_to_the_list(
    client: PageClient, sign_in: SignIn, root: Person, crowd: None, kind: str
) -> None:
    sign_in(root)
    list_url, text = second_page(client, kind)
    page = client.get(link_in(text, r"/\w+/[0-9a-f-]{36}"), headers=referer(list_url))
    edit = link_in(page.text, r"[^\"]*/edit\?[^\"]*")
    saved = client.post(edit, data=fields_of(client.get(edit).text))
    page = client.get(saved.headers["Location"])
    history = client.get(link_in(page.text, r"/activity/[^\"]*back=[^\"]*")).text
    page = client.get(link_in(history, r"/\w+/[0-9a-f-]{36}\?back=[^\"]*"))
    delete = link_in(page.text, r"[^\"]*/delete\?[^\"]*")
    gone = client.post(delete, data=fields_of(client.get(delete).text))

    assert f'<a class="back" href="{list_url}"'.replace("&", "&amp;") in page.text
    assert same(gone.headers["Location"], list_url)
    assert " deleted." in client.get(gone.headers["Location"]).text


def test_a_row_restored_from_a_list_leads_to_its_page_and_back(
    client: PageClient, sign_in: SignIn, ada: Person, gil: Person
) -> None:
    sign_in(ada)
    list_url = "/users/?status=deleted"
    deleted = client.get(list_url).text

    button = link_in(deleted, r"[^\"]*/restore")
    restored = client.post(button, data=fields_of(deleted), headers=referer(list_url))

    assert f'class="back" href="{list_url}"' in client.get(restored.headers["Location"]).text


def test_an_edit_with_a_conflict_still_returns_to_the_list(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    edit = f"/users/{uma.id}/edit?next=%2Fusers%2F%3Fq%3Du"
    form = client.get(edit).text
    with acting(app):
        users.update(uma.id, 1, {"first_name": "Theirs"})

    conflict = client.post(edit, data={**fields_of(form), "first_name": "Mine"})
    saved = client.post(link_in(conflict.text, r"[^\"]*/edit\?[^\"]*"), data=fields_of(conflict.text))

    assert conflict.status_code == 409
    assert saved.headers["Location"] == "/users/?q=u"


@pytest.mark.parametrize("target", HOSTILE)
@pytest.mark.parametrize("name", ["back", "next"])
def test_au11_the_link_to_the_list_leads_nowhere_else(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, name: str, target: str
) -> None:
    sign_in(ada)
    query = f"?{name}={quote(target, safe='')}"
    page, edit = client.get(f"/users/{uma.id}{query}").text, f"/users/{uma.id}/edit{query}"
    saved = client.post(edit, data=fields_of(client.get(edit).text))
    deleted = client.post(f"/users/{uma.id}/delete{query}", data=fields_of(client.get(f"/users/{uma.id}/delete").text))

    for own in (query, query.replace("%09", "+")):  # forms that lead back to this page have its URL
        page = page.replace(own, "")
    assert "evil" not in page
    assert [one.headers["Location"] for one in (saved, deleted)] == [f"/users/{uma.id}", "/users/"]


@pytest.mark.parametrize(
    "before",
    [
        "http://[",
        "http://evil.example/users/?q=u",
        "http://localhost.evil.example/users/?q=u",
        "http://localhost/users/?q=\\evil",
        "http://localhost//evil.example/users/",
        "http://localhost/organizations/?q=u",
        "http://localhost/users/",
        "",
    ],
)
def test_only_a_page_of_our_own_list_is_returned_to(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, before: str
) -> None:
    sign_in(ada)

    text = client.get(f"/users/{uma.id}", headers={"Referer": before}).text

    assert 'class="back" href="/users/"' in text
    assert f'href="/users/{uma.id}/edit"' in text


def test_links_to_other_rows_and_pages_do_not_include_the_list(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant
) -> None:
    sign_in(ada)

    text = client.get(f"/users/{uma.id}?back=/users/%3Fq%3Du").text

    assert f'href="/organizations/{acme.id}"' in text
    assert 'href="/account/"' in text
