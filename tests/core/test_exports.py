"""Cells of exported files, written by PostgreSQL, are what web/csv.py writes and reads."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import Text, bindparam, select

from portal.core.db import db
from portal.core.exports import formula_safe
from portal.web import csv
from tests.acting import acting
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
