"""Print untrusted text safely as one line, in a terminal or a log."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


def one_line(text: str) -> str:
    """The text with invisible characters escaped: line ends, terminal codes, direction marks."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


class Formatter(logging.Formatter):
    """Format log entries that can't be forged: continuation lines are indented, and control codes escaped."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in fields_of(record).items() if value is not None)
        first, *rest = super().format(record).split("\n")
        return "\n    ".join(one_line(line) for line in (first + fields, *rest))


class JsonFormatter(logging.Formatter):
    """Format log entries for programs: one JSON object per line, including the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {"time": at, "level": record.levelname, "message": record.getMessage(), **fields_of(record)}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    return dict(getattr(record, "fields", {}))


def log_to_stderr(*, as_json: bool = False) -> None:
    """Log the portal's own messages, including the digests of the newest seals."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if as_json else Formatter())
    log = logging.getLogger("portal")
    log.addHandler(handler)
    log.propagate = False  # no other handler may write the line unescaped
    log.setLevel(logging.INFO)
