"""The forms of a person's own account."""

from __future__ import annotations

import pytest
from flask import Flask
from wtforms.widgets import Select

from portal.account.forms import ProfileForm
from portal.users.models import User

OFFERED = ("", "UTC", "Europe/Berlin", "America/Indiana/Knox")


@pytest.mark.parametrize("zone", [*OFFERED, "Mars/Olympus", '"><script>alert(1)</script>'])
def test_the_select_of_time_zones_looks_as_if_it_was_rendered_anew(app: Flask, zone: str) -> None:
    with app.test_request_context("/account/"):
        field = ProfileForm(User(email="uma@example.com", time_zone=zone or None)).time_zone

        shown = field(**{"class": "form-select", "aria-describedby": "time_zone-hint"})

        assert shown == Select()(field, **{"class": "form-select", "aria-describedby": "time_zone-hint"})
        assert shown.count("<option selected") == 1
        assert ('<optgroup label="Other">' in shown) == (zone not in OFFERED)


@pytest.mark.parametrize("sent", ["Europe/Paris", "Mars/Olympus", '"><script>', "value"])
def test_the_select_of_time_zones_shows_what_was_sent_only_if_it_is_offered(app: Flask, sent: str) -> None:
    with app.test_request_context("/account/", method="POST", data={"time_zone": sent}):
        field = ProfileForm(User(email="uma@example.com", time_zone="Europe/Berlin")).time_zone

        shown = field()

    assert shown == Select()(field)
    assert shown.count("<option selected") == (sent == "Europe/Paris")
