"""People arrange lists: columns, their order, rows per page and density."""

from __future__ import annotations

import re
from typing import Any

import pytest

from portal.features import RESOURCES
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient
from tests.resources.test_exporting import rows_of

USUAL = ["Name", "Role", "Status", "Last sign-in", "Created"]


def heads(client: PageClient, address: str = "/users/", **options: Any) -> list[str]:
    """The headings of a list."""
    page = client.get(address, **options).text
    return [re.sub("<[^>]*>", "", one).strip() for one in re.findall(r"<th\b[^>]*>(.*?)</th>", page, re.S)][:-1]


def arrange(client: PageClient, address: str = "/users/arrange", **fields: Any) -> Any:
    order = fields.pop("order", ["role", "status", "last_sign_in_at", "created_at", "deleted_at"])
    return client.send(address, {"order": order, "column": order, "per_page": "25", **fields})


@pytest.fixture
def admin(client: PageClient, sign_in: SignIn, ada: Person, uma: Person) -> PageClient:
    sign_in(ada)
    return client


def test_columns_are_shown_in_the_chosen_order_on_every_device_of_the_person(
    admin: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    assert heads(admin) == USUAL

    answer = arrange(admin, order=["expires_on", "created_at", "role"])

    assert answer.status_code == 303
    assert answer.location == "/users/"
    sign_in(ada, other_client)
    for browser in (admin, other_client):
        assert heads(browser) == ["Name", "Last day of access", "Created", "Role"]


def test_a_list_sorted_by_a_column_that_it_does_not_show_says_so(admin: PageClient) -> None:
    arrange(admin, order=["role"])

    assert "Sorted by Created, descending" in admin.get("/users/").text
    assert ">Sorted by Changed<" in admin.get("/users/?sort=updated_at").text
    for shown in ("/users/?sort=-role", "/users/?columns=created_at"):
        assert "Sorted by" not in admin.get(shown).text


def test_an_arrangement_applies_to_one_person_only(
    admin: PageClient, other_client: PageClient, sign_in: SignIn, root: Person
) -> None:
    arrange(admin, order=["role"])
    sign_in(root, other_client)

    assert heads(other_client) == ["Name", "Organization", *USUAL[1:]]
    assert heads(admin, "/teams/") == []  # it is empty
    assert heads(admin) == ["Name", "Role"]


def test_rows_per_page_and_density_are_remembered(admin: PageClient, build: Builder, acme: Tenant) -> None:
    for number in range(60):
        build.person(f"p{number}@example.com", tenant=acme, password="!")  # noqa: S106 -- no hash

    arrange(admin, per_page="50", density="compact")

    page = admin.get("/users/").text
    assert page.count('name="id"') == 50
    assert 'class="dense"' in page
    assert "per_page=50" not in page.split('class="sizes"')[0]
    assert admin.get("/users/?per_page=25").text.count('name="id"') == 25


def test_resetting_restores_the_default_list(admin: PageClient) -> None:
    arrange(admin, order=["role"], per_page="100", density="compact")

    arrange(admin, reset="1")

    page = admin.get("/users/").text
    assert heads(admin) == USUAL
    assert 'class="dense"' not in page


def test_columns_are_moved_without_javascript(admin: PageClient) -> None:
    page = admin.send(
        "/users/arrange", {"order": ["role", "status"], "column": ["role"], "per_page": "50", "up": "status"}
    )

    assert page.status_code == 200
    assert re.findall(r'name="order" value="(\w+)"', page.text)[:2] == ["status", "role"]
    assert re.findall(r'value="(\w+)" checked> ', page.text) == ["role"]
    assert 'value="50" checked' in page.text
    assert heads(admin) == USUAL  # nothing is kept until it is saved


def test_the_url_of_a_list_can_name_its_columns_and_keeps_them(admin: PageClient) -> None:
    address = "/users/?columns=role,two_factor&role=ADMIN"

    page = admin.get(address).text

    assert heads(admin, address) == ["Name", "Role", "Two-factor"]
    assert "?sort=name&amp;columns=role,two_factor" in page.replace("role=ADMIN&amp;", "")
    assert "/users/export?role=ADMIN&amp;columns=role,two_factor&amp;format=csv" in page
    assert heads(admin) == USUAL


@pytest.mark.parametrize(
    ("columns", "shown", "told"),
    [
        ("role,phone_number", ["Name", "Role"], "This list has no column “phone number”, so it was left out."),
        ("phone", USUAL, "This list has no column “phone”, so it was left out."),
        (
            "organization_name,role",
            ["Name", "Role"],
            "This list has no column “organization name”, so it was left out.",
        ),
        ("<b>,role", ["Name", "Role"], "Some columns don’t exist in this list, so they were left out."),
        ("name,role,role", ["Name", "Role"], "This list has no column “name”, so it was left out."),
        (",,", USUAL, ""),
        ("x" * 5000, USUAL, "Some columns don’t exist in this list, so they were left out."),
    ],
)
def test_d5_columns_that_no_longer_exist_are_left_out_and_named(
    admin: PageClient, columns: str, shown: list[str], told: str
) -> None:
    page = admin.get("/users/", query_string={"columns": columns})

    assert page.status_code == 200
    assert heads(admin, "/users/", query_string={"columns": columns}) == shown
    assert told in page.text
    assert ("left out" in page.text) == bool(told)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"order": ["nothing", "role", "role"], "column": ["role", "nothing"], "per_page": "7", "density": "x" * 9999},
        {"order": ["organization_name"], "column": ["organization_name"], "per_page": "-1"},
        {"up": "nothing", "per_page": "²"},
        {"order": ["role"], "down": "role", "per_page": "1e3"},
        {"order": ["x"] * 90, "column": ["x"] * 90},
    ],
)
def test_strange_arrangements_leave_a_list_that_works(admin: PageClient, fields: dict[str, Any]) -> None:
    assert admin.send("/users/arrange", fields).status_code in (200, 303)
    assert admin.get("/users/").status_code == 200
    assert heads(admin)[0] == "Name"


