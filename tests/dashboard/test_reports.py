"""Reports: lists of people, and downloads of them."""

from __future__ import annotations

import csv
import re
from datetime import timedelta

import pytest

from portal.core.actor import Role
from portal.core.clock import now
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient

LIST = re.compile(r'<li><span><a href="([^"]+)">([^<]+)</a>')
CSV = re.compile(r'href="(/users/export\?[^"]+)">CSV<')


def lists(page: str) -> dict[str, str]:
    """Label -> URL."""
    return {label: url.replace("&amp;", "&") for url, label in LIST.findall(page)}


@pytest.fixture(autouse=True)
def people(build: Builder, acme: Tenant, birch: Tenant) -> None:
    at = now()
    for name, place, created, seen in (
        ("never", acme, 400, None), ("idle", acme, 400, 100), ("busy", acme, 400, 1), ("fresh", acme, 1, None),
        ("theirs", birch, 400, None),
    ):  # fmt: skip
        last = None if seen is None else at - timedelta(days=seen)
        made = at - timedelta(days=created)
        build.person(f"{name}@example.com", tenant=place, created_at=made, last_sign_in_at=last)


def test_reports_lead_to_the_people_they_name(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    found = lists(client.get("/reports/").text)

    names = {
        label: set(re.findall(r'href="/users/[^"]+">(\w+) Example', client.get(url).text))
        for label, url in found.items()
    }
    assert names == {
        "Administrators": {"Ada"},
        "Users": {"Never", "Idle", "Busy", "Fresh"},
        "Never signed in": {"Never", "Fresh"},
        "Not in the last 30 days, or never": {"Never", "Idle"},
        "Not in the last 90 days, or never": {"Never", "Idle"},
        "Not in the last 180 days, or never": {"Never"},
        "Not in the last 365 days, or never": {"Never"},
    }


def test_super_admins_see_everybody_with_numbers(
    client: PageClient, sign_in: SignIn, root: Person, ada: Person
) -> None:
    sign_in(root)

    page = client.get("/reports/").text

    assert re.findall(r">([\w, ]+)</a><small[^>]*>(\d+ \w+)<", page) == [
        ("Super administrators", "1 person"), ("Administrators", "1 person"), ("Users", "5 people"),
        ("All organizations, the largest first", "2 organizations"),
        ("Without an active administrator", "1 organization"),
    ]  # fmt: skip
    assert "Theirs" in client.get(lists(page)["Never signed in"]).text


def test_a_download_has_the_columns_of_an_access_review_and_its_date(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant
) -> None:
    sign_in(build.person("boss@example.com", role=Role.ADMIN, tenant=acme, has_two_factor=True))
    url = CSV.findall(client.get("/reports/").text)[0].replace("&amp;", "&")

    answer = client.get(url)

    rows = list(csv.DictReader(answer.text.lstrip("\ufeff").splitlines()))
    assert f"people-{now():%Y-%m-%d}.csv" in answer.headers["Content-Disposition"]
    assert [(row["Email"], row["Role"], row["Organization"], row["Two-factor"]) for row in rows] == [
        ("boss@example.com", "ADMIN", "Acme", "true")
    ]
    assert "ID" not in rows[0]
    assert "theirs" not in answer.text


def test_an_unknown_number_of_days_has_no_effect(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    assert client.get("/users/?idle=31").text.count(" Example</a>") == client.get("/users/").text.count(" Example</a>")
    assert "Never" in client.get("/users/?idle=90&q=never").text
