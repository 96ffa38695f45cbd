"""Record the text and duration of a block's SQL statements, never their parameters."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event


@dataclass(frozen=True)
class Statement:
    text: str
    milliseconds: float

    def __str__(self) -> str:
        return f"{self.milliseconds:7.1f} ms  {self.text}"


_seen: ContextVar[tuple[list[Statement], ...]] = ContextVar("statements", default=())


@contextmanager
def watched() -> Iterator[list[Statement]]:
    """Yield a list that collects the statements of the block."""
    found: list[Statement] = []
    token = _seen.set((*_seen.get(), found))
    try:
        yield found
    finally:
        _seen.reset(token)


@event.listens_for(Engine, "before_cursor_execute")
def begin(connection: Connection, *_: Any) -> None:
    if _seen.get():
        connection.info["began"] = time.perf_counter()


@event.listens_for(Engine, "after_cursor_execute")
def end(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    if watchers := _seen.get():
        took = time.perf_counter() - connection.info.get("began", time.perf_counter())
        seen = Statement(" ".join(statement.split()), took * 1000)
        for found in watchers:
            found.append(seen)
