"""Check a loaded page in the modes that people choose: sizes, zoom, forced colors, reduced motion, print."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

HEIGHT, A4 = 800, 718  # A4 within the margins of Chromium
WIDTHS = (320, 390, 640, 768, 1024, 1280, 1920)
ZOOMED: dict[str, Any] = {"width": 640, "height": 400, "deviceScaleFactor": 2, "mobile": False}  # 1280 pixels at 200 %
VISIBLE = """
const visible = (element) => element.checkVisibility({opacityProperty: true, visibilityProperty: true})
  && element.getClientRects().length && !element.closest('.visually-hidden, .htmx-indicator');
const all = (selector) => [...document.querySelectorAll(selector)].filter(visible);
const named = (what) => (element) => `${what}: ${element.outerHTML.slice(0, 160)}`;
"""
# At any size: no sideways scrolling, no text squeezed into a narrow column, and no cell read under another one's head.
FITTING = f"""() => {{{VISIBLE}
  const {{scrollWidth, clientWidth}} = document.documentElement;
  const isCrushed = (element) => {{
    const {{width, height}} = element.getBoundingClientRect();
    return height > 3 * width && element.textContent.trim().length > 4;
  }};
  const isShifted = (table) => new Set([...table.rows].map(({{cells}}) =>
    [...cells].map((cell) => cell.checkVisibility()).join())).size > 1;
  return [
    ...(scrollWidth > clientWidth ? ['the page scrolls sideways'] : []),
    ...all('main :is(a, small, dd, p, h1, h2, label)').filter(isCrushed).map(named('crushed')),
    ...all('.list table, .tables').filter(isShifted).map(named('cells apart from their heads')),
  ];
}}"""
# Forced colors replace every background, so that only borders, outlines and marks of the browser are left.
FORCED = f"""() => {{{VISIBLE}
  const canvas = getComputedStyle(document.body).backgroundColor;
  const lines = (style, ...names) => names.some((name) => style[`${{name}}Style`] !== 'none'
    && parseFloat(style[`${{name}}Width`]) && style[`${{name}}Color`] !== canvas);
  const isFramed = (element) => lines(getComputedStyle(element), 'borderTop', 'borderLeft', 'outline');
  const isUnseen = (element) => ['', '::before', '::after'].some((part) => {{
    const style = getComputedStyle(element, part || null);
    return style.maskImage !== 'none' && style.backgroundColor === canvas && (!part || style.content !== 'none');
  }});
  const boxes = 'input:is([type=checkbox], [type=radio])';
  const typed = `.form-control:not(.dated > *), .form-select, .btn:not(.btn-tool), .note, .card, .meter, dialog[open]`;
  const chosen = `.nav-item[aria-current], .tabs [aria-current], .sizes [aria-current], .theme [aria-pressed=true],
    .hit[aria-selected=true], .switch label:has(:checked), .choice label:has(:checked)`;
  return [
    ...all(boxes).filter((box) => getComputedStyle(box).appearance === 'none').map(named('no mark')),
    ...all(typed).filter((each) => !isFramed(each)).map(named('no border')),
    ...all(chosen).filter((each) => !isFramed(each)).map(named('not shown as chosen')),
    ...all('body :not(input)').filter(isUnseen).map(named('an icon without a color')),
  ];
}}"""
MOVING = f"""() => {{{VISIBLE}
  const isMoving = (element) => {{
    const {{animationName, transitionDuration}} = getComputedStyle(element);
    return animationName !== 'none' || transitionDuration.split(', ').some((each) => parseFloat(each));
  }};
  return [...all('*').filter(isMoving).map(named('moves')), ...document.getAnimations().map(() => 'an animation')];
}}"""
PRINTED = f"""() => {{{VISIBLE}
  const width = document.documentElement.clientWidth;
  const controls = 'button, .btn, .sidebar, .topbar, .bar, .selected, .skip, .list input, .card:empty';
  const pen = document.createElement('canvas').getContext('2d', {{willReadFrequently: true}});
  pen.fillStyle = getComputedStyle(document.querySelector('h1, h2')).color;
  pen.fillRect(0, 0, 1, 1);
  const ink = [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  return [
    ...all(controls).map(named('a control')),
    ...all('.list table, .list tr').filter((each) => !getComputedStyle(each).display.startsWith('table'))
      .map(named('no table')),
    ...all('main :is(td, th, dd, p, li, h1, h2):not(.sheet *)')
      .filter((each) => each.getBoundingClientRect().right > width + 1).map(named('outside the paper')),
    ...(Math.max(...ink) > 128 ? ['light text on white paper'] : []),
  ];
}}"""


def problems(page: Page) -> list[str]:
    """What is wrong with the page in any mode. Leaves it at the last size, in its usual mode."""
    return [*at_all_sizes(page), *forced_colors(page), *motion(page), *on_paper(page)]


def at_all_sizes(page: Page) -> list[str]:
    """What doesn't fit at some width, or at a zoom of 200 %."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        found += [f"{width} px: {each}" for each in page.evaluate(FITTING)]
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setDeviceMetricsOverride", ZOOMED)
    found += [f"200 %: {each}" for each in page.evaluate(FITTING)]
    session.detach()
    page.set_viewport_size({"width": 1280, "height": HEIGHT})
    return found


def forced_colors(page: Page) -> list[str]:
    """Controls, choices and icons that forced colors make invisible."""
    page.emulate_media(forced_colors="active", color_scheme="light")
    found = page.evaluate(FORCED)
    page.emulate_media(forced_colors="none")
    return [f"forced colors: {each}" for each in found]


def motion(page: Page) -> list[str]:
    """What moves although the person wants no motion, which all pages of these tests do."""
    return [f"reduced motion: {each}" for each in page.evaluate(MOVING)]


def on_paper(page: Page) -> list[str]:
    """What is printed although it is of no use on paper, and what isn't readable there."""
    page.set_viewport_size({"width": A4, "height": HEIGHT})
    page.emulate_media(media="print")
    found = page.evaluate(PRINTED)
    page.emulate_media(media="screen")
    return [f"print: {each}" for each in found]
