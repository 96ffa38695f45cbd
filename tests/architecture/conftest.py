"""What if there is no systemd to look at the units with?"""

from __future__ import annotations

import pytest

from tests.architecture.test_units import ANALYZE

MISSING = "systemd did not look at its units: no systemd-analyze found (Debian: apt-get install systemd)."


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not ANALYZE:
        terminalreporter.write_line(MISSING)
