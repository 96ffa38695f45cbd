"""How many people have each role in each organization: columns of the list, and a report."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from portal.core.actor import Role
from portal.core.clock import now
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient, names_in
from tests.resources.test_exporting import rows_of

COLUMNS = "columns=people,super_admins,admins,users,invited,deactivated"
NUMBER = re.compile(r'<td data-as="([\w ]+)" class="number">(?:<a href="([^"]+)">)?(\d+)')


@pytest.fixture(autouse=True)
def people(build: Builder, acme: Tenant, birch: Tenant) -> None:
    made: dict[str, dict[str, Any]] = {
        "Ann": {"role": Role.ADMIN}, "Ben": {"role": Role.ADMIN}, "Cara": {}, "Dina": {}, "Emma": {},
        "Finn": {"role": Role.SUPER_ADMIN}, "Gina": {"is_active": False, "role": Role.ADMIN},
        "Hana": {"invited_at": now()}, "Ivo": {"deleted_at": now()},
    }  # fmt: skip
    for name, values in made.items():
        build.person(f"{name}@example.com", tenant=acme, **{"password": "!", **values})
    build.person("theirs@example.com", tenant=birch, password="!")  # noqa: S106 -- no hash
    build.person("nowhere@example.com", role=Role.SUPER_ADMIN, password="!")  # noqa: S106 -- no hash


@pytest.fixture
def reader(client: PageClient, sign_in: SignIn, root: Person) -> PageClient:
    sign_in(root)
    return client


def test_each_number_leads_to_exactly_its_people(reader: PageClient) -> None:
    page = reader.get(f"/organizations/?q=acme&{COLUMNS}").text

    found = {label: (int(number), html.unescape(url)) for label, url, number in NUMBER.findall(page)}
    people = {label: sorted(names_in(reader.get(url).text)) for label, (_, url) in found.items()}
    assert people == {
        "People": [f"{name} Example" for name in ("Ann", "Ben", "Cara", "Dina", "Emma", "Finn")],
        "Super admins": ["Finn Example"],
        "Admins": ["Ann Example", "Ben Example"],
        "Users": ["Cara Example", "Dina Example", "Emma Example"],
        "Invited": ["Hana Example"],
        "Deactivated": ["Gina Example"],
    }
    assert {label: number for label, (number, _) in found.items()} == {
        label: len(names) for label, names in people.items()
    }


def test_numbers_are_shown_only_if_chosen_and_not_of_deleted_organizations(reader: PageClient, build: Builder) -> None:
    build.tenant("Gone", deleted_at=now())

    assert "Super admins" not in reader.get("/organizations/").text
    deleted = reader.get(f"/organizations/?status=deleted&{COLUMNS}").text
    assert names_in(deleted) == ["Gone"]
    assert [label for label, *_ in NUMBER.findall(deleted)] == ["People"]


def test_a_download_has_the_same_numbers_and_no_formulas(reader: PageClient, build: Builder) -> None:
    build.tenant("=1+1", slug="formula")

    rows = rows_of(reader, f"/organizations/export?{COLUMNS}")

    assert [list(row.values()) for row in rows] == [
        ["'=1+1", "formula", "0", "0", "0", "0", "0", "0"],
        ["Acme", "acme", "6", "1", "2", "3", "1", "1"],
        ["Birch", "birch", "1", "0", "0", "1", "0", "0"],
    ]
    assert list(rows[0])[2:] == ["People", "Super admins", "Admins", "Users", "Invited", "Deactivated"]
    with reader.get(f"/organizations/export?q=acme&format=jsonl&{COLUMNS}") as lines:
        assert json.loads(lines.data)["admins"] == 2
    assert "Deactivated" in rows_of(reader, "/organizations/export")[0]


def test_the_report_leads_to_the_numbers_and_their_downloads(reader: PageClient) -> None:
    page = html.unescape(reader.get("/reports/").text)

    section = page.split("Roles by organization")[1].split("</section>")[0]
    every, without = re.findall(r'<li><span><a href="([^"]+)">[^<]+</a><small[^>]*>([^<]+)<', section)
    assert (every[1], without[1]) == ("2 organizations", "1 organization")
    assert sorted(names_in(reader.get(every[0]).text)) == ["Acme", "Birch"]
    assert names_in(reader.get(without[0]).text) == ["Birch"]
    assert ">2</a>" in reader.get(every[0]).text.split("Admins")[-1]
    csv, *_ = re.findall(r'href="(/organizations/export[^"]+)"', section)
    assert {row["Name"]: row["Admins"] for row in rows_of(reader, csv)} == {"Acme": "2", "Birch": "0"}


def test_admins_have_the_numbers_of_their_organization_only(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    page = client.get("/reports/").text

    assert "Roles by organization" not in page
    assert "/organizations/export" not in page
    numbers = re.findall(r">([\w ]+)</a><small[^>]*>(\d+ \w+)<", page)
    assert numbers == [("Administrators", "3 people"), ("Users", "3 people")]
    assert client.get(f"/organizations/export?{COLUMNS}").status_code == 403
