"""Whether each resource is complete: what a new one may have forgotten is named."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from portal.config import ROOT
from portal.core.db import db
from portal.core.keys import uuid7
from portal.features import RESOURCES
from portal.isolation.stage import indexed
from portal.resources.resource import Resource
from portal.resources.samples import SampleTenant, Texts
from tests.acting import acting

FILES = {
    "portal/sql/{0}/{0}.sql": "the table's triggers, policies and grants",
    "templates/{0}/show.html": "the page of one row",
    "tests/{0}/matrix.py": "what each role gets from each page",
}
NAMES = pytest.mark.parametrize("name", RESOURCES)


@NAMES
def test_a_resource_declares_what_has_no_default(name: str) -> None:
    missing = [attribute for attribute in Resource.__annotations__ if not hasattr(RESOURCES[name], attribute)]

    assert not missing, f"Declare {', '.join(missing)} in portal/{name}/resource.py."


@NAMES
@pytest.mark.parametrize("path", FILES)
def test_a_resource_has_its_files(name: str, path: str) -> None:
    file = path.format(name)

    assert (ROOT / file).is_file(), f"Add {file}: {FILES[path]}."


@NAMES
def test_every_column_of_a_list_has_a_value(app: Flask, name: str) -> None:
    one = RESOURCES[name]
    with acting(app):
        returned = {column["name"] for column in one.listing({}, "/", {}).source.rows.column_descriptions}
    plain = {column.name for column in one.columns if column.value is None and column.read is None}
    missing = plain - returned - {column.name for column in one.columns if column.kind == "title"}

    assert not missing, f"Read {', '.join(missing)} in the list of portal/{name}/queries.py, or declare a `value`."


@NAMES
def test_every_tab_of_a_list_can_be_empty(app: Flask, name: str) -> None:
    one = RESOURCES[name]
    with acting(app):
        tabs = one.listing({}, "/", {}).source.tabs
        for tab in tabs:
            assert tab in {"deleted", *one.empty}, f"Add {tab} to `empty` in portal/{name}/resource.py."
            assert one.why_empty(one.listing({"status": tab}, "/", {})).title


@NAMES
def test_every_field_of_a_form_has_a_label_in_the_history(name: str) -> None:
    one = RESOURCES[name]
    entries = (*one.new_form.layout, *one.edit_form.layout)
    fields = {field for entry in entries for field in ((entry,) if isinstance(entry, str) else entry)}
    missing = fields - set(one.labels) - {"organization_id"}

    assert not missing, f"Name {', '.join(sorted(missing))} in `labels` of portal/{name}/resource.py."


@NAMES
def test_a_resource_gives_rows_to_the_isolation_self_test(app: Flask, name: str) -> None:
    one = RESOURCES[name]
    with app.app_context():
        models = {model for model, _ in one.samples(SampleTenant(uuid7(), {"user": uuid7()}, Texts("word", "canary")))}

    assert one.records.model in models, f"Yield rows in `samples` of portal/{name}/resource.py."


@NAMES
def test_the_rows_of_an_organization_are_found_by_an_index(name: str) -> None:
    """The isolation self-test reads them this way, and so does PostgreSQL where an organization is deleted."""
    model: Any = RESOURCES[name].records.model
    column = model.tenant().key

    assert column in {one.name for one in indexed(db.metadata.tables[name])}, (
        f"Add an index over all rows that begins with {column} to portal/{name}/models.py."
    )
