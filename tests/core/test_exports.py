"""Cells of exported files, written by PostgreSQL, are what web/csv.py writes and reads."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing
from typing import cast

import pytest
from flask import Flask
from sqlalchemy import Text, bindparam, select

from portal.core import exports
from portal.core.db import db
from portal.core.exports import formula_safe
from portal.users.models import User
from portal.users.queries import listing
from portal.web import csv
from tests.acting import acting
from tests.cast import Builder, Person, Tenant
from tests.hostile.corpus import EVERYTHING
from tests.web.test_csv import random_texts

NUMBERS = [
    "+49 151 23456789", "-5", "-5.25", "+1,5", "+4930123456", "-5-5", "+1+1", "+", "-", "+1 ", "-1\n", "'-5", "--5",
    "+1.", "٣",
]  # fmt: skip


def test_in10_both_ways_of_writing_cells_agree(app: Flask) -> None:
    texts = [*NUMBERS, *random_texts(500), *(text for text in EVERYTHING if "\0" not in text and text.isprintable())]
    with acting(app):
        for text in texts:
            written = db.session.scalar(select(formula_safe(bindparam(None, text, type_=Text()))))
            assert written == csv.formula_safe(text)
            assert csv.as_written(written) == text


def test_in10_numbers_stay_numbers() -> None:
    kept = [text for text in NUMBERS if csv.formula_safe(text) == text]

    assert kept == ["+49 151 23456789", "-5", "-5.25", "+1,5", "+4930123456", "+1 ", "٣"]


def test_parts_are_read_ahead_as_the_same_actor_and_no_connection_stays_in_use(
    app: Flask, build: Builder, acme: Tenant, ada: Person, bea: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "FIRST", 1)
    monkeypatch.setattr(exports, "PART", 1)
    others = {build.person(f"p{number}@example.com", tenant=acme).email for number in range(3)}
    columns = {"Email": User.email}
    with acting(app, ada):
        parts = list(exports.exported(listing({}, "/users/"), columns, "jsonl"))
        assert {json.loads(part)["email"] for part in parts if part} == {ada.email, *others}
        stopped = exports.exported(listing({}, "/users/"), columns, "jsonl")
        with closing(cast("Generator[bytes, None, None]", stopped)):
            next(stopped)
        assert not db.session().in_transaction()
