"""A notice if systemd can't verify the units."""

from __future__ import annotations

import pytest

from tests.architecture.test_units import ANALYZE

MISSING = "The systemd units were not verified: no systemd-analyze found (Debian: apt-get install systemd)."


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not ANALYZE:
        terminalreporter.write_line(MISSING)
