"""The result of a query as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flask import Response

from portal.core.clock import now
from portal.data_browser.box import is_number
from portal.data_browser.reading import Answer
from portal.web.csv import download, lines
from portal.web.xlsx import MIMETYPE, workbook

MOST_ROWS = 10_000
ROOM = 10_000_000  # approximate maximum of bytes in a result
BOOLEAN = 16  # PostgreSQL's OID of the type
EXACT = re.compile(r"-?\d{1,15}|-?(?=[\d.]{3,16}$)\d+\.\d+")  # numbers that programs and sheets read without loss


@dataclass(frozen=True)
class Kind:
    """A kind of file."""

    label: str
    mimetype: str


KINDS: Mapping[str, Kind] = {
    "csv": Kind("CSV", "text/csv"),
    "jsonl": Kind("JSON Lines", "application/jsonl"),
    "xlsx": Kind("XLSX", MIMETYPE),
}


def download_result(answer: Answer, kind: str) -> Response:
    """Stream the rows. If there are more than fit, the name of the file says so."""
    rest = f"-first-{len(answer.rows)}-rows" if answer.has_more else ""
    return download(f"query-{now():%Y-%m-%d}{rest}.{kind}", KINDS[kind].mimetype, _parts(answer, kind))


def _parts(answer: Answer, kind: str) -> Iterator[bytes]:
    if kind == "csv":
        yield from lines([[answer.names], answer.rows])
    elif kind == "xlsx":
        yield from workbook(answer.names, _values(answer))
    else:
        names = _distinct(answer.names)
        for row in _values(answer):
            yield f"{json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)}\n".encode()


def _values(answer: Answer) -> Iterator[list[object]]:
    for row in answer.rows:
        yield [_value(text, kind) for text, kind in zip(row, answer.types, strict=True)]


def _value(text: str | None, kind: int) -> object:
    """A value with its type. Numbers that would lose digits stay texts."""
    if text is None:
        return None
    if kind == BOOLEAN:
        return text == "true"
    return json.loads(text) if is_number(kind) and EXACT.fullmatch(text) else text


def _distinct(names: Iterable[str]) -> list[str]:
    """The names; those that occur again get a number: `id`, `id_2`."""
    found: list[str] = []
    for name in names:
        own, number = name, 2
        while own in found:
            own, number = f"{name}_{number}", number + 1
        found.append(own)
    return found
