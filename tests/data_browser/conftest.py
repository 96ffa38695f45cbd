"""What the tests of the data browser share."""

from __future__ import annotations

import pytest

from portal.data_browser import reading


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let PostgreSQL, rather than the client, end a statement that takes too long, however slow the machine is."""
    monkeypatch.setattr(reading, "GRACE", 60.0)
