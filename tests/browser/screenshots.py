"""Take the README's screenshots from a running portal, in both themes: `make screenshots`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import flask_migrate
from playwright.sync_api import sync_playwright

from portal.config import ROOT
from portal.demo_data.seed import seed_demo
from portal.postgres.embedded import Embedded
from tests.browser.browsing import ADMIN, FLAGS, MISSING, Site, Tabs, executable
from tests.browser.server import served
from tests.cast import Builder
from tests.database import app_for, disconnect

FOLDER = ROOT / "docs"
PAGES = {"people": "/users/", "dashboard": "/?period=year"}
THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
PEOPLE = 5_000


def main() -> None:
    path = executable()
    if path is None:
        raise SystemExit(MISSING)
    with (
        tempfile.TemporaryDirectory(prefix="portal-screenshots-", ignore_cleanup_errors=True) as folder,
        Embedded(Path(folder) / "postgres", durable=False).running() as url,
    ):
        app = app_for(url)
        with app.app_context():
            flask_migrate.upgrade()
            seed_demo(people=PEOPLE)
        with served(url) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            take(Tabs(browser, Site(address, Builder(app))))
            browser.close()
        disconnect(app)


def take(tabs: Tabs) -> None:
    page = tabs.open(ADMIN)
    for name, path in PAGES.items():
        page.goto(path)
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            page.screenshot(path=FOLDER / f"{name}-{theme}.png", animations="disabled", caret="hide")


if __name__ == "__main__":
    main()
