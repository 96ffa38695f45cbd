"""Read the rows of an uploaded file, or of pasted addresses. Everything is limited before it is read.

What a file is follows from its content, never from its name. A wrong guess would spoil names, so text that isn't valid
in the detected encoding is refused with the line, and people can choose another one.
"""

from __future__ import annotations

import csv
import itertools
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import TextIOWrapper
from typing import IO

from portal.core.text import showable
from portal.imports.sheets import is_sheet, rows_of_sheet
from portal.imports.words import PEOPLE, Refused, Unclear, Words
from portal.web.csv import as_written

MOST_BYTES = 64_000_000
MOST_ROWS = 1_000_000
MOST_COLUMNS = 200
LONGEST_LINE = 100_000
LONGEST_CELL = 5_000
SAMPLE_BYTES = 65_536
PREAMBLE = 10  # lines before the header row, at most
ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252", "mac-roman": "Mac Roman"}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
EMPTY = "This file is empty."
NO_HEADER = "none"  # instead of the line of the header row
OTHER_KINDS = {
    b"%PDF": "a PDF", b"\x1f\x8b": "compressed with gzip", b"\x89PNG": "an image", b"\xff\xd8\xff": "an image",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)", b"{\\rtf": "a text document", b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page", b"<html": "a web page", b"<?xml": "XML",
}  # fmt: skip

NONE_NEEDED = "No column with {} was found. The first row should name the columns, such as {}."

Row = tuple[int, list[str]]


@dataclass(frozen=True)
class Table:
    """The rows of a file below its header row, each with its line, and how the file was read."""

    form: str
    headings: list[str]
    fields: list[str]
    rows: Iterator[Row]
    encoding: str = ""  # of text
    delimiter: str = ""
    header: int = 0  # its line; 0 if there is none
    sample: Sequence[Row] = ()  # the first rows, with those above the header row


def read_file(
    file: IO[bytes], encoding: str = "", delimiter: str = "", header: str = "", *, words: Words = PEOPLE
) -> Table:
    """Read a file. Encoding, delimiter and the line of the header row (or NO_HEADER) are detected unless given.

    Raises Refused with a sentence for people.
    """
    start = file.read(SAMPLE_BYTES)
    file.seek(0)
    if is_sheet(start):
        return _table("spreadsheet", rows_of_sheet(file, MOST_COLUMNS, MOST_ROWS), header, words)
    for mark, kind in OTHER_KINDS.items():
        if start.lstrip().startswith(mark):
            raise Refused(f"This file is {kind}. Export it as CSV or as an Excel workbook (.xlsx).")
    encoding = encoding if encoding in ENCODINGS else _encoding_of(start)
    text = decoded(start, encoding) or ""
    if "\x00" in text:
        raise Refused("This file contains binary data, so it is not a text file. Export it as CSV.")
    delimiter = delimiter if delimiter in DELIMITERS else _delimiter_of(text)
    reader = TextIOWrapper(file, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")
    form = f"{ENCODINGS[encoding]}, separated by {DELIMITERS[delimiter]}"
    try:
        table = _table(form, _rows_of_text(reader, delimiter, ENCODINGS[encoding]), header, words)
    except Unclear as unclear:
        unclear.encoding, unclear.delimiter = encoding, delimiter
        raise
    return replace(table, encoding=encoding, delimiter=delimiter)


def read_addresses(text: str) -> Table:
    """Read pasted addresses: `Ada Lovelace <ada@example.com>, "Berg, Anne" <anne@example.com>; uma@example.com`."""
    rows = ((number, list(one)) for number, one in enumerate(_addresses(text), 1))
    return Table("pasted addresses", ["Name", "Email"], ["full_name", "email"], _limited(rows))


def _addresses(text: str) -> Iterator[tuple[str, str]]:
    """Each name and address. Parts without an address begin a name with commas, such as `Byron, Ada <ada@a.org>`."""
    for line in re.split(r"[;\n]", text):
        kept: list[str] = []
        for part in filter(str.strip, line.split(",")):
            if "@" in part and "<" in part:
                whole, kept = ",".join([*kept, part]).strip(), []
                yield whole.partition("<")[0].strip(" \"'\t"), whole
            elif "@" in part:
                yield from (("", one) for one in [*kept, part])
                kept = []
            else:
                kept.append(part)
        yield from (("", one) for one in kept)


def _encoding_of(start: bytes) -> str:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    return "utf-8" if decoded(start, "utf-8") is not None else "cp1252"


def decoded(start: bytes, encoding: str) -> str | None:
    """The beginning of the file, which may end inside a character; None if it isn't valid."""
    try:
        return getincrementaldecoder(encoding)().decode(start).removeprefix("\ufeff")
    except UnicodeError:
        return None


def _delimiter_of(text: str) -> str:
    """The delimiter that splits most lines into the same number of fields."""
    if named := re.match(r"sep=([,;\t|])\r?\n", text):
        return named[1]
    lines = text.splitlines()[:100]
    lines = lines[:-1] if len(lines) > 1 else lines

    def score(delimiter: str) -> tuple[int, int]:
        try:
            sizes = [len(row) for row in csv.reader(lines, delimiter=delimiter) if len(row) > 1]
        except csv.Error:
            return 0, 0
        usual = max(set(sizes), key=sizes.count, default=1)
        return sizes.count(usual), usual

    return max(DELIMITERS, key=score)


def _rows_of_text(reader: TextIOWrapper, delimiter: str, encoding: str) -> Iterator[Row]:
    lines = csv.reader(_lines(reader), delimiter=delimiter, strict=False)
    while True:
        try:
            row = next(lines)
        except StopIteration:
            return
        except UnicodeError:
            raise Unclear(
                f"After line {lines.line_num}, the file is not valid {encoding}. Choose its encoding."
            ) from None
        except csv.Error:
            raise Refused(f"Line {lines.line_num}: a quotation mark is never closed, or a cell is too long.") from None
        yield lines.line_num, [as_written(cell) if cell[:1] == "'" else cell for cell in row]


def _lines(reader: TextIOWrapper) -> Iterator[str]:
    for number in itertools.count(1):
        line = reader.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) >= LONGEST_LINE:
            raise Refused(f"Line {number} has more than {LONGEST_LINE:,} characters.")
        if "\x00" in line:
            raise Refused(f"Line {number} contains binary data. Export the file as CSV.")
        yield line


