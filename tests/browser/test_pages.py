"""Every page, in every state, is accessible in both themes and fits a small phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import modes
from tests.browser.browsing import ADMIN, SharedTabs, Site, Tabs
from tests.browser.modes import HEIGHT
from tests.browser.scenes import SCENES

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
ACE = (Path(__file__).parent / "vendor" / "ibm" / "ace.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """options => axe.run(document, {...options, resultTypes: ['violations']}).then(({violations}) =>
    violations.map(({id, nodes}) => `${id}: ${nodes.map(node => node.html.slice(0, 160)).join(' | ')}`))"""
WHOLE: dict[str, Any] = {"runOnly": {"type": "tag", "values": TAGS}}
COLORS: dict[str, Any] = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# IBM's rules take longer the more elements and style rules there are, so rows and options that repeat are left out, and
# rules for classes that no element has. It doesn't find the labels of fields in closed details.
REPEATED = "tbody tr:nth-child(n+3), option:nth-child(n+4), .rows > li:nth-child(n+4)"
SHORTEN = f"""() => {{
  document.querySelectorAll('{REPEATED}').forEach((each) => each.remove());
  document.querySelectorAll('details').forEach((each) => {{ each.open = true; }});
  const isUsed = (selector) => (selector.match(/\\.[\\w-]+/g) || [])
    .every((name) => document.getElementsByClassName(name.slice(1)).length);
  const shorten = (sheet) => {{
    for (let place = sheet.cssRules.length; place--;) {{
      const {{selectorText, cssRules}} = sheet.cssRules[place];
      const isPlain = selectorText && !/[(\\\\]/.test(selectorText);
      if (isPlain && !selectorText.split(',').some(isUsed)) sheet.deleteRule(place);
      else if (cssRules) shorten(sheet.cssRules[place]);
    }}
  }};
  [...document.styleSheets].forEach(shorten);
}}"""
# The engine can't read the colors that our stylesheets use, so it gets them as red, green and blue.
READABLE = """() => {
  const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (value) => {
    if (!/^(ok|color)/.test(value)) return value;
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = value;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
  };
  const computed = window.getComputedStyle;
  window.getComputedStyle = (...given) => new Proxy(computed.apply(window, given), {get: (style, name) =>
    name === 'getPropertyValue' ? (property) => rgb(style.getPropertyValue(property))
      : typeof style[name] === 'function' ? style[name].bind(style) : rgb(style[name])});
}"""
# The properties that the themes give different values, in any element, and those that each rule reads.
DIFFERENT = """(before) => {
  const found = new Set();
  const styles = [...document.querySelectorAll('*')].flatMap((each) => ['', '::before'].map((part) => {
    const style = getComputedStyle(each, part || null);
    return Object.fromEntries([...style].filter((name) => !name.startsWith('--'))
      .map((name) => [name, style.getPropertyValue(name)]));
  }));
  if (!before) { window.before = styles; return []; }
  styles.forEach((style, place) => Object.keys(style).forEach((name) => {
    if (style[name] !== window.before[place][name]) found.add(name);
  }));
  return [...found];
}"""
READ = """() => {
  const checker = new ace.Checker(), computed = window.getComputedStyle, read = {};
  let running = '';
  const note = (name) => (read[running] ??= []).push(name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`));
  window.getComputedStyle = (...given) => new Proxy(computed.apply(window, given), {get: (style, name) => {
    if (name === 'getPropertyValue') return (property) => { note(property); return style.getPropertyValue(property); };
    note(String(name));
    return typeof style[name] === 'function' ? style[name].bind(style) : style[name];
  }});
  for (const rule of Object.values(checker.engine.ruleMap)) {
    const {id, run} = rule;
    rule.run = (...given) => { running = id; try { return run(...given); } finally { running = ''; } };
  }
  return checker.check(document, ['WCAG_2_2']).then(() => read);
}"""
RUN_ACE = """(rules) => {
  const checker = new ace.Checker();
  if (rules.length) checker.rulesetRules.WCAG_2_2 = rules;
  return checker.check(document, ['WCAG_2_2']).then(({results}) => results
    .filter(({value}) => value[0] === 'VIOLATION' && value[1] === 'FAIL')
    .map(({ruleId, message, snippet}) => `${ruleId}: ${message} ${snippet}`.slice(0, 300)));
}"""
ADD_STYLE = (
    "css => { document.adoptedStyleSheets = [new CSSStyleSheet()]; document.adoptedStyleSheets[0].replaceSync(css); }"
)
ABOUT_COLORS = ["text_contrast_sufficient", "img_alt_background"]
WIDE, NARROW = 1280, 390
MODES_FOR_IBM: list[tuple[str, int, list[str]]] = [
    ("dark", WIDE, []),
    ("light", WIDE, ABOUT_COLORS),
    ("light", NARROW, []),
    ("dark", NARROW, ABOUT_COLORS),
]


@pytest.fixture(scope="module")
def walk(browser: Browser, site: Site) -> Iterator[SharedTabs]:
    """One browser profile per person for all pages, because opening profiles would take half of the time."""
    tabs = SharedTabs(browser, site)
    yield tabs
    tabs.close()


def violations(page: Page, theme: str, width: int, options: dict[str, Any]) -> list[str]:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": HEIGHT})
    found = page.evaluate(RUN, options)
    return [f"{theme}, {width} px: {each}" for each in found]


def violations_for_ibm(page: Page) -> list[str]:
    """What IBM's engine finds in both themes, at a wide and a narrow size. Uses the page up.

    All rules run once per size, and in the other theme those that the theme makes a difference to.
    """
    page.evaluate(SHORTEN)
    page.evaluate(ACE)
    page.evaluate(READABLE)
    found = []
    for theme, width, rules in MODES_FOR_IBM:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": HEIGHT})
        found += [f"IBM, {theme}, {width} px: {each}" for each in page.evaluate(RUN_ACE, rules)]
    return found


@pytest.mark.parametrize("name", SCENES)
def test_every_page_is_accessible_and_fits(walk: SharedTabs, name: str) -> None:
    """All rules at a wide and a narrow size, rules about colors in each theme too, and no problem in any mode."""
    walk.complaints.clear()
    page = SCENES[name](walk)
    width = NARROW if name == "phone menu" else WIDE
    page.evaluate(AXE)

    found = violations(page, "light", width, WHOLE) + violations(page, "dark", width, COLORS)
    found += violations(page, "dark", NARROW, WHOLE) + violations(page, "light", NARROW, COLORS)
    found += modes.problems(page) + violations_for_ibm(page)

    assert found == []
    assert walk.complaints == []


def test_the_check_finds_violations(tabs: Tabs) -> None:
    page = tabs.open()
    page.goto("/login")
    page.evaluate(AXE)
    page.evaluate("document.querySelector('label').remove(); document.querySelector('h1').className = 'opacity-25'")

    found = violations(page, "light", WIDE, WHOLE)

    assert {each.split(": ")[1] for each in found} == {"label", "color-contrast"}
    page.evaluate("document.querySelector('h1').style.color = 'oklch(90% 0 0)'")
    for_ibm = violations_for_ibm(page)
    assert any("dark, 1280 px: input_label_exists" in each for each in for_ibm)
    assert any("dark, 390 px: text_contrast_sufficient" in each for each in for_ibm)


def test_only_rules_about_colors_can_find_something_else_in_the_other_theme(walk: SharedTabs) -> None:
    page = SCENES["person"](walk)
    page.evaluate(SHORTEN)
    page.evaluate(ACE)
    page.emulate_media(color_scheme="dark")
    page.evaluate(DIFFERENT, arg=False)
    page.emulate_media(color_scheme="light")
    different = set(page.evaluate(DIFFERENT, arg=True))

    read = page.evaluate(READ)

    assert "color" in different
    assert {rule for rule, names in read.items() if different & set(names)} == set(ABOUT_COLORS)


@pytest.mark.parametrize(
    ("style", "problem"),
    [
        ("h1 { width: 1000px; }", "390 px: the page scrolls sideways"),
        (".list td:first-child a { display: block; width: 5px; }", "1024 px: crushed"),
        (".list td:nth-child(2) { display: none; }", "390 px: cells apart from their heads"),
        ("@media (resolution: 2x) { h1 { width: 1000px; } }", "200 %: the page scrolls sideways"),
        (".card .btn { border-style: none; }", "forced colors: no border"),
        (".icon { background: Canvas !important; }", "forced colors: an icon without a color"),
        ("h1 { transition: color 1s !important; }", "reduced motion: moves"),
        (".bar { display: flex !important; }", "print: a control"),
        (".list table { display: block; }", "print: no table"),
        ("@media print { .list { width: 1000px; } }", "print: outside the paper"),
    ],
)
def test_the_check_finds_problems_in_each_mode(walk: SharedTabs, style: str, problem: str) -> None:
    page = walk.open(ADMIN)
    page.goto("/users/?q=ada")
    page.evaluate(ADD_STYLE, style)

    assert any(each.startswith(problem) for each in modes.problems(page))


@pytest.mark.parametrize(("theme", "system"), [("Dark", "light"), ("Light", "dark")])
def test_a_chosen_theme_is_accessible_whatever_the_systems_theme(tabs: Tabs, theme: str, system: str) -> None:
    page = tabs.open(ADMIN)
    page.goto("/users/")
    page.get_by_role("button", name=f"{theme} theme").click()
    page.locator(f"html[data-bs-theme={theme.lower()}]").wait_for()
    page.evaluate(AXE)

    assert violations(page, system, WIDE, WHOLE) == []
    assert modes.on_paper(page) == []
    assert theme == "Dark" or violations_for_ibm(page) == []  # with all rules, as every page in the dark theme
