"""How does text that anybody may have written become one harmless line, in a terminal or a log?"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


def one_line(text: str) -> str:
    """The text with every sign that can't be seen written out: line ends, terminal codes, changes of direction."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


class Formatter(logging.Formatter):
    """Entries that nobody can forge: what follows the first line of one is indented, codes are written out."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in fields_of(record).items() if value is not None)
        first, *rest = super().format(record).split("\n")
        return "\n    ".join(one_line(line) for line in (first + fields, *rest))


class JsonFormatter(logging.Formatter):
    """Entries for programs: one object a line. What a record has in `fields` are entries of their own."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {"time": at, "level": record.levelname, "message": record.getMessage(), **fields_of(record)}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    return dict(getattr(record, "fields", {}))


def log_to_stderr(*, as_json: bool = False) -> None:
    """What the portal says of itself, the digests of the newest seals among it."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if as_json else Formatter())
    log = logging.getLogger("portal")
    log.addHandler(handler)
    log.propagate = False  # to no handler that would write the same line as it came
    log.setLevel(logging.INFO)
