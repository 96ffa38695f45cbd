"""The first page: each figure links to exactly the rows it counts."""

from __future__ import annotations

import re
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import text

from portal.core.actor import Role
from portal.core.clock import now, stopped
from portal.core.db import db
from portal.dashboard.chart import chart_of
from portal.dashboard.queries import sum_of
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient, text_of

FIGURE = re.compile(r'<li><a class="card" href="([^"]+)"><span class="quiet">([^<]+)</span>.*?number">([^<]+)<', re.S)


FORTY = """
INSERT INTO users (email, organization_id) SELECT n || '@example.com', :tenant FROM generate_series(1, 40) n
"""


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
    build.person("old@example.com", tenant=acme, created_at=now() - timedelta(days=90))
    build.person("asked@example.com", tenant=acme, invited_at=now())
    build.person("late@example.com", tenant=acme, invited_at=now() - timedelta(days=30))
    build.person("lost@example.com", tenant=build.tenant("Gone", deleted_at=now()), invited_at=now())
    build.person("apart@example.com", tenant=birch, invited_at=now())
    sign_in({"ada": ada, "root": root}[who])

    shown = figures(client.get("/").text)

    assert len(shown) == 5
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


def test_the_chart_is_rendered_by_the_server_with_a_description(
    client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)

    text = client.get("/").text

    assert "<polyline" in text or "<path" in text
    assert "New people, last 30 days" in text
    assert re.search(r'role="img"|aria-labelledby|<desc', text)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_days_are_in_the_readers_time_zone(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, zone: str
) -> None:
    here = ZoneInfo(zone)
    admin = build.person("admin@example.com", role=Role.ADMIN, tenant=acme, time_zone=zone)
    with stopped():
        midnight = now().astimezone(here).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=29)
        for minutes in (-1, 1):
            build.person(f"p{minutes}@example.com", tenant=acme, created_at=midnight + timedelta(minutes=minutes))
        sign_in(admin)
        text = client.get("/").text
        url, number = figures(text)["New people"]

    assert number == "2", "the administrator, and the person created a minute after midnight"
    assert rows_at(client, url) == 2
    assert f"Time zone: {zone}." in text


def test_a_user_is_redirected_to_their_account(client: PageClient, sign_in: SignIn, uma: Person) -> None:
    sign_in(uma)

    assert client.get("/").headers["Location"] == "/account/"


def test_an_empty_portal_has_a_first_page_too(client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)

    assert figures(client.get("/").text)["Organizations"][1] == "0"


@pytest.mark.parametrize(("who", "shown"), [("ada", "2+"), ("root", "~42")])
def test_new_people_beyond_the_bound_are_only_estimated_for_super_admins(
    app: Flask, client: PageClient, sign_in: SignIn, acme: Tenant, ada: Person, root: Person,
    monkeypatch: pytest.MonkeyPatch, who: str, shown: str,
) -> None:  # fmt: skip
    with acting(app):
        db.session.execute(text(FORTY), {"tenant": acme.id})
        db.session.execute(text("ANALYZE users"))
        db.session.commit()
    for module in ("queries", "views"):
        monkeypatch.setattr(f"portal.dashboard.{module}.DAY_BOUND", 2)
    sign_in({"ada": ada, "root": root}[who])

    text_shown = client.get("/").text

    assert figures(text_shown)["New people"][1] == shown
    assert "On 1 of these days, more than 2 people were added. The line ends at 2." in text_shown


def test_a_day_with_more_people_than_are_counted_is_marked() -> None:
    daily = [3, 11, 11, 10]

    chart = chart_of(daily, date(2026, 10, 29), sum_of(daily), 10)

    assert chart.finding == "On 2 of these days, more than 10 people were added. The line ends at 10."
    assert chart.desc == "3 to 10 or more new people per day."
    assert chart_of([3, 10], date(2026, 10, 29), sum_of([3, 10]), 10).finding == "Busiest day: 30 Oct (10)."
