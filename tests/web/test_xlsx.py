"""Workbooks contain exactly the written values, and no formulas."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from portal.web import xlsx
from tests.sheets import rows_in

TEXTS = ["=1+1", "+49 30 1234", "-5", "@here", "'=2", "Ørsted", "日本", " two ", "a\nb", "_x0041_", "\x07", "007",
         "https://example.com/", "1e5", "{=A1}", "x" * 40_000]  # fmt: skip


def read(parts: Any) -> list[list[Any]]:
    return rows_in(b"".join(parts))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_is_read_again_as_it_was_written_and_is_no_formula(text: str) -> None:
    file = b"".join(xlsx.workbook(["Name"], [[text]]))

    assert read([file]) == [["Name"], [text[: xlsx.LONGEST]]]
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
        assert b"<f>" not in sheet
        assert not any(b"hyperlink" in archive.read(name).lower() for name in archive.namelist() if "rels" in name)


def test_values_keep_their_types() -> None:
    moment = datetime(2026, 11, 28, 7, 30, 15, 999_999, tzinfo=UTC)
    early = datetime(1, 1, 1, tzinfo=UTC)

    _, row = read(xlsx.workbook(list("abcdef"), [[True, 3, 2.5, None, moment, early]]))

    assert row == [True, 3, 2.5, None, moment.replace(microsecond=0), "0001-01-01 00:00:00+00:00"]


def test_rows_that_do_not_fit_are_replaced_by_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_ROWS", 3)

    rows = read(xlsx.workbook(["n"], ([number] for number in range(9))))

    assert rows == [["n"], [0], [1], [2], [xlsx.REST]]


def test_a_list_that_fits_exactly_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_ROWS", 3)

    assert read(xlsx.workbook(["n"], ([number] for number in range(3)))) == [["n"], [0], [1], [2]]


def test_the_first_rows_are_sent_before_the_last_are_read() -> None:
    read_rows = []

    def rows() -> Iterator[list[int]]:
        for number in range(10 * xlsx.AT_ONCE):
            read_rows.append(number)
            yield [number]

    sending = xlsx.workbook(["n"], rows())

    assert next(sending).startswith(b"PK")
    assert read_rows == []
    next(sending)
    assert len(read_rows) == xlsx.AT_ONCE
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(next(sending)))


def test_a_sheet_ends_before_it_is_too_large_for_an_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_BYTES", 1)

    rows = read(xlsx.workbook(["n"], ([number] for number in range(2 * xlsx.AT_ONCE))))

    assert rows[xlsx.AT_ONCE :] == [[xlsx.AT_ONCE - 1], [xlsx.REST]]
