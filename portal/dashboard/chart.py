"""Draw a line chart as SVG, on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from portal.core.listing import Count

WIDTH, HEIGHT = 1000, 220
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 12, 34
STEPS = 4


@dataclass(frozen=True)
class Chart:
    """The coordinates for the template, in a view box of 1000 by 220."""

    title: str
    finding: str
    desc: str
    total: Count
    grid: list[tuple[float, str]]
    line: str
    area: str
    dot: tuple[float, float]
    dates: list[tuple[float, str, str]]


def chart_of(daily: Sequence[int], first: date, total: Count, bound: int) -> Chart:
    """A chart of new people per day from `first` on, for at least two days. Counts, and the line, end at `bound`."""
    counts = [min(count, bound) for count in daily]
    over = sum(count > bound for count in daily)
    top = _round_top(max(counts))
    span, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    points = [
        (LEFT + span * number / (len(counts) - 1), TOP + height * (1 - value / top))
        for number, value in enumerate(counts)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    floor = TOP + height
    best = max(range(len(counts)), key=counts.__getitem__)
    return Chart(
        title=f"New people, last {len(counts)} days",
        finding=_finding(counts[best], first + timedelta(days=best), over),
        desc=f"{min(counts):,} to {counts[best]:,}{' or more' if over else ''} new people per day.",
        total=total,
        grid=[(TOP + height * (1 - step / STEPS), f"{top * step // STEPS:,}") for step in range(STEPS + 1)],
        line=line,
        area=f"{points[0][0]:.1f},{floor} {line} {points[-1][0]:.1f},{floor}",
        dot=points[-1],
        dates=_dates(points, first),
    )


def _finding(most: int, on: date, over: int) -> str:
    if over:
        return f"On {over} of these days, more than {most:,} people were added. The line ends at {most:,}."
    return f"Busiest day: {on.day} {on:%b} ({most:,})." if most else "No new people in this period."


def _dates(points: Sequence[tuple[float, float]], first: date) -> list[tuple[float, str, str]]:
    places = ((0, "start"), ((len(points) - 1) // 2, "middle"), (len(points) - 1, "end"))
    days = [(number, anchor, first + timedelta(days=number)) for number, anchor in places]
    return [(points[number][0], anchor, f"{day.day} {day:%b}") for number, anchor, day in days]


def _round_top(most: int) -> int:
    """The next number that is 1, 2, 4 or 5 times a power of ten, times the number of grid lines."""
    size = STEPS
    while True:
        for factor in (1, 2, 4, 5):
            if size * factor >= most:
                return size * factor
        size *= 10
