"""Run a portal in its own process, on a database that a test chooses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portal.config import ROOT
from tests.database import SECRET_KEY


@dataclass(frozen=True)
class Serving:
    address: str
    process_id: int
    output: Path

    @property
    def printed(self) -> str:
        return self.output.read_text(encoding="utf-8")


@contextmanager
def serving(database_url: str, folder: Path, **environment: str) -> Iterator[Serving]:
    """Yield while it runs. Its output goes to a file, so that nothing waits for a reader."""
    output = folder / "output"
    settings = {"DATABASE_URL": database_url, "SECRET_KEY": SECRET_KEY, "PORTAL_INSTANCE": str(folder)}
    settings |= {"PORTAL_SEAL_SECONDS": "0", **environment}
    with output.open("w") as stream:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "flask", "--app", "wsgi", "serve"],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Serving(_address(process, output), process.pid, output)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"http://localhost:\d+", output.read_text(encoding="utf-8")):
            return found.group()
        time.sleep(0.05)
    raise AssertionError(output.read_text(encoding="utf-8"))
