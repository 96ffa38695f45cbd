"""Every template compiles, documents what it expects, and follows the content security policy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import StrictUndefined

from portal.config import ROOT
from tests.database import app_for

FOLDER = ROOT / "templates"
TEMPLATES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.html"))
LONGEST_LINE = 140
FRAGMENTS = [name for name in TEMPLATES if Path(name).name.startswith("_")]

# What the policy would block, what htmx would have to evaluate, and what isn't escaped.
FORBIDDEN = {
    "an inline style": r"\sstyle\s*=|<style\b",
    "an inline handler": r"\son[a-z]+\s*=",
    "a handler of htmx": r"hx-on|hx-vars|hx-live",
    "an expression for htmx": r"[\"']\s*(?:js|javascript):",
    "a filter in hx-trigger": r"hx-trigger[\"']?\s*[=:]\s*[\"'][^\"']*\[",
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "text that is not escaped": r"[^\"'\s]\s*\|\s*safe\b|autoescape\s+false|\bMarkup\b",
    "an address without the portal's own path": r"(?:href|src|action|hx-\w+)=[\"']/|request\.(?:path|full_path|url)\b",
    "a link without an address": r"href=[\"'](?:#|javascript:)?[\"']",
}


@pytest.fixture(scope="module")
def portal() -> Flask:
    return app_for("postgresql+psycopg://nobody@/none?host=/nowhere")  # never connected


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_compiles(portal: Flask, name: str) -> None:
    assert portal.jinja_env.undefined is StrictUndefined
    assert portal.jinja_env.get_template(name).name == name


@pytest.mark.parametrize("name", TEMPLATES)
def test_in9_no_template_contains_anything_that_browsers_would_evaluate(name: str) -> None:
    source = re.sub(r"\{#.*?#\}", "", (FOLDER / name).read_text(encoding="utf-8"), flags=re.S)

    assert [name_of_rule for name_of_rule, pattern in FORBIDDEN.items() if re.search(pattern, source, re.I)] == []


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_documents_what_it_expects_in_its_first_line(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8").startswith("{#")


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_that_is_used_exists(portal: Flask, name: str) -> None:
    source = (FOLDER / name).read_text(encoding="utf-8")
    named = re.findall(r"\{%-?\s*(?:extends|include|from|import)\s+[\"']([^\"']+)[\"']", source)

    assert [other for other in named if not (FOLDER / other).is_file()] == []


def test_every_template_that_the_code_names_exists() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "portal").rglob("*.py"))
    named = set(re.findall(r"[\"']([a-z_/]+\.html)[\"']", sources))

    assert named
    assert [name for name in sorted(named) if not (FOLDER / name).is_file()] == []


def test_only_search_forms_keep_the_browser_from_restoring_fields() -> None:
    """Browsers don't restore fields with this attribute. Searches have it, because they are in the URL."""
    marked = {name for name in TEMPLATES if 'autocomplete="off"' in (FOLDER / name).read_text(encoding="utf-8")}

    assert marked <= {"components/lists.html", "data_browser/_table.html", "search/index.html", "search/_dialog.html"}


def test_no_line_of_a_template_or_style_sheet_is_too_long() -> None:
    sources = [path for path in (*FOLDER.rglob("*.*"), *(ROOT / "static" / "css").glob("*.css")) if path.is_file()]
    lines = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").splitlines() for path in sources}

    assert [name for name in sorted(lines) if any(len(line) > LONGEST_LINE for line in lines[name])] == []
