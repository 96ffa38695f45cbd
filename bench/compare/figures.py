"""What rounds come to: their statistics, and the tables of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEFT = ("workload", "program")  # columns of text


@dataclass(frozen=True)
class Round:
    """One program's answers to one workload for a few seconds. Latencies are in ms, processor times in seconds."""

    seconds: float
    latencies: Sequence[float]
    application: float
    database: float
    size: int


@dataclass(frozen=True)
class Figures:
    per_second: float
    median: float
    p99: float
    application: float  # ms of processor time per request
    database: float
    kilobytes: float

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> Figures:
        latencies = [one for round_ in rounds for one in round_.latencies]
        each = 1000 / len(latencies)
        return cls(
            per_second=statistics.median(len(one.latencies) / one.seconds for one in rounds),
            median=statistics.median(latencies),
            p99=percentile(latencies, 99),
            application=sum(one.application for one in rounds) * each,
            database=sum(one.database for one in rounds) * each,
            kilobytes=max(one.size for one in rounds) / 1000,
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values don't exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def ratios(measured: Mapping[str, Figures], peers: Sequence[str]) -> tuple[float | None, float | None]:
    """The portal's requests per second as a share of the floor's, and as a multiple of the best peer's."""
    best = max((measured[one].per_second for one in peers if one in measured), default=None)
    floor, portal = measured.get("floor"), measured.get("portal")
    if portal is None:
        return None, None
    of_floor = portal.per_second / floor.per_second if floor else None
    return of_floor, portal.per_second / best if best else None


def summary(results: Mapping[str, Mapping[str, Figures]], titles: Mapping[str, str], peers: Sequence[str]) -> str:
    """Requests per second of all programs, and the portal's ratios."""
    lines = [["workload", *titles.values(), "of the floor", "times the best peer"]]
    for workload, measured in results.items():
        of_floor, of_peer = ratios(measured, peers)
        speeds = [_number(measured[one].per_second if one in measured else None) for one in titles]
        lines.append([workload, *speeds, _number(of_floor, 2), _number(of_peer, 1)])
    return table(lines)


def details(results: Mapping[str, Mapping[str, Figures]], titles: Mapping[str, str]) -> str:
    lines = [["workload", "program", "per second", "median ms", "p99 ms", "application ms", "PostgreSQL ms", "kB"]]
    for workload, measured in results.items():
        for name, one in measured.items():
            numbers = _number(one.per_second), _number(one.median, 1), _number(one.p99, 1)
            costs = _number(one.application, 2), _number(one.database, 2), _number(one.kilobytes, 1)
            lines.append([workload, titles[name], *numbers, *costs])
    return table(lines)


def table(lines: Sequence[Sequence[str]]) -> str:
    """A table that is Markdown, and even on a terminal. The first line is its head."""
    widths = [max(len(one) for one in column) for column in zip(*lines, strict=True)]
    is_text = [name in LEFT for name in lines[0]]
    rule = ["-" * width if text else "-" * (width - 1) + ":" for width, text in zip(widths, is_text, strict=True)]
    cells = [
        [one.ljust(width) if text else one.rjust(width) for one, width, text in zip(line, widths, is_text, strict=True)]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [cells[0], rule, *cells[1:]])


def _number(value: float | None, decimals: int = 0) -> str:
    return "-" if value is None else f"{value:,.{decimals if value < 1000 else 0}f}"
