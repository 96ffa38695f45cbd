"""The main job in Firefox, with JavaScript and without: find, create, change, undo."""

from __future__ import annotations

from pathlib import Path

from portal.demo import DEMO_PASSWORD
from tests.browser.browsing import ADMIN, Site
from tests.browser.marionette import MISSING, executable, firefox


def test_the_main_job_in_firefox(site: Site, tmp_path: Path, scripts: bool) -> None:
    path = executable()
    assert path, MISSING
    name = site.fresh("Firefoxa")

    with firefox(path, tmp_path, scripts=scripts) as page:
        page.goto(f"{site.url}/login")
        page.fill("Email", ADMIN)
        page.fill("Password", DEMO_PASSWORD)
        page.click("button", "Sign in")
        page.sees("Needs attention")
        page.goto(f"{site.url}/users/")
        page.click("a", "New person")
        page.fill("First name", name)
        page.fill("Last name", "Example")
        page.fill("Email", f"{name}@example.com".lower())
        page.fill("Organization", "acme-logistics")
        page.click("button", "Create person")
        page.sees("Pending, sent")
        page.click("a", "Edit")
        page.fill("Last name", "Renamed")
        page.click("button", "Save changes")
        page.sees(f"{name} Renamed")
        page.goto(f"{site.url}/users/?status=invited&q={name}")
        page.click("a", f"{name} Renamed")
        page.click("button", "Undo")
        page.sees(f"{name} Example")
