"""A small disk for the tests of a full one, which only root can mount, and not everywhere."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEGABYTES = 220
MISSING = "The tests of a full disk were left out: they mount a small one, which only root may."


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", folder], check=True)  # noqa: S603, S607
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S603, S607


def can_mount() -> bool:
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        try:
            with mounted(Path(folder)):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


IS_ABLE = can_mount()
collect_ignore_glob = [] if IS_ABLE else ["test_full_disk.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not IS_ABLE:
        terminalreporter.write_line(MISSING)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk with little room."""
    folder = tmp_path / "small"
    folder.mkdir()
    with mounted(folder):
        yield folder