def _table(form: str, rows: Iterator[Row], header: str, words: Words) -> Table:
    """Find the header row, and what each column means."""
    first = list(itertools.islice(_limited(rows), PREAMBLE + 1))
    if not first:
        raise Refused(EMPTY)
    place, begin = _chosen(first, header) if header else _detected(first, words)
    width = max((len(cells) for _, cells in first[begin:]), default=0)
    headings = [f"Column {n}" for n in range(1, width + 1)] if place is None else list(map(showable, first[place][1]))
    fields = [""] * width if place is None else words.fields_for(headings)
    if words.needed not in fields:
        found = (column for _, cells in first[begin:] for column, cell in enumerate(cells) if words.found_in(cell))
        column = next(found, len(fields))
        fields[column : column + 1] = [words.needed] * (column < len(fields))
    rest = itertools.islice(itertools.chain(first, _limited(rows)), begin, None)
    return Table(form, headings, fields, rest, header=0 if place is None else first[place][0], sample=first)


def _detected(first: Sequence[Row], words: Words) -> tuple[int | None, int]:
    """The place of the header row, if there is one, and of the first row below it."""
    for place, (_, cells) in enumerate(first):
        if words.needed in words.fields_for(cells) and not any(map(words.found_in, cells)):
            return place, place + 1
    for place, (_, cells) in enumerate(first):
        if any(map(words.found_in, cells)):
            has_header = place > 0 and len(first[place - 1][1]) == len(cells)
            return (place - 1 if has_header else None), place
    raise Unclear(NONE_NEEDED.format(words.called, words.fields[words.needed]), first)


def _chosen(first: Sequence[Row], header: str) -> tuple[int | None, int]:
    if header == NO_HEADER:
        return None, 0
    for place, (line, _) in enumerate(first):
        if str(line) == header:
            return place, place + 1
    raise Unclear(f"The header row can't be line {header}. Choose one of the first lines.", first)


def _limited(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows that contain anything, without empty cells at their end. Raises Refused above a limit."""
    for many, (line, row) in enumerate(rows):
        if many > MOST_ROWS + PREAMBLE:
            raise Refused(f"The file has more than {MOST_ROWS:,} rows. Split it into several files.")
        cells = [cell.strip() for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        if len(cells) > MOST_COLUMNS:
            raise Refused(f"Line {line} has more than {MOST_COLUMNS} columns.")
        if len(max(cells, key=len)) > LONGEST_CELL:
            raise Refused(f"Line {line} has a cell with more than {LONGEST_CELL:,} characters.")
        yield line, cells
