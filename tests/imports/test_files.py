"""Files as people bring them: every encoding, delimiter, heading and shape, and twelve kinds of hostile ones."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import xlsxwriter

from portal.core.actor import Role
from portal.imports import sheet_process
from portal.imports.files import MOST_COLUMNS, Table, read_addresses, read_file
from portal.imports.parsing import Parser, Values
from portal.imports.words import Refused

GERMAN = "Vorname;Nachname;E-Mail;Aktiv\r\nJörg;Müller;joerg@example.com;ja\r\nZoë;Weiß;zoe@example.com;nein\r\n"
ENTRA = (
    "version:v1.0\nName [displayName] Required,User name [userPrincipalName] Required,"
    "Block sign in (Yes/No) [accountEnabled] Required,First name [givenName],Last name [surname]\n"
    "Ada Lovelace,ada@example.com,No,Ada,Lovelace\nAlan Turing,alan@example.com,Yes,Alan,Turing\n"
)
GOOGLE = (
    "First Name [Required],Last Name [Required],Email Address [Required],Password [Required],Status [READ ONLY]\n"
    "Ada,Lovelace,ada@example.com,****,Active\nAlan,Turing,alan@example.com,****,Suspended\n"
)
DOWNLOAD = (
    "userPrincipalName,displayName,surname,mail,givenName,accountEnabled\n"
    "ada_x#EXT#@tenant.example.com,Ada Lovelace,Lovelace,ada@example.com,Ada,True\n"
    "alan@example.com,Alan Turing,Turing,,Alan,False\n"
)
SLACK = (
    "username,email,status,billing-active,has-2fa,has-sso,userid,fullname,displayname,expiration-timestamp\n"
    "ada,ada@example.com,Admin,1,1,0,U1,Ada Lovelace,ada,\n"
    "alan,alan@example.com,Deactivated,0,0,0,U2,Alan Turing,alan,\n"
)
HR = "Employee #|Last Name|First Name|Work Email\n012|Lovelace|Ada|ada@example.com\n013|Turing|Alan|alan@example.com\n"
ADA, ALAN = ("ada@example.com", "Ada", "Lovelace"), ("alan@example.com", "Alan", "Turing")


def read(content: bytes, **options: Any) -> Table:
    return read_file(io.BytesIO(content), **options)


def people(table: Table) -> list[Values]:
    parser = Parser(table.headings, table.fields, (Role.USER, Role.ADMIN), (), {}, None)
    return [parser.values(cells) for _, cells in table.rows]


def named(table: Table) -> list[tuple[str, str | None, str | None]]:
    return [(one.email, one.first_name, one.last_name) for one in people(table)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_umlauts_survive_every_encoding(encoding: str) -> None:
    table = read(GERMAN.encode(encoding))

    assert [(one.first_name, one.last_name, one.is_active) for one in people(table)] == [
        ("Jörg", "Müller", True), ("Zoë", "Weiß", False),
    ]  # fmt: skip


def test_an_encoding_that_cannot_be_detected_can_be_chosen() -> None:
    table = read(GERMAN.encode("mac-roman"), encoding="mac-roman")

    assert [one.last_name for one in people(table)] == ["Müller", "Weiß"]
    assert table.form == "Mac Roman, separated by semicolon"


@pytest.mark.parametrize(
    "text", [ENTRA, GOOGLE, DOWNLOAD, SLACK, HR], ids=["template", "google", "entra", "slack", "hr"]
)
def test_the_files_of_directories_are_understood_as_they_are(text: str) -> None:
    assert named(read(text.encode())) == [ADA, ALAN]


@pytest.mark.parametrize("text", [ENTRA, GOOGLE, DOWNLOAD, SLACK], ids=["template", "google", "entra", "slack"])
def test_booleans_are_understood_also_if_they_are_inverted(text: str) -> None:
    assert [one.is_active for one in people(read(text.encode()))] == [True, False]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_delimiter_and_line_end_is_detected(delimiter: str, end: str) -> None:
    lines = (["Email", "First name", "Last name"], list(ADA), list(ALAN))
    text = end.join(delimiter.join(line) for line in lines)

    assert named(read(text.encode())) == [ADA, ALAN]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nEmail;Vorname;Nachname\nada@example.com;Ada;Lovelace",
        "Email,First name,Last name,,\n\n  ada@example.com , Ada,Lovelace,,\n\n",
        '"Email","Last name","First name"\n"ada@example.com","Lovelace","Ada"',
        "Email,Full name\nada@example.com,Ada Lovelace",
        'Email,Name\nada@example.com,"Lovelace, Ada"',
        "Email,Email,Vorname,Nachname\n,ada@example.com,Ada,Lovelace",
        "Report of today\nCreated by HR,x,y\nEmail,First name,Last name\nada@example.com,Ada,Lovelace",
        "Email,First name,Last name\nmailto:ADA@Example.com,Ada,Lovelace",
        "Kontakt,Vorname,Nachname\nAda <ada@example.com>,Ada,Lovelace",
    ],
)
def test_unusual_shapes_of_files_are_understood(text: str) -> None:
    assert named(read(text.encode())) == [ADA]


def test_line_breaks_in_quotes_stay_in_their_cell_and_lines_are_counted() -> None:
    table = read(b'Email,Note\nada@example.com,"two\nlines"\nalan@example.com,x\n')

    assert [line for line, _ in table.rows] == [3, 4]


def test_a_file_without_header_row_is_read_from_its_first_line() -> None:
    table = read(b"ada@example.com,Ada\nalan@example.com,Alan\n")

    assert (table.headings, table.fields) == (["Column 1", "Column 2"], ["email", ""])
    assert len(list(table.rows)) == 2


def test_exported_cells_are_read_as_they_were() -> None:
    (one,) = people(read(b"Email,First name\nada@example.com,'=1+1\n"))

    assert one.first_name == "=1+1"


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (["", "Ada"], "Email: this row has no email address."),
        (["nobody", "Ada"], "Email: This address has no @."),
        (["\\" * 4_000 + "@example.com", "Ada"], "Email: This address is too long."),
        (["a@example.com", "x" * 81], "First name: use 80 characters at most"),
        (["a@example.com", "", "Chef"], "Role: “Chef” is not a role."),
        (["a@example.com", "", "Super admin"], "Role: you can't grant the role Super admin."),
        (["a@example.com", "", "", "perhaps"], "Active: “perhaps” is neither yes nor no."),
        (["a@example.com", "", "", "", "acme"], "Organization: there is no organization"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(cells: list[str], fault: str) -> None:
    fields = ["email", "first_name", "role", "is_active", "organization"]
    parser = Parser(fields, fields, (Role.USER, Role.ADMIN), (), {}, None)

    with pytest.raises(ValueError, match=re.escape(fault)):
        parser.values(cells)


def test_long_pasted_text_without_addresses_is_refused() -> None:
    with pytest.raises(Refused, match="more than 5,000 characters"):
        list(read_addresses("a," * 100_000 + "Ann <ann@example.com>").rows)
    assert len(list(read_addresses("a," * 100_000).rows)) == 100_000


def test_pasted_addresses_are_read_one_by_one() -> None:
    text = (
        'Ada Lovelace <ada@example.com>, "Turing, Alan" <alan@example.com>; bare@example.com\n\nmailto:m@example.com,'
    )

    assert named(read_addresses(text)) == [ADA, ALAN, ("bare@example.com", None, None), ("m@example.com", None, None)]


# Hostile files


def workbook(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


ROWS = (("E-Mail", "Vorname", "Nachname", "Aktiv"), ("ada@example.com", "Ada", "Lovelace", "ja"))
OFFICE = "urn:oasis:names:tc:opendocument:xmlns"


def xlsx() -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        book.add_worksheet("Empty")
        sheet = book.add_worksheet("People")
        for number, row in enumerate(ROWS):
            sheet.write_row(number + 1, 0, row)  # below an empty row
    return file.getvalue()


def ods() -> bytes:
    def shown(row: tuple[str, ...]) -> str:
        cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
        return f"<table:table-row>{''.join(map(cell.format, row))}</table:table-row>"

    names = " ".join(f'xmlns:{name}="{OFFICE}:{name}:1.0"' for name in ("office", "table", "text"))
    table = f'<table:table table:name="People">{"".join(map(shown, ROWS))}</table:table>'
    body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
    content = f'<?xml version="1.0"?><office:document-content {names}>{body}</office:document-content>'
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    entry = f'<m:file-entry m:full-path="/" m:media-type="{kind}"/>'
    manifest = f'<?xml version="1.0"?><m:manifest xmlns:m="{OFFICE}:manifest:1.0">{entry}</m:manifest>'
    parts = {"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content}
    return workbook({name: text.encode() for name, text in parts.items()})


@pytest.mark.parametrize("made", [xlsx, ods])
def test_a_workbook_is_read_from_its_first_sheet_with_rows(made: Callable[[], bytes]) -> None:
    found = people(read(made()))

    assert [(one.email, one.first_name, one.last_name, one.is_active) for one in found] == [(*ADA, True)]


def lying() -> bytes:
    """A part that declares fewer bytes than it unpacks to."""
    bomb = workbook({"a": b"0" * 1_000_000})
    return bomb.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))


SHEET = """<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>
<row r="1"><c r="A1" t="inlineStr"><is><t>Email</t></is></c><c r="B1" t="inlineStr"><is><t>Vorname</t></is></c>
<c r="C1" t="inlineStr"><is><t>Nachname</t></is></c><c r="D1" t="inlineStr"><is><t>Aktiv</t></is></c></row>
<row r="3"><c r="A3" t="inlineStr"><is><t>ada@example.com</t></is></c><c r="B3" t="inlineStr"><is><t>Ada</t></is></c>
<c r="C3" t="inlineStr"><is><t>Lovelace</t></is></c><c r="D3"><v>0</v></c></row></sheetData></worksheet>"""
PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
    'Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="People" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
    'Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/worksheets/sheet1.xml": SHEET,
}


def claiming(last: str) -> bytes:
    """A workbook with two cells that are far apart."""
    row = re.sub("[A-Z]+", "", last)
    cells = f'<row r="1"><c r="A1"><v>1</v></c></row><row r="{row}"><c r="{last}"><v>1</v></c></row>'
    sheet = re.sub("<sheetData>.*</sheetData>", f"<sheetData>{cells}</sheetData>", SHEET, flags=re.DOTALL)
    parts = PARTS | {"xl/worksheets/sheet1.xml": sheet}
    return workbook({name: content.encode() for name, content in parts.items()})


def rows_from(*rows: int) -> bytes:
    """A workbook whose only rows are these."""
    cells = "".join(
        f'<row r="{row}"><c r="A{row}" t="inlineStr"><is><t>{text}</t></is></c></row>'
        for row, text in zip(rows, ("Email", "ada@example.com"), strict=True)
    )
    sheet = re.sub("<sheetData>.*</sheetData>", f"<sheetData>{cells}</sheetData>", SHEET, flags=re.DOTALL)
    parts = PARTS | {"xl/worksheets/sheet1.xml": sheet}
    return workbook({name: content.encode() for name, content in parts.items()})


HOSTILE = {
    "empty": b"",
    "NUL": b"Email\nada@example.com\x00\n",
    "one endless line": b"Email\n" + b"a" * 5_000_000,
    "a million columns": b"Email" + b"," * 1_000_000,
    "too many columns": b"Email" + b",x" * MOST_COLUMNS + b"\na@example.com\n",
    "a quote that never ends": b'Email\n"' + b"a@example.com\n" * 50_000,
    "a huge cell": b"Email,Note\na@example.com," + b"x" * 50_000,
    "zip bomb": workbook({"xl/workbook.xml": b"\x00" * 150_000_000}),
    "zip that lies": lying(),
    "many parts": workbook({f"part{number}": b"" for number in range(1_001)}),
    "XML bomb": workbook({"xl/workbook.xml": b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'}),
    "cells far away": claiming("XFD1048576"),
    "a tall sheet": claiming("GR1048576"),
    "an endless name": b"Email\n" + b"a," * 2_000_000,
    "millions of empty lines": b"Email\n" + b"\n" * 2_000_000,
    "rows below the last": rows_from(1_040_000, 1_040_001),
    "zip inside zip": workbook({"inner.zip": workbook({"a": b"x"})}),
    "broken workbook": b"PK\x03\x04" + b"junk" * 100,
    "PDF": b"%PDF-1.7 ...",
    "web page named .csv": b"<html><body>ada@example.com</body></html>",
    "gzip": b"\x1f\x8b\x08\x00",
    "old Excel": b"\xd0\xcf\x11\xe0 ...",
    "no addresses": b"Name,Phone\nAda,123\n",
    "UTF-16 without its mark": "Email\nada@example.com\n".encode("utf-16-le") + b"\n",
    "broken UTF-8 late": b"Email\n" + b"a@example.com\n" * 6_000 + b"\xff\xfe@example.com\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_in11_a_hostile_file_is_refused_with_a_sentence(kind: str) -> None:
    with pytest.raises(Refused) as refused:
        for _ in read(HOSTILE[kind]).rows:
            pass

    assert str(refused.value).endswith(".")
    assert len(str(refused.value)) < 200


def test_in11_a_file_that_is_not_in_the_chosen_encoding_is_refused_with_a_sentence() -> None:
    with pytest.raises(Refused):
        list(read(b"Email\nada@example.com\n", encoding="utf-16").rows)


def test_formulas_and_nested_quotes_are_only_text() -> None:
    table = read(b'Email,First name\na@example.com,"=HYPERLINK(""http://x"")"\n')

    assert people(table)[0].first_name == '=HYPERLINK("http://x")'


def test_a_workbook_is_unpacked_only_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_process, "MOST_UNPACKED", 1_000)
    content = workbook({"xl/workbook.xml": b"x" * 2_000})

    with pytest.raises(sheet_process.Unsuitable, match="too large"):
        sheet_process.check(io.BytesIO(content))


@pytest.mark.parametrize("lines", [(1, 2), (5, 9), (900_000, 900_001)])
def test_only_rows_with_content_are_read_from_a_workbook_with_their_lines(lines: tuple[int, int]) -> None:
    table = read(rows_from(*lines))

    assert (table.header, list(table.rows)) == (lines[0], [(lines[1], ["ada@example.com"])])


def test_a_workbook_is_read_whatever_its_name() -> None:
    table = read(workbook({name: content.encode() for name, content in PARTS.items()}))

    ((line, cells),) = table.rows
    assert (table.form, table.headings, line) == ("spreadsheet", ["Email", "Vorname", "Nachname", "Aktiv"], 3)
    assert cells == ["ada@example.com", "Ada", "Lovelace", "0"]
