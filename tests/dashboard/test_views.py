"""The first page: each figure links to exactly the rows it counts."""

from __future__ import annotations

import re
from datetime import timedelta

import html5lib
import pytest

from portal.core.clock import now
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient, text_of

FIGURE = re.compile(r'<li><a class="card" href="([^"]+)"><span class="quiet">([^<]+)</span>.*?number">([^<]+)<', re.S)


def figures(text: str) -> dict[str, tuple[str, str]]:
    """Label -> (URL, number)."""
    return {label: (url.replace("&amp;", "&"), number) for url, label, number in FIGURE.findall(text)}


def rows_at(client: PageClient, url: str) -> int:
    return len(re.findall(r'<td><input[^>]*><a class="hue-\d"', client.get(url).text))


@pytest.mark.parametrize("who", ["ada", "root"])
def test_each_figure_links_to_exactly_the_rows_it_counts(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, birch: Tenant, ada: Person, root: Person,
    gil: Person, who: str,
) -> None:  # fmt: skip
    build.person("off@example.com", tenant=acme, is_active=False)
    build.person("asked@example.com", tenant=acme, invited_at=now())
    build.person("late@example.com", tenant=acme, invited_at=now() - timedelta(days=30))
    build.person("lost@example.com", tenant=build.tenant("Gone", deleted_at=now()), invited_at=now())
    build.person("apart@example.com", tenant=birch, invited_at=now())
    sign_in({"ada": ada, "root": root}[who])

    shown = figures(client.get("/").text)

    assert len(shown) == 4
    assert shown["Invited"][1] == {"ada": "2", "root": "3"}[who]
    for label, (url, number) in shown.items():
        assert rows_at(client, url) == int(number), label


@pytest.mark.parametrize("who", ["ada", "root"])
def test_dashboard_lists_and_organization_page_count_the_same_people(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, root: Person, gil: Person, who: str
) -> None:
    gone = build.tenant("Gone", deleted_at=now())
    build.person("theirs@example.com", tenant=gone)
    build.person("asked@example.com", tenant=acme, invited_at=now())
    build.person("late@example.com", tenant=acme, invited_at=now() - timedelta(days=30), revoked_at=now())
    build.person("in@example.com", tenant=acme, invited_at=now(), accepted_at=now())
    build.person("off@example.com", tenant=acme, is_active=False)
    sign_in({"ada": ada, "root": root}[who])
    inside = "" if who == "ada" else f"organization={acme.id}"

    active = client.get(f"/users/?{inside}").text
    invited = client.get(f"/users/?status=invited&{inside}").text

    assert re.findall(r'href="/users/[^"]+">(\w+) Example', active) == ["In", "Ada"]
    assert re.findall(r'href="/users/[^"]+">(\w+) Example', invited) == ["Late", "Asked"]
    assert "2 can sign in, 1 of them as administrator" in text_of(client.get(f"/organizations/{acme.id}").text)
    everybody = rows_at(client, "/users/")
    assert figures(client.get("/").text)["Active people"][1] == str(everybody) == ("2" if who == "ada" else "3")
    if who == "root":
        assert f'<a href="/users/?organization={acme.id}">2</a>' in client.get("/organizations/").text
        assert "theirs@example.com" in client.get("/users/?status=organization-deleted").text.replace("<wbr>", "")
        assert rows_at(client, f"/users/?organization={gone.id}") == 0


@pytest.mark.parametrize(("path", "first", "rows"), [("/", "Day", 30), ("/?period=year", "Month", 12)])
def test_charts_are_drawn_by_the_server_with_a_table_of_the_same_numbers(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, path: str, first: str, rows: int
) -> None:
    sign_in(ada)

    page = html5lib.parse(client.get(path).text, namespaceHTMLElements=False)

    charts = [one for one in page.iter("section") if one.get("class") == "card chart"]
    assert [one.findtext(".//h2") for one in charts] == ["All people", "New people", "Sign-ins"]
    for chart, newest in zip(charts, ("2", "2", "1"), strict=True):
        (drawing,) = chart.iter("{http://www.w3.org/2000/svg}svg")
        names = drawing.get("aria-labelledby", "").split()
        assert all(any(one.get("id") == name for one in chart.iter()) for name in names)
        table = [[cell.text for cell in row] for row in chart.iter("tr")]
        assert (table[0][0], len(table) - 1) == (first, rows)
        assert table[-1][1] == newest
        assert len(html5lib.serialize(chart)) < 8_000


@pytest.mark.parametrize("path", ["/", "/?period=year"])
def test_super_admins_see_which_organizations_grew(
    client: PageClient,
    sign_in: SignIn,
    root: Person,
    build: Builder,
    acme: Tenant,
    birch: Tenant,
    uma: Person,
    path: str,
) -> None:
    for number in range(3):
        build.person(f"birch{number}@example.com", tenant=birch)
    sign_in(root)

    page = html5lib.parse(client.get(path).text, namespaceHTMLElements=False)

    chart = next(one for one in page.iter("section") if one.get("aria-labelledby") == "by-organization")
    table = [["".join(cell.itertext()).strip() for cell in row] for row in chart.iter("tr")]
    assert table == [["Organization", "New people"], ["Birch", "3"], ["Acme", "1"], ["No organization", "1"]]
    assert "5 in total, without deleted people. Most: Birch (3)." in "".join(chart.itertext())
    links = [one.get("href") for one in chart.iter("a")]
    assert [client.get(str(link)).status_code for link in links] == [200, 200]


def test_admins_see_no_other_organizations_growth(
    client: PageClient, sign_in: SignIn, ada: Person, bea: Person
) -> None:
    sign_in(ada)

    assert "by-organization" not in client.get("/").text


def test_a_user_is_redirected_to_their_account(client: PageClient, sign_in: SignIn, uma: Person) -> None:
    sign_in(uma)

    assert client.get("/").headers["Location"] == "/account/"


def test_an_empty_portal_has_a_first_page_too(client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)

    assert figures(client.get("/").text)["Organizations"][1] == "0"
