"""Every page, in every state, is accessible in both themes and fits a small phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.browsing import ADMIN, SharedTabs, Site, Tabs
from tests.browser.scenes import SCENES

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
ACE = (Path(__file__).parent / "vendor" / "ibm" / "ace.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """options => axe.run(document, {...options, resultTypes: ['violations']}).then(({violations}) =>
    violations.map(({id, nodes}) => `${id}: ${nodes.map(node => node.html.slice(0, 160)).join(' | ')}`))"""
WHOLE: dict[str, Any] = {"runOnly": {"type": "tag", "values": TAGS}}
COLORS: dict[str, Any] = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# IBM's rules take longer the more elements there are, so rows and options that repeat are left out.
REPEATED = "tbody tr:nth-child(n+3), option:nth-child(n+4), .rows > li:nth-child(n+4)"
SHORTEN = f"document.querySelectorAll('{REPEATED}').forEach((each) => each.remove())"
RUN_ACE = """() => new ace.Checker().check(document, ['WCAG_2_2']).then(({results}) => results
    .filter(({value}) => value[0] === 'VIOLATION' && value[1] === 'FAIL')
    .map(({ruleId, message, snippet}) => `${ruleId}: ${message} ${snippet}`.slice(0, 300)))"""
WIDE, NARROW, NARROWEST = 1280, 390, 320


@pytest.fixture(scope="module")
def walk(browser: Browser, site: Site) -> Iterator[SharedTabs]:
    """One browser profile per person for all pages, because opening profiles would take half of the time."""
    tabs = SharedTabs(browser, site)
    yield tabs
    tabs.close()


def violations(page: Page, theme: str, width: int, options: dict[str, Any]) -> list[str]:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    found = page.evaluate(RUN, options)
    return [f"{theme}, {width} px: {each}" for each in found]


def violations_for_ibm(page: Page) -> list[str]:
    """What IBM's engine finds in the dark theme. The page is used up."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": WIDE, "height": 800})
    page.evaluate(SHORTEN)
    page.evaluate(ACE)
    return [f"IBM: {each}" for each in page.evaluate(RUN_ACE)]


@pytest.mark.parametrize("name", SCENES)
def test_every_page_is_accessible_and_fits(walk: SharedTabs, name: str) -> None:
    """All rules at each width, rules about colors in each theme and width, and no sideways scrolling."""
    page = SCENES[name](walk)
    width = NARROW if name == "phone menu" else WIDE
    page.evaluate(AXE)

    found = violations(page, "light", width, WHOLE) + violations(page, "dark", width, COLORS)
    found += violations(page, "dark", NARROW, WHOLE) + violations(page, "light", NARROW, COLORS)
    page.set_viewport_size({"width": NARROWEST, "height": 640})
    too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    found += violations_for_ibm(page)

    assert found == []
    assert too_wide <= 0, "the page scrolls sideways"
    assert walk.complaints == []


def test_the_check_finds_violations(tabs: Tabs) -> None:
    page = tabs.open()
    page.goto("/login")
    page.evaluate(AXE)
    page.evaluate("document.querySelector('label').remove(); document.querySelector('h1').className = 'opacity-25'")

    found = violations(page, "light", WIDE, WHOLE)

    assert {each.split(": ")[1] for each in found} == {"label", "color-contrast"}
    assert any("input_label_exists" in each for each in violations_for_ibm(page))


@pytest.mark.parametrize(("theme", "system"), [("Dark", "light"), ("Light", "dark")])
def test_a_chosen_theme_is_accessible_whatever_the_systems_theme(tabs: Tabs, theme: str, system: str) -> None:
    page = tabs.open(ADMIN)
    page.goto("/users/")
    page.get_by_role("button", name=f"{theme} theme").click()
    page.locator(f"html[data-bs-theme={theme.lower()}]").wait_for()
    page.evaluate(AXE)

    assert violations(page, system, WIDE, WHOLE) == []
