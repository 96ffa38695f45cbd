"""Start the processes that make load, and exchange rounds and answers with them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from bench.load import Answers, Load
from bench.programs import end
from portal.config import ROOT


@dataclass(frozen=True)
class Generator:
    """A process that makes load, a round at a time."""

    process: subprocess.Popen[bytes]

    def begin(self, load: Load) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asdict(load)).encode() + b"\n")
        self.process.stdin.flush()

    def answers(self) -> Answers:
        """Wait for the end of the round."""
        assert self.process.stdout is not None
        return Answers(**json.loads(self.process.stdout.readline()))


@contextmanager
def generating() -> Iterator[Generator]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Generator(process)
    finally:
        end(process)
