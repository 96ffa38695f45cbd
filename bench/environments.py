"""Python environments for the portal, without its developers' libraries, and for other programs, in the benchmark's
folder.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.rows import say
from portal.config import ROOT

PORTAL = (Path("requirements.txt"),)
PEERS = (Path("bench", "peers.txt"),)
SERVERS = (*PORTAL, Path("bench", "servers.txt"))


def environment(folder: Path, python: str, requirements: Sequence[Path]) -> Path:
    """The environment's Python. It is installed the first time, and when its requirements change."""
    wanted, done = "".join((ROOT / one).read_text() for one in requirements), folder / "installed.txt"
    if not done.exists() or done.read_text() != wanted:
        say(f"Installing the environment {folder.name!r} (once, a minute or so) ...")
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)  # noqa: S603
        pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install"]
        for one in requirements:  # one by one, because hashes are required of all or none
            subprocess.run([*pip, "--quiet", "--quiet", "--requirement", ROOT / one], check=True)  # noqa: S603
        done.write_text(wanted)
    return folder / "bin" / "python"