def test_d5_a_remembered_column_that_no_longer_exists_is_left_out(
    admin: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrange(admin, order=["expires_on", "role"])
    rest = tuple(one for one in RESOURCES["users"].columns if one.name != "expires_on")
    monkeypatch.setattr(type(RESOURCES["users"]), "columns", rest)

    assert heads(admin) == ["Name", "Role"]


def test_a_download_has_the_chosen_columns_in_their_order(admin: PageClient) -> None:
    arrange(admin, order=["status", "role"])

    assert list(rows_of(admin, "/users/export")[0]) == ["Email", "First name", "Last name", "Status", "Role"]
    assert list(rows_of(admin, "/users/export?columns=time_zone,role")[0]) == [
        "Email",
        "First name",
        "Last name",
        "Role",
    ]
    assert list(rows_of(admin, "/users/export?column=id")[0]) == ["ID"]
    assert set(re.findall(r'value="(\w+)" checked', admin.get("/users/columns").text)) == {
        "email", "first_name", "last_name", "status", "role",
    }  # fmt: skip


@pytest.mark.parametrize("address", ["/users/arrange?q=uma", "/teams/arrange"])
def test_the_dialog_has_what_the_page_has(admin: PageClient, address: str) -> None:
    whole, part = admin.get(address), admin.get(address, headers={"HX-Request": "true", "HX-Request-Type": "partial"})

    assert "<dialog" not in whole.text
    assert "<dialog" in part.text
    for page in (whole, part):
        assert re.search(r'name="order" value="\w+"', page.text)


def test_every_chosen_column_shows_something_for_every_tab(
    admin: PageClient, other_client: PageClient, root: Person
) -> None:
    SignIn(other_client)(root)
    for name, one in RESOURCES.items():
        every = ",".join(column.name for column in one.columns if column.kind != "title")
        for status in one_tabs(other_client, name):
            page = other_client.get(f"/{name}/?status={status}&columns={every}")
            assert page.status_code == 200
            assert "left out" not in page.text


def one_tabs(client: PageClient, name: str) -> list[str]:
    found = re.findall(rf'href="/{name}/\?status=([\w-]+)"', client.get(f"/{name}/").text)
    return ["active", *found]
