"""Stop waiting for a statement that PostgreSQL doesn't interrupt.

PostgreSQL checks `statement_timeout` regularly, but not within a single long expression; canceling and terminating from
outside depend on the same check. The client therefore closes the connection: the person gets a response, and the server
process ends at its next check. Until then it keeps the locks of its transaction.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection

from portal.core.errors import Overdue


class _HangUp:
    """Shut down the connection's socket unless the work finishes first. The pool then discards the connection."""

    def __init__(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        self._socket = socket.socket(
            fileno=os.dup(driver.fileno())
        )  # another connection may reuse the descriptor's number
        self._lock = threading.Lock()
        self._is_over = False
        self.happened = False

    def __call__(self) -> None:
        with self._lock:
            if not self._is_over:
                self.happened = True
                with suppress(OSError):  # closed already, by the server
                    self._socket.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        with self._lock:
            self._is_over = True
            self._socket.close()


@contextmanager
def closing_after(seconds: float, connection: Connection) -> Iterator[None]:
    """Close the connection and raise Overdue if the block's statements take longer."""
    hang_up = _HangUp(connection)
    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if hang_up.happened:
            raise Overdue from error
        raise
    finally:
        timer.cancel()
        hang_up.cancel()
