"""Read the sheet of a workbook that the portal wrote, without the library that wrote it."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
EPOCH = datetime(1899, 12, 30, tzinfo=UTC)


def rows_in(file: bytes) -> list[list[Any]]:
    """The values of all cells; cells with a number format of their own are times."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))  # noqa: S314 -- our own
        styles = ElementTree.fromstring(archive.read("xl/styles.xml"))  # noqa: S314
    formats = styles.find(f"{MAIN}cellXfs")
    assert formats is not None
    times = {str(place) for place, one in enumerate(formats) if int(one.get("numFmtId", "0")) > 0}
    rows = []
    for row in sheet.iter(f"{MAIN}row"):
        cells = {_column(cell.get("r", "")): _value(cell, cell.get("s") in times) for cell in row}
        rows.append([cells.get(place) for place in range(max(cells, default=-1) + 1)])
    return rows


def _column(name: str) -> int:
    place = 0
    for one in re.sub(r"\d", "", name):
        place = place * 26 + ord(one) - ord("A") + 1
    return place - 1


def _value(cell: ElementTree.Element, is_time: bool) -> Any:
    text = "".join(cell.itertext())
    kind = cell.get("t")
    if kind == "inlineStr":
        return re.sub(r"_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)
    if kind == "b":
        return text == "1"
    if not text:
        return None
    return EPOCH + timedelta(seconds=round(float(text) * 86_400)) if is_time else float(text)
