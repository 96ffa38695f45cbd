"""Parse column filters into conditions, or explain why they are invalid."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, literal
from sqlalchemy.types import UserDefinedType

from portal.core.clock import zone
from portal.core.text import visible
from portal.data_browser.tables import Column, Table

LONGEST = 1000
EMPTY = {"null": "is empty", "set": "is not empty"}
EQUAL = {"is": "is", "not": "is not"}
ORDERED = {"is": "is", "not": "is not", "from": "from", "above": "above", "to": "up to", "below": "below"}
WORDED = {"has": "contains", "is": "is", "not": "is not", "begins": "begins with"}
OPERATORS: dict[str, dict[str, str]] = {
    "text": {**WORDED, **EMPTY},
    "number": {**ORDERED, **EMPTY},
    "moment": {**ORDERED, **EMPTY},
    "boolean": {"is": "is", **EMPTY},
    "enum": {**EQUAL, **EMPTY},
    "uuid": {**EQUAL, **EMPTY},
    "json": {"has": "contains", **EMPTY},
    "bytes": EMPTY,
}
BOUNDS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "is": lambda one, value: one == value,
    "not": lambda one, value: one.is_distinct_from(value),
    "from": lambda one, value: one >= value,
    "above": lambda one, value: one > value,
    "to": lambda one, value: one <= value,
    "below": lambda one, value: one < value,
}


class OfType(UserDefinedType[str]):
    """A type by its name in the catalog; PostgreSQL parses the value."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name if self.name.islower() else f'"{self.name}"'


class Unfit(Exception):
    """A filter is invalid. The message about `column` is shown to the person."""

    def __init__(self, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


@dataclass(frozen=True)
class Condition:
    """A column compared with a value."""

    column: str
    operator: str
    value: str
    chip: str
    clause: ColumnElement[bool]

    @property
    def written(self) -> str:
        return f"{self.column}:{self.operator}:{self.value}"


def read(table: Table, written: str) -> Condition:
    """Parse a condition in a URL. Raises Unfit if it is invalid."""
    name, _, rest = written.partition(":")
    operator, _, value = visible(rest).partition(":")
    column = table.columns.get(name)
    if column is None:
        raise Unfit(f"{table.name} has no column {name[:60]!r}.")
    if column.secret is not None:
        raise Unfit(f"{name} is secret and can't be used in a filter.", name)
    operators = operators_of(column)
    if operator not in operators:
        raise Unfit(f"{name} doesn't support this comparison.", name)
    if operator in EMPTY:
        value = ""
    chip = f"{name} {operators[operator]} {value}".strip()
    return Condition(name, operator, value, chip, _clause(table.of(name), column, operator, value))


def operators_of(column: Column) -> dict[str, str]:
    """The operators of a column, with their labels."""
    known = OPERATORS[column.kind]
    return known if column.is_orderable else {name: words for name, words in known.items() if name not in COMPARED}


def value_of(column: Column, text: str) -> Any:
    """A valid value, cast to the column's type."""
    return cast(literal(text, Text), OfType(column.type))


def _clause(one: Any, column: Column, operator: str, value: str) -> ColumnElement[bool]:
    if operator in EMPTY:
        return one.is_(None) if operator == "null" else one.is_not(None)  # type: ignore[no-any-return]
    if len(value) > LONGEST:
        raise Unfit(f"Use {LONGEST} characters at most.", column.name)
    if operator in ("has", "begins"):
        words = one if column.type == "text" else cast(one, Text)
        escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return words.ilike(f"%{escaped}%") if operator == "has" else words.like(f"{escaped}%")
    return COMPARED[operator](one, value_of(column, _checked(column, value.strip())))  # type: ignore[no-any-return]


def _checked(column: Column, value: str) -> str:
    check = CHECKS.get(column.kind)
    try:
        return check(column, value) if check else value
    except (ValueError, OverflowError, InvalidOperation):
        raise Unfit(WRONG[column.kind], column.name) from None


def _number(column: Column, value: str) -> str:
    if column.type in BOUNDS:
        if not -BOUNDS[column.type] <= int(value) < BOUNDS[column.type]:
            raise ValueError
        return str(int(value))
    if not Decimal(value).is_finite():
        raise ValueError
    return str(Decimal(value))


def _moment(column: Column, value: str) -> str:
    """Parse a date or time. Without a time zone, it is in the reader's."""
    if column.type == "date":
        return date.fromisoformat(value).isoformat()
    if column.type.startswith("time"):
        then = datetime.fromisoformat(value)
        return (then if then.tzinfo or "without" in column.type else then.replace(tzinfo=zone())).isoformat()
    raise ValueError


def _label(column: Column, value: str) -> str:
    if value not in column.labels:
        raise ValueError
    return value


def _truth(_column: Column, value: str) -> str:
    if value not in ("true", "false"):
        raise ValueError
    return value


CHECKS: dict[str, Callable[[Column, str], str]] = {
    "number": _number,
    "moment": _moment,
    "enum": _label,
    "boolean": _truth,
    "uuid": lambda _column, value: str(uuid.UUID(value)),
}
WRONG = {
    "number": "Enter a number that fits the column.",
    "moment": "Enter a date such as 2026-03-04, or a time such as 2026-03-04 16:30.",
    "enum": "Choose one from the list.",
    "boolean": "Choose yes or no.",
    "uuid": "Enter a complete UUID.",
}
