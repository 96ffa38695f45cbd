"""People see all times in their own time zone, in summer and winter time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from portal.activity.entries import days
from portal.activity.views import _moment
from portal.core.clock import bind_zone, unbind_zone, zone
from portal.core.days import day_of
from portal.users.models import User
from portal.web.jinja import clock, day, exact
from portal.web.zones import choices, zone_named
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient

BERLIN, LOS_ANGELES, KATHMANDU = "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu"


@contextmanager
def read_from(name: str) -> Iterator[None]:
    token = bind_zone(zone_named(name))
    try:
        yield
    finally:
        unbind_zone(token)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "name", "expected"),
    [
        ("2026-03-29T00:59:59", BERLIN, "29 Mar 2026, 01:59:59 CET"),
        ("2026-03-29T01:00:00", BERLIN, "29 Mar 2026, 03:00:00 CEST"),
        ("2026-10-25T00:30:00", BERLIN, "25 Oct 2026, 02:30:00 CEST"),
        ("2026-10-25T01:30:00", BERLIN, "25 Oct 2026, 02:30:00 CET"),
        ("2026-01-01T03:00:00", LOS_ANGELES, "31 Dec 2025, 19:00:00 PST"),
        ("2026-06-30T20:00:00", KATHMANDU, "1 Jul 2026, 01:45:00 +0545"),
        ("2026-06-30T20:00:00", "", "30 Jun 2026, 20:00:00 UTC"),
    ],
)
def test_a_time_uses_the_offset_of_its_day(moment: str, name: str, expected: str) -> None:
    with read_from(name):
        assert exact(at(moment)) == expected
        assert day(at(moment)) == expected.split(",")[0]
        assert clock(at(moment)) in expected


class Entry:
    def __init__(self, moment: str) -> None:
        self.at = at(moment)


def test_days_of_the_activity_log_begin_at_local_midnight_even_across_clock_changes() -> None:
    moments = ("2026-03-29T22:30", "2026-03-29T21:30", "2026-03-28T23:30", "2026-03-28T22:30")
    log = [Entry(moment) for moment in moments]

    with read_from(BERLIN):
        named = [(name, len(ones)) for name, ones in days(log)]  # type: ignore[arg-type]

    assert named == [("30 Mar 2026", 1), ("29 Mar 2026", 2), ("28 Mar 2026", 1)]


def test_typed_dates_and_times_are_local() -> None:
    with read_from(BERLIN):
        assert day_of("2026-07-01") == at("2026-06-30T22:00")
        assert day_of("2026-12-01") == at("2026-11-30T23:00")
        assert _moment("2026-07-01T12:00") == at("2026-07-01T10:00")
        assert _moment("2026-03-29T02:30") == at("2026-03-29T01:30")  # a time skipped when summer time starts
        assert _moment("2026-07-01T12:00+05:00") == at("2026-07-01T07:00")
    for name in (LOS_ANGELES, KATHMANDU):
        with read_from(name):
            for text in ("0001-01-01T00:00", "9999-12-31T23:59", "0001-01-01T00:00Z", "9999-12-31T23:59Z"):
                found = _moment(text)
                assert found is None or exact(found)


def test_every_offered_zone_is_valid_and_an_unknown_one_is_utc() -> None:
    names = [name for group in choices().values() for name, _ in group]

    assert len(names) == len(set(names)) > 400
    assert {BERLIN, LOS_ANGELES, KATHMANDU, "UTC", ""} <= set(names)
    assert all(zone_named(name).utcoffset(at("2026-01-01T00:00")) is not None for name in names)
    assert [zone_named(name) for name in ("Mars/Olympus", "../../etc/passwd", "\0", "", None)] == [UTC] * 5
    assert zone_named(BERLIN) == ZoneInfo(BERLIN)


def test_pages_use_the_time_zone_of_the_profile(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    gone = build.person("gone@example.com", tenant=acme, deleted_at=at("2025-07-01T22:30"))
    sign_in(ada)
    assert ">1 Jul 2025<" in client.get(f"/users/{gone.id}").text
    assert "Days and times are UTC." in client.get("/activity/").text

    saved = client.send("/account/", {"time_zone": BERLIN})

    assert saved.status_code == 303
    assert build.read(User, ada.id).time_zone == BERLIN
    page = client.get(f"/users/{gone.id}").text
    assert '<time datetime="2025-07-01T22:30:00Z" title="2 Jul 2025, 00:30:00 CEST">2 Jul 2025<' in page
    assert "data-browser-time" not in page
    assert f"Days and times are {BERLIN}." in client.get("/activity/").text
    assert "changed the time zone" in client.get("/account/").text
    assert "+00:00" in client.get("/activity/export").text
    assert "+02:00" not in client.get("/activity/export").text


def test_pages_use_the_time_zone_of_the_browser_by_default(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    gone = build.person("gone@example.com", tenant=acme, deleted_at=at("2025-07-01T22:30"))
    sign_in(ada)
    client.set_cookie("time_zone", BERLIN)

    page = client.get(f"/users/{gone.id}").text
    assert '<time datetime="2025-07-01T22:30:00Z" title="2 Jul 2025, 00:30:00 CEST">2 Jul 2025<' in page
    assert 'data-browser-time="GET"' in page
    assert f"Days and times are {BERLIN}." in client.get("/activity/").text
    client.send("/account/", {"time_zone": KATHMANDU})
    assert "2 Jul 2025, 04:15:00 +0545" in client.get(f"/users/{gone.id}").text


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "leapseconds", "Europe", "é", "", "x" * 3000])
def test_an_invalid_time_zone_cookie_means_utc(client: PageClient, sign_in: SignIn, ada: Person, name: str) -> None:
    sign_in(ada)
    client.set_cookie("time_zone", name)

    answer = client.get("/activity/")

    assert answer.status_code == 200
    assert "Days and times are UTC." in answer.text


def test_a_time_zone_does_not_leak_into_the_next_request(
    client: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    sign_in(uma, other_client)
    client.send("/account/", {"time_zone": KATHMANDU})

    for _ in range(2):
        assert "+0545" in client.get("/account/").text
        assert zone() is UTC
        assert "+0545" not in other_client.get("/account/").text


@pytest.mark.parametrize("name", ["Mars/Olympus", "europe/berlin", "../../etc/passwd", "Etc/GMT+3", "x" * 5000])
def test_a_zone_that_is_not_offered_is_rejected(
    client: PageClient, sign_in: SignIn, build: Builder, uma: Person, name: str
) -> None:
    sign_in(uma)

    assert client.send("/account/", {"time_zone": name}).status_code == 422
    assert build.read(User, uma.id).time_zone is None
