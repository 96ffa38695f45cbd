"""Draw numbers over time as SVG, on the server. components/charts.html renders them, with a table beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from portal.core.days import MONTHS

WIDTH, HEIGHT = 280, 150
LEFT, RIGHT, TOP, BOTTOM = 36, 4, 8, 22
STEPS = 4  # grid lines above the lowest, at most
NAME_WIDTH, NAME_CHARACTERS = 112, 17  # the width for names, and how many characters fit
FACTORS = (1, 2, 5)  # times a power of ten: the steps between grid lines
SHORT = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))


@dataclass(frozen=True)
class Chart:
    """Coordinates in a view box of 280 by 150, and the same numbers as rows of a table."""

    title: str
    summary: str  # a sentence: the finding
    heading: str  # of the numbers in the table
    by: str  # "Day" or "Month"
    rows: Sequence[tuple[str, str]]
    grid: Sequence[tuple[float, str]]
    bars: str  # a path of all bars, or of the area below the line
    line: str  # points; empty for bars
    dates: Sequence[tuple[float, str, str]]  # x, text-anchor, label


def is_by_day(arguments: Mapping[str, str]) -> bool:
    """Whether the URL asks for 30 days, not for 12 months."""
    return arguments.get("period") != "year"


def bars(title: str, heading: str, begins: Sequence[date], values: Sequence[int], *, by_day: bool) -> Chart:
    """A bar for the number of each day or month. At least two of them."""
    grid, low, high = _grid(0, max(values))
    slot = (WIDTH - LEFT - RIGHT) / len(values)
    width = round(slot * 0.72, 1)
    floor = _y(0, low, high)
    path = "".join(
        f"M{_x(place, slot) - width / 2:.1f} {floor:.1f}v{_y(value, low, high) - floor:.1f}h{width}V{floor:.1f}z"
        for place, value in enumerate(values)
        if value
    )
    best = max(range(len(values)), key=values.__getitem__)
    period = "day" if by_day else "month"
    busiest = f"Busiest {period}: {_named(begins[best], by_day)} ({values[best]:,})."
    summary = f"{sum(values):,} in total. {busiest}" if values[best] else "None in this period."
    return _chart(title, heading, begins, values, by_day, summary, grid, path, "")


def line(title: str, heading: str, begins: Sequence[date], values: Sequence[int], *, by_day: bool) -> Chart:
    """A line through the number at the end of each day or month. It begins at 0 unless all numbers are far above."""
    least, most = min(values), max(values)
    grid, low, high = _grid(0 if least < most * 0.8 else least, most)
    slot = (WIDTH - LEFT - RIGHT) / len(values)
    points = [(_x(place, slot), _y(value, low, high)) for place, value in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    floor = HEIGHT - BOTTOM
    area = f"M{points[0][0]:.1f} {floor}L{path} {points[-1][0]:.1f},{floor}z"
    then = f"{'on' if by_day else 'at the end of'} {_named(begins[0], by_day)}"
    change = values[-1] - values[0]
    compared = f"{abs(change):,} {'more' if change > 0 else 'fewer'} than {then}" if change else f"as many as {then}"
    summary = f"{values[-1]:,} now, {compared}."
    return _chart(title, heading, begins, values, by_day, summary, grid, area, path)


@dataclass(frozen=True)
class Ranking:
    """Bars beside names, in a view box of 280 by 150, and the same as rows of a table: name, URL and number."""

    title: str
    summary: str
    heading: str
    rows: Sequence[tuple[str, str, str]]
    bars: str  # a path of all bars
    labels: Sequence[tuple[float, str, str]]  # y, the beginning of the name, the number


def ranking(title: str, heading: str, summary: str, rows: Sequence[tuple[str, str, int]]) -> Ranking:
    """The highest numbers, in the order given: name, URL, number."""
    most = max((value for *_, value in rows), default=1)
    slot = HEIGHT / max(len(rows), 1)
    height, room = min(slot * 0.6, 14), WIDTH - NAME_WIDTH - 40
    middles = [round(slot * (place + 0.5), 1) for place in range(len(rows))]
    path = "".join(
        f"M{NAME_WIDTH} {y - height / 2:.1f}h{max(value / most * room, 1):.1f}v{height:.1f}H{NAME_WIDTH}z"
        for y, (*_, value) in zip(middles, rows, strict=True)
    )
    labels = [(y, _shortened(name), f"{value:,}") for y, (name, _, value) in zip(middles, rows, strict=True)]
    return Ranking(title, summary, heading, [(name, url, f"{value:,}") for name, url, value in rows], path, labels)


def _shortened(name: str) -> str:
    return name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1].rstrip()}…"


def _chart(
    title: str,
    heading: str,
    begins: Sequence[date],
    values: Sequence[int],
    by_day: bool,
    summary: str,
    grid: Sequence[tuple[float, str]],
    path: str,
    points: str,
) -> Chart:
    slot = (WIDTH - LEFT - RIGHT) / len(values)
    middle = len(values) // 2
    shown = ((0, LEFT, "start"), (middle, round(_x(middle, slot), 1), "middle"), (-1, WIDTH - RIGHT, "end"))
    dates = [(x, anchor, _named(begins[place], by_day)) for place, x, anchor in shown]
    rows = [(_named(one, by_day), f"{value:,}") for one, value in zip(begins, values, strict=True)]
    return Chart(title, summary, heading, "Day" if by_day else "Month", rows, grid, path, points, dates)


def _named(day: date, by_day: bool) -> str:
    month = MONTHS[day.month - 1]
    return f"{day.day} {month}" if by_day else f"{month} {day.year}"


def _x(place: int, slot: float) -> float:
    return LEFT + slot * (place + 0.5)


def _y(value: float, low: int, high: int) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)


def _grid(least: int, most: int) -> tuple[list[tuple[float, str]], int, int]:
    """Grid lines at round numbers: their y and label. And the lowest and highest number of the axis."""
    step = _step(most - least)
    low = least // step * step
    high = max(-(-most // step) * step, low + step)
    marks = range(low, high + 1, step)
    return [(round(_y(mark, low, high), 1), short(mark)) for mark in marks], low, high


def _step(span: int) -> int:
    size = 1
    while True:
        for factor in FACTORS:
            if factor * size * STEPS >= span:
                return factor * size
        size *= 10


def short(number: int) -> str:
    """`950`, `12k`, `949.5k`, `1.2M`: a number on an axis."""
    for unit, suffix in SHORT:
        if number >= unit:
            return f"{number / unit:.10g}{suffix}"
    return str(number)
