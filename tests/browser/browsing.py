"""Open the portal in a real browser, and collect its errors and warnings."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, StorageState, expect
from sqlalchemy import select

from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db
from portal.demo import DEMO_PASSWORD
from portal.organizations.models import Organization
from tests.browser.server import FAILING
from tests.cast import Builder, Tenant

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    "The browser journeys were left out: no Chromium was found (one of "
    + ", ".join(EXECUTABLES)
    + "). `apt-get install chromium` brings it."
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
PATIENCE = 60_000
ADMIN, ADA, UMA = "admin@example.com", "ada@example.com", "uma@example.com"
STATUS = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")
EXPECTED_STATUSES = ("400", "403", "404", "405", "409", "410", "422", "429")

expect.set_options(timeout=PATIENCE)


def executable() -> str | None:
    """The installed Chromium, or None. Nothing is ever downloaded."""
    return next((path for name in EXECUTABLES if (path := shutil.which(name))), None)


@dataclass
class Site:
    """A running portal with demo data. `build` adds rows that a test may change."""

    url: str
    build: Builder
    states: dict[str, StorageState] = field(default_factory=dict)
    made: int = 0

    @cached_property
    def acme(self) -> Tenant:
        """The demo's first organization, to which ADA and UMA belong."""
        with self.build.app.app_context(), acting_as(SYSTEM):
            row = db.session.execute(select(Organization).where(Organization.slug == "acme-logistics")).scalar_one()
            return Tenant(row.id, row.name, row.slug)

    def fresh(self, what: str) -> str:
        """A word that no other test uses."""
        self.made += 1
        return f"{what}{self.made}"


class Tabs:
    """Open pages, each in its own browser profile, and collect the browser's complaints about them."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self.browser = browser
        self.site = site
        self.complaints: list[str] = []
        self.contexts: list[BrowserContext] = []

    def open(self, person: str | None = None, *, scripts: bool = True, width: int = 1280, **options: Any) -> Page:
        """A page, signed in as one of the demo's people if one is given."""
        state = self._state_of(person) if person else None
        context = self.browser.new_context(
            base_url=self.site.url,
            java_script_enabled=scripts,
            viewport={"width": width, "height": 800},
            storage_state=state,
            reduced_motion="reduce",
            service_workers="block",
            **options,
        )
        context.set_default_timeout(PATIENCE)
        context.on("console", self._log_message)
        context.on("weberror", lambda error: self.complaints.append(f"{error.page and error.page.url}: {error.error}"))
        context.on("request", self._check_request)
        self.contexts.append(context)
        return context.new_page()

    def close(self) -> None:
        while self.contexts:
            self.contexts.pop().close()

    def _log_message(self, message: ConsoleMessage) -> None:
        """Keep errors and warnings, except the browser's note about an expected error status."""
        status = STATUS.match(message.text)
        path = urlsplit(message.location["url"]).path
        is_expected = status and status[1] in EXPECTED_STATUSES and not path.startswith("/static/")
        if is_expected or path.startswith(FAILING):
            return
        if message.type in ("error", "warning"):
            self.complaints.append(f"{path}: {message.text}")

    def _check_request(self, request: Request) -> None:
        if not request.url.startswith((self.site.url, "data:")):
            self.complaints.append(f"a request to another host: {request.url}")

    def _state_of(self, person: str) -> StorageState:
        if person not in self.site.states:
            page = self.open()
            sign_in(page, person)
            self.site.states[person] = page.context.storage_state()
        return self.site.states[person]


class SharedTabs(Tabs):
    """Reuse one page per person, for tests that open many pages one after the other."""

    def __init__(self, browser: Browser, site: Site) -> None:
        super().__init__(browser, site)
        self.pages: dict[str, Page] = {}

    def open(self, person: str | None = None, *, scripts: bool = True, width: int = 1280, **options: Any) -> Page:
        if person is None:
            return super().open(scripts=scripts, width=width, **options)
        if person not in self.pages:
            self.pages[person] = super().open(person, scripts=scripts, **options)
        page = self.pages[person]
        page.context.set_offline(False)
        page.set_viewport_size({"width": width, "height": 800})
        return page


def sign_in(page: Page, email: str, password: str = DEMO_PASSWORD, *, at: str = "/login") -> None:
    """Sign in through the form."""
    page.goto(at)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_have_count(0)


def exceed_rate_limit(page: Page, email: str) -> None:
    """Enter wrong passwords until rate-limited."""
    page.goto("/login")
    for _ in range(6):
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill("not the one")
        with page.expect_response("**/login"):
            page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("alert").wait_for()
    expect(page.get_by_role("alert")).to_contain_text("Too many attempts. Try again in")


def focused(page: Page) -> str:
    """The name or id of the focused element, or its tag."""
    return str(page.evaluate("(({name, id, tagName}) => name || id || tagName)(document.activeElement)"))


def texts(shown: Locator) -> list[str]:
    """The texts of these elements, once the page has loaded."""
    expect(shown.first).to_be_visible()
    shown.page.wait_for_load_state()
    return shown.all_inner_texts()


def names(page: Page) -> list[str]:
    """The names in the list, in order."""
    return texts(page.locator(".list tbody [data-face]"))
