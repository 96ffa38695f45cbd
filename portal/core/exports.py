"""Export every row of a list with COPY, in parts: neither memory nor a transaction grows with their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from io import BytesIO
from typing import Any, Literal

from sqlalchemy import Boolean, DateTime, Engine, Enum, Text, Uuid, and_, case, cast, event, func, select
from sqlalchemy.dialects.postgresql import JSON, TIMESTAMP

from portal.core.db import db
from portal.core.listing import Listing

Kind = Literal["csv", "jsonl"]
FIRST, PART = 25, 40_000  # rows; the first part is as fast as a page, and each other one takes 8 MB of memory
# Makes the planner read parts in order from an index. For slow disks, it would read and sort all the rest each time.
IN_ORDER = select(func.set_config("random_page_cost", "1.1", True))
FORMULA = "=+-@\t\r"  # what formulas begin with; OWASP, CSV injection
AFTER = "A"  # these characters and the apostrophe sort before it
NUMBER = r"^[-+][0-9][0-9 ]*([.,][0-9]+)?$"  # these are none, and an apostrophe would damage phone numbers
# JSON contains no control characters, so with these COPY adds and escapes nothing.
AS_IT_IS = "FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02'"
OPTIONS: Mapping[Kind, str] = {"csv": "FORMAT csv, FORCE_QUOTE *", "jsonl": AS_IT_IS}


def exported(listing: Listing, columns: Mapping[str, Any], kind: Kind) -> Iterator[bytes]:
    """The rows of the list in its order, as lines of CSV or of JSON objects, without a heading.

    Each part is read while the one before is sent. A connection is held only meanwhile, not until the part is sent.
    Rows that change meanwhile can be missing, or be there twice if the list is sorted by what changed.
    """
    parts, context = _parts(listing, columns, kind), copy_context()  # it has the actor and the session

    def read() -> bytes | None:
        return context.run(lambda: next(parts, None))

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(read)
        while (part := coming.result()) is not None:
            coming = thread.submit(read)
            yield part


def _parts(listing: Listing, columns: Mapping[str, Any], kind: Kind) -> Iterator[bytes]:
    line = [_cell(value) for value in columns.values()] if kind == "csv" else [_json(columns)]
    place, size = None, FIRST
    while True:
        rows, sent = listing.after(place, size), list[bytes]()
        db.session.execute(IN_ORDER)
        last = rows.with_only_columns(*(rows.selected_columns[name] for name in ("sort_key", "id")))
        end = db.session.execute(last.offset(size - 1).limit(1), execution_options=listing.options).first()
        copied = {**listing.options, "copied": (OPTIONS[kind], sent)}
        db.session.execute(rows.with_only_columns(*line, maintain_column_froms=True), execution_options=copied)
        db.session.rollback()
        yield from sent
        if end is None:
            return
        place, size = (end.sort_key, end.id), PART


@event.listens_for(Engine, "do_execute")
def copy(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
    """Run statements with the execution option `copied` as COPY, and append what it sends to that list."""
    copied = None if context is None else context.execution_options.get("copied")
    if copied is None:
        return None
    options, sent = copied
    part = BytesIO()
    with cursor.copy(f"COPY ({statement}) TO STDOUT ({options})", parameters) as lines:
        for line in lines:  # in one buffer: a list of many lines would make the garbage collector run repeatedly
            part.write(line)
    sent.append(part.getvalue())
    return True


def headings(columns: Mapping[str, Any]) -> list[str]:
    """The headings of a CSV file. Spreadsheets recognize times only without a time zone."""
    return [f"{name} (UTC)" if isinstance(value.type, DateTime) else name for name, value in columns.items()]


def _cell(value: Any) -> Any:
    if isinstance(value.type, DateTime):
        return cast(func.timezone("UTC", value), TIMESTAMP(precision=0))
    text = cast(value, Text)
    return text if isinstance(value.type, Boolean | Uuid | Enum) else formula_safe(text)


def formula_safe(text: Any) -> Any:
    """`formula_safe` of web/csv.py in SQL."""
    first = func.left(func.ltrim(text, "'"), 1)
    may_be = text.collate("C") < AFTER  # decides nearly all cells by one comparison, in a tenth of the time
    is_formula = and_(may_be, first.in_(list(FORMULA)), ~text.regexp_match(NUMBER))
    return case((is_formula, func.concat("'", text)), else_=text)


def _json(columns: Mapping[str, Any]) -> Any:
    pairs = (part for heading, value in columns.items() for part in (name_of(heading), value))
    return cast(func.json_build_object(*pairs, type_=JSON), Text).label("line")


def name_of(heading: str) -> str:
    """`first_name` for "First name"."""
    return heading.lower().replace(" ", "_").replace("-", "_")
