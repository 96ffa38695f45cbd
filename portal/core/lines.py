"""How does text that anybody may have written become one harmless line, in a terminal or a log?"""

from __future__ import annotations

import logging


def one_line(text: str) -> str:
    """The text with every sign that can't be seen written out: line ends, terminal codes, changes of direction."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


class Formatter(logging.Formatter):
    """Entries that nobody can forge: what follows the first line of one is indented, codes are written out."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return "\n    ".join(one_line(line) for line in super().format(record).split("\n"))


def log_to_stderr() -> None:
    """What the portal says of itself, the digests of the newest seals among it."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    log = logging.getLogger("portal")
    log.addHandler(handler)
    log.propagate = False  # to no handler that would write the same line as it came
    log.setLevel(logging.INFO)
