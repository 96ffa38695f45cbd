"""A test client that checks every page it fetches."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.web import load

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
CONTROLS = ("input", "select", "textarea")
UNLABELLED = ("hidden", "submit", "button")
HUE = re.compile(r"\bhue-\d\b")
VARYING = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+Z-]+|\d\d:\d\d(?::\d\d)?|[\w.-]{32,}")
STANDS = re.compile(r"varying-\d+-")
_checked: set[str] = set()  # the pages that were valid, without what varies


@pytest.fixture(autouse=True)
def exports_ended() -> Iterator[None]:
    """End the exports of a test, because the test client never closes responses and they would count forever."""
    yield
    load.exports._taken.clear()


class Reader(FlaskClient):
    """Flask's test client, whose text of a response leaves out <wbr>, as copying from a page does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        read = property(lambda answer: answer.get_data(as_text=True).replace("<wbr>", ""))
        self.response_wrapper = type("Read", (self.response_wrapper,), {"text": read})

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Downloads are read to the end and closed, as servers do. Otherwise their request would never end."""
        if "/export" in str(args[0] if args else ""):
            kwargs.setdefault("buffered", True)
        return super().open(*args, **kwargs)


class PageClient(Reader):
    """A client that checks every HTML response and submits forms as a browser would."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        if response.mimetype == "text/html" and response.text and not kwargs.get("buffered"):
            check_page(response)
        return response

    def form(self, path: str, *, action: str | None = None, **kwargs: Any) -> dict[str, str]:
        """The fields of the page's first POST form (or of the one with this action), as a browser would submit them."""
        return fields_of(self.get(path, **kwargs).text, action)

    def send(
        self, path: str, values: dict[str, Any] | None = None, *, at: str | None = None, **kwargs: Any
    ) -> TestResponse:
        """Fill in the form on the page `at` (by default `path` itself) and POST it to `path`."""
        fields = self.form(at or path)
        return self.post(path, data={**fields, **(values or {})}, **kwargs)

    def confirm(self, response: TestResponse, **kwargs: Any) -> TestResponse:
        """Submit the confirmation that a response asks for. Other responses are returned unchanged."""
        if response.status_code != 200:
            return response
        path = response.request.path
        return self.post(path, data=fields_of(response.text, path), **kwargs)


def check_page(response: TestResponse) -> None:
    """Valid HTML, one h1, a title, labelled controls, forms with names of their own, unique ids, nothing inline."""
    text, _ = without_varying(response.text)
    if text in _checked:
        return
    is_page = text.lstrip().lower().startswith("<!doctype")
    tree, errors = parsed(text, is_page=is_page)
    assert not errors, f"{response.request.path}: {errors[:3]}"
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids)), f"{response.request.path}: a duplicate id"
    for element in tree.iter():
        if isinstance(element.tag, str):
            check_element(tree, element)
    names = [name_of(tree, form) for form in tree.iter("form")]
    assert all(names), f"{response.request.path}: a form has no name: {names}"
    assert len(names) == len(set(names)), f"{response.request.path}: two forms have one name: {names}"
    primary = [element for element in tree.iter() if "btn-primary" in (element.get("class") or "").split()]
    assert len(primary) <= 1, f"{response.request.path}: {len(primary)} primary actions"
    if is_page:
        assert len(list(tree.iter("h1"))) == 1, f"{response.request.path}: not one h1"
        assert tree.findtext(".//title"), f"{response.request.path}: no title"
    _checked.add(text)


def without_varying(text: str) -> tuple[str, dict[str, str]]:
    """The text with placeholders for keys, tokens and times, and what they stand for.

    Equal values have equal placeholders, so a page is valid if one with the same text was.
    """
    found: dict[str, str] = {}
    same = VARYING.sub(lambda one: found.setdefault(one[0], f"varying-{len(found)}-"), HUE.sub("hue-0", text))
    return same, {placeholder: value for value, placeholder in found.items()}


@lru_cache(maxsize=64)
def parsed(text: str, *, is_page: bool) -> tuple[Element, list[Any]]:
    """The tree, which nobody may change, and the errors. Parsing takes longer than the request."""
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), namespaceHTMLElements=False)
    tree = parser.parse(text) if is_page else parser.parseFragment(text)
    return tree, [error for error in parser.errors if error[1] != "expected-doctype-but-got-start-tag"]


def name_of(tree: Element, element: Element) -> str:
    """Its accessible name."""
    labels = [tree.find(f".//*[@id='{key}']") for key in (element.get("aria-labelledby") or "").split()]
    names = [" ".join("".join(label.itertext()).split()) for label in labels if label is not None]
    return " ".join(names) or (element.get("aria-label") or "").strip()


def check_element(tree: Element, element: Element) -> None:
    assert element.get("style") is None, "an inline style"
    assert not [name for name in element.keys() if name.startswith(("on", "hx-on"))], "an inline handler"  # noqa: SIM118
    if element.tag == "script":
        assert element.get("src"), "an inline script"
    if element.tag == "img":
        assert element.get("alt") is not None
    if element.tag == "form" and (element.get("method") or "").lower() == "post":
        assert element.find(".//input[@name='csrf_token']") is not None, f"no CSRF field: {element.attrib}"
    if element.tag in CONTROLS and element.get("type") not in UNLABELLED:
        name = element.get("aria-label") or element.get("aria-labelledby")
        label = tree.find(f".//label[@for='{element.get('id')}']") if element.get("id") else None
        inside = any(element in list(one.iter()) for one in tree.iter("label"))
        assert name or label is not None or inside, f"no label: {element.attrib}"


def fields_of(text: str, action: str | None = None) -> dict[str, str]:
    """The fields of a form as a browser would submit them: values, checked boxes, selected options."""
    return dict(pairs_of(text, action))


def pairs_of(text: str, action: str | None = None) -> list[tuple[str, str]]:
    """The same with every value of fields that have the same name."""
    same, values = without_varying(text)

    def restored(part: str | None) -> str | None:
        return part and STANDS.sub(lambda one: values[one[0]], part)

    tree, _ = parsed(same, is_page=True)
    main = tree.find(".//main")
    for form in (main if main is not None else tree).iter("form"):
        is_post = (form.get("method") or "").lower() == "post"
        if is_post and (action is None or restored(form.get("action")) == action):
            return [(restored(name) or "", restored(value) or "") for name, value in _fields(form)]
    raise AssertionError(f"no POST form on the page: {text[:300]}")


def _fields(form: Element) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for element in form.iter():
        name = element.get("name")
        if not name or element.tag not in CONTROLS:
            continue
        if element.tag == "select":
            options = list(element.iter("option"))
            chosen = [one for one in options if one.get("selected") is not None] or options[:1]
            found += [(name, one.get("value", one.text or "")) for one in chosen]
        elif element.tag == "textarea":
            found.append((name, element.text or ""))
        elif element.get("type") not in ("checkbox", "radio") or element.get("checked") is not None:
            found.append((name, element.get("value", "")))
    return found


def names_in(text: str) -> list[str]:
    """The names in a page's list of people or organizations, in order."""
    return re.findall(r'<td><input[^>]*><a class="hue-\d"[^>]*>([^<]+)</a>', text)


def text_of(page: str) -> str:
    """The page without markup, its spaces as one."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


def undo_in(text: str) -> dict[str, str]:
    """The fields of the Undo button in a page's confirmation."""
    toasts = html5lib.parse(text, namespaceHTMLElements=False).find(".//div[@id='toasts']")
    form = None if toasts is None else toasts.find(".//form")
    assert form is not None, f"nothing to undo: {text[-2000:]}"
    return dict(_fields(form))
