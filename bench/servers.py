"""The portal on other servers, and with other numbers of threads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import environments

GUNICORN = ("-m", "gunicorn", "--config", "gunicorn.conf.py", "--bind", "127.0.0.1:{port}", "wsgi:app")
GRANIAN = ("-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2")
UWSGI = ("-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])", "--http11-socket", "127.0.0.1:{port}", "--master")

# What comes after the name of Python. The first is what the portal is served by.
SERVERS: Mapping[str, Sequence[str]] = {
    "gunicorn as configured": GUNICORN,
    "gunicorn, 2 workers of 4 threads": (*GUNICORN, "--threads", "4"),
    "gunicorn, 2 workers of 8 threads": (*GUNICORN, "--threads", "8"),
    "gunicorn, 2 sync workers": (*GUNICORN, "--worker-class", "sync", "--threads", "1"),
    "gunicorn, 4 sync workers": (*GUNICORN, "--worker-class", "sync", "--threads", "1", "--workers", "4"),
    "granian, 2 workers of 8 threads": (*GRANIAN, "--blocking-threads", "8", "wsgi:app"),
    "uWSGI, 2 workers of 8 threads": (*UWSGI, "--processes", "2", "--threads", "8", "--module", "wsgi:app"),
    "waitress, 1 process of 8 threads": ("-m", "waitress", "--listen=127.0.0.1:{port}", "--threads=8", "wsgi:app"),
}
WORKLOADS = ("W1", "W6", "W7", "W13b")


def variants(pythons: Sequence[str], folder: Path) -> Iterator[tuple[str, Path, Sequence[str]]]:
    """A title, the Python and what comes after it: every server on this Python, the usual one on others."""
    first, usual = next(iter(SERVERS.items()))
    python = environments.environment(folder / "servers", sys.executable, environments.SERVERS)
    yield from ((title, python, arguments) for title, arguments in SERVERS.items())
    for other in pythons:
        version = subprocess.check_output([other, "-c", "import platform; print(platform.python_version())"], text=True)  # noqa: S603
        name = f"Python {version.strip()}"
        yield f"{first}, {name}", environments.environment(folder / name, other, environments.SERVERS), usual
