"""Refused rows are written in the format of their file."""

from __future__ import annotations

import io
from typing import Any

import pytest
import xlsxwriter
from flask import Flask

from portal.imports.files import read_file
from tests.cast import Person, page_client
from tests.imports.test_files import ods
from tests.imports.test_views import settings, upload, verdicts
from tests.pages import PageClient

NO_AT = "Email: This address has no @. Enter one such as name@example.com."
ROWS = [["Email", "Vorname", "Telefon"], ["müller", "Jörg", "+49 30 1"], ["good@example.com", "Ann", "7"]]


@pytest.fixture
def ours(app: Flask, ada: Person) -> PageClient:
    return page_client(app, ada)


def text(delimiter: str, end: str, quote: str = "") -> str:
    return "".join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) + end for row in ROWS)


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        (text(";", "\r\n"), "cp1252", f"Email;Vorname;Telefon;Reason\r\nmüller;Jörg;+49 30 1;{NO_AT}\r\n"),
        (text(",", "\n", '"'), "utf-8-sig", '"Email","Vorname","Telefon","Reason"\n"müller","Jörg","+49 30 1",'
            f'"{NO_AT}"\n'),
        (text("\t", "\n"), "utf-16", f"Email\tVorname\tTelefon\tReason\nmüller\tJörg\t+49 30 1\t{NO_AT}\n"),
        ("good@example.com|Ann\nmüller|Jörg|1\n", "utf-8", f"Email|Column 2|Column 3|Reason\nmüller|Jörg|1|{NO_AT}\n"),
    ],
)  # fmt: skip
def test_text_is_written_as_it_was_read(
    app: Flask, ours: PageClient, content: str, encoding: str, expected: str
) -> None:
    import_id = upload(ours, content.encode(encoding), "Leute.tsv")

    response = ours.get(f"/imports/{import_id}/export/refused")

    assert 'filename="refused.tsv"' in response.headers["Content-Disposition"]
    assert response.data == expected.encode(encoding)
    corrected = expected.replace("müller", "mueller@example.com").encode(encoding)
    assert verdicts(app, upload(ours, corrected)) == {"create": 1}


def sheet() -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        page = book.add_worksheet()
        for number, row in enumerate(ROWS):
            page.write_row(number, 0, row)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_workbooks_are_written_as_xlsx(app: Flask, ours: PageClient, kind: str) -> None:
    import_id = upload(ours, sheet() if kind == "xlsx" else ods(), f"Leute.{kind}")
    if kind == "ods":  # its rows are right: read a column without addresses
        settings(ours, import_id, **{"column-0": "", "column-1": "email"})

    response = ours.get(f"/imports/{import_id}/export/refused")

    assert 'filename="refused.xlsx"' in response.headers["Content-Disposition"]
    table: Any = read_file(io.BytesIO(response.data))
    assert table.headings[-1] == "Reason"
    assert [cells[-1] for _, cells in table.rows] == [NO_AT]
    if kind == "xlsx":
        assert verdicts(app, upload(ours, response.data, "again.xlsx")) == {"refused": 1}


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_formulas_behind_another_delimiter_are_quoted(app: Flask, ours: PageClient, delimiter: str) -> None:
    cells = [one for one in ("x,=1+1", "x; @SUM(1)", "x\t-2", "x|+3", 'x"y', "a, b", "+49,30") if delimiter not in one]
    rows = [["bad", cell.replace('"', '""')] for cell in cells]
    file = "".join(delimiter.join(one) + "\n" for one in [["Email", "First name"], *rows]).replace('x""y', '"x""y"')
    import_id = upload(ours, file)

    text = ours.get(f"/imports/{import_id}/export/refused").text

    for line, cell in zip(text.splitlines()[1:], cells, strict=True):
        quoted = cell not in ("a, b", "+49,30")
        assert (f'{delimiter}"' in line) is quoted, line
    again: Any = read_file(io.BytesIO(text.encode()))
    assert [row[1] for _, row in again.rows] == cells


def test_formulas_in_refused_rows_are_only_text(ours: PageClient) -> None:
    import_id = upload(ours, "Email,First name\nbad,=1+1\nworse,-12\nworst,+49 30 1\n")

    lines = ours.get(f"/imports/{import_id}/export/refused").text.splitlines()

    assert [line.split(",")[1] for line in lines[1:]] == ["'=1+1", "-12", "+49 30 1"]
