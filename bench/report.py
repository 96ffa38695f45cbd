"""Publish what was measured: tables in docs/performance.md, between comments that name them, and a chart."""

from __future__ import annotations

import platform
import re
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.figures import GOALS, Results, ratios
from bench.rows import Rows
from portal.config import ROOT
from portal.core.clock import now

PAGE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "performance.svg"
LIBRARIES = ("Flask", "SQLAlchemy", "psycopg", "gunicorn")
PEER_LIBRARIES = ("Django", "Flask-Admin")
STYLE = """text{font:13px system-ui,sans-serif;fill:#1f2328}.small{font-size:11px;fill:#59636e}
.portal{fill:#2463c4}.peer{fill:#b0873a}.goal{stroke:#1f2328;stroke-width:2}.axis{stroke:#d1d9e0}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.portal{fill:#5b9bf3}.peer{fill:#d3a95c}
.goal{stroke:#e6edf3}.axis{stroke:#3d444d}}"""
LEFT, SCALE, STEP, TOP = 240, 500, 40, 52  # pixels: to the bars, of a whole floor, per workload, above the first


def versions(rows: Rows) -> str:
    """The day, the machine and the versions of what runs on it."""
    pinned = (ROOT / "bench" / "peers.txt").read_text()
    peers = [f"{name} {found[1]}" for name in PEER_LIBRARIES if (found := re.search(rf"^{name}==(.+)$", pinned, re.M))]
    libraries = ", ".join([*(f"{name} {version(name)}" for name in LIBRARIES), *peers])
    memory = round(psutil.virtual_memory().total / 2**30)
    programs = f"Python {platform.python_version()}, PostgreSQL {rows.version()}, {libraries}"
    return f"{now():%Y-%m-%d}, {psutil.cpu_count()} processors ({_processor()}), {memory} GiB of memory; {programs}."


def _processor() -> str:
    """Its model, or at least its architecture."""
    information = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", information.read_text(), re.M) if information.exists() else None
    return found[1].strip() if found else platform.machine()


def publish(section: str, text: str, page: Path = PAGE) -> None:
    """Write a section of the page anew, and leave the rest of it."""
    written = page.read_text()
    begin, end = f"<!-- {section}: written by make bench -->\n", f"<!-- end of {section} -->"
    before, found, rest = written.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{page.name} has no section {section}")
    page.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")


def draw(results: Results, path: Path = CHART) -> None:
    """The portal and the best peer as shares of the floor, and the goals."""
    bars: list[str] = []
    for workload, measured in results.items():
        of_floor, of_peer = ratios(measured)
        if of_floor is not None:
            bars.append(_bars(len(bars), workload, of_floor, of_floor / of_peer if of_peer else None))
    height = TOP + STEP * len(bars) + 10
    marks = "".join(_mark(part / 10, height) for part in range(0, 11, 2))
    key = (
        f'<rect class="portal" x="{LEFT}" y="8" width="12" height="12"/><text x="{LEFT + 18}" y="19">portal</text>'
        f'<rect class="peer" x="{LEFT + 90}" y="8" width="12" height="12"/>'
        f'<text x="{LEFT + 108}" y="19">best peer</text>'
        f'<path class="goal" d="M{LEFT + 200} 6v16"/><text x="{LEFT + 208}" y="19">goal</text>'
    )
    title = "Requests per second as a share of the floor"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + SCALE + 60} {height}" role="img"'
        f' aria-label="{title}"><title>{title}</title><style>{STYLE}</style>{key}{marks}{"".join(bars)}</svg>\n'
    )


def _mark(share: float, height: int) -> str:
    x = LEFT + SCALE * share
    label = f'<text class="small" x="{x:.0f}" y="40" text-anchor="middle">{share:.0%}</text>'
    return f'<path class="axis" d="M{x:.0f} 46V{height}"/>{label}'


def _bars(place: int, workload: str, portal: float, peer: float | None) -> str:
    y = TOP + STEP * place
    parts = [f'<text x="{LEFT - 10}" y="{y + 19}" text-anchor="end">{workload}</text>', _bar("portal", y + 2, portal)]
    if peer is not None:
        parts.append(_bar("peer", y + 16, peer))
    if goal := GOALS.get(workload.split()[0], (None, None))[0]:
        parts.append(f'<path class="goal" d="M{LEFT + SCALE * goal:.0f} {y}v31"/>')
    return "".join(parts)


def _bar(kind: str, y: int, share: float) -> str:
    width = SCALE * min(share, 1)
    return (
        f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="12"/>'
        f'<text class="small" x="{LEFT + width + 5:.1f}" y="{y + 10}">{share:.0%}</text>'
    )
