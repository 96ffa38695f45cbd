"""Everything can be reached by the Tab key alone, in the order in which it is read, and shows where the focus is."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.browsing import Tabs
from tests.browser.scenes import SCENES

# What Tab should reach, numbered in the order of the document. Of radio buttons with one name it reaches only one.
NUMBER = """() => {
  const root = document.querySelector('dialog[open]') ?? document;
  const focusable = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
  const reached = [...root.querySelectorAll(focusable)].filter((element) => !element.disabled &&
    element.checkVisibility({visibilityProperty: true}) && element.tabIndex >= 0
    && !(element.type === 'radio' && !element.checked && document.querySelector(`[name="${element.name}"]:checked`)));
  reached.forEach((element, place) => element.place = place);
  return reached.length;
}"""
FOCUS = """() => {
  const element = document.activeElement;
  const shown = element.type === 'radio' ? element.closest('label') ?? element : element;
  const {outlineStyle, outlineWidth} = getComputedStyle(shown);
  const field = element.closest('.dated, .finder') ?? element;
  const box = shown.getBoundingClientRect();
  return {
    place: element.place ?? null,
    isMarked: [outlineStyle, getComputedStyle(field).outlineStyle].some((style) => style !== 'none')
      || Boolean(element.closest('.finder')),
    isInView: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    html: element.outerHTML.slice(0, 120),
  };
}"""


def walked(page: Page) -> list[dict[str, Any]]:
    """What each press of Tab focuses, until it begins again."""
    steps: list[dict[str, Any]] = []
    for _ in range(page.evaluate(NUMBER) + 20):
        page.keyboard.press("Tab")
        step = page.evaluate(FOCUS)
        if steps and step["place"] == steps[0]["place"]:
            break
        if step["place"] is not None and not (steps and step["place"] == steps[-1]["place"]):  # one of a date's parts
            steps.append(step)
    return steps


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("people, invited", 390),
        ("people, invited", 1280),
        ("people, display options", 1280),
        ("person, edit", 390),
        ("dashboard", 390),
        ("activity", 1280),
        ("data browser, invalid filter", 1280),
        ("sign-in", 1280),
    ],
)
def test_tab_reaches_everything_in_order_and_shows_where_it_is(tabs: Tabs, name: str, width: int) -> None:
    page = SCENES[name](tabs)
    page.set_viewport_size({"width": width, "height": 800})
    expected = page.evaluate(NUMBER)

    steps = walked(page)

    assert [step["html"] for step in steps if not (step["isMarked"] and step["isInView"])] == []
    first = steps[0]["place"]  # after the field that the page focuses
    assert [step["place"] for step in steps] == [(first + place) % expected for place in range(expected)]
