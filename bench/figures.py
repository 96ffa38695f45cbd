"""What rounds come to: their statistics, and the tables of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEFT = ("workload", "program", "what", "version")  # columns of text

Results = Mapping[str, Mapping[str, "Figures"]]  # by workload and program

# The portal's goals: the share of the floor, and how many times the best peer.
GOALS = {
    "W1": (0.33, 25), "W2": (0.50, 5), "W3": (0.42, 30), "W4": (0.40, 70), "W4b": (0.40, 70), "W5": (0.37, 5),
    "W6": (0.28, 2.3), "W7": (0.33, 1.0), "W8": (0.42, 6), "W9": (0.42, 11), "W13": (0.95, None),
}  # fmt: skip


@dataclass(frozen=True)
class Round:
    """One program's answers to one workload for a few seconds. Latencies are in ms, processor times in seconds."""

    seconds: float
    latencies: Sequence[float]
    application: float = 0
    database: float = 0
    size: int = 0
    compressed: int = 0
    refused: int = 0
    statements: int = 0
    statement_time: float = 0  # ms


@dataclass(frozen=True)
class Figures:
    per_second: float
    median: float
    p99: float
    application: float  # ms of processor time per request
    database: float
    statements: float  # per request
    statement_time: float  # ms per request, as PostgreSQL measures it
    kilobytes: float
    compressed: float
    refused: int

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> Figures:
        latencies = [one for round_ in rounds for one in round_.latencies] or [math.inf]
        each = 1 / len(latencies)
        return cls(
            per_second=statistics.median(len(one.latencies) / one.seconds for one in rounds),
            median=statistics.median(latencies),
            p99=percentile(latencies, 99),
            application=sum(one.application for one in rounds) * 1000 * each,
            database=sum(one.database for one in rounds) * 1000 * each,
            statements=sum(one.statements for one in rounds) * each,
            statement_time=sum(one.statement_time for one in rounds) * each,
            kilobytes=max(one.size for one in rounds) / 1000,
            compressed=max(one.compressed for one in rounds) / 1000,
            refused=sum(one.refused for one in rounds),
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values don't exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def ratios(measured: Mapping[str, Figures]) -> tuple[float | None, float | None]:
    """The portal's requests per second as a share of the floor's, and as a multiple of the best peer's."""
    best = max((one.per_second for name, one in measured.items() if name not in ("floor", "portal")), default=None)
    floor, portal = measured.get("floor"), measured.get("portal")
    if portal is None:
        return None, None
    of_floor = portal.per_second / floor.per_second if floor else None
    return of_floor, portal.per_second / best if best else None


def summary(results: Results, programs: Sequence[str]) -> str:
    """Requests per second of all programs, and the portal's ratios beside its goals."""
    lines = [["workload", *programs, "of the floor", "goal", "times the best peer", "goal "]]
    for workload, measured in results.items():
        speeds = [_speed(measured[one]) if one in measured else "-" for one in programs]
        of_floor, of_peer = ratios(measured)
        floor_goal, peer_goal = GOALS.get(workload.split()[0], (None, None))
        shares = [_number(of_floor, 2), _number(floor_goal, 2), _number(of_peer, 1), _number(peer_goal, 1)]
        lines.append([workload, *speeds, *shares])
    return table(lines)


def details(results: Results) -> str:
    """Everything that was measured, a line for each workload and program."""
    head = "workload|program|per second|median ms|p99 ms|application ms|PostgreSQL ms|statements|SQL ms|kB|gzip kB"
    lines = [[*head.split("|"), "refused"]]
    for workload, measured in results.items():
        for name, one in measured.items():
            speeds = _speed(one), _number(one.median, 1), _number(one.p99, 1)
            costs = _number(one.application, 2), _number(one.database, 2)
            sql = _number(one.statements, 1), _number(one.statement_time, 2)
            sizes = _number(one.kilobytes, 1), _number(one.compressed, 1)
            lines.append([workload, name, *speeds, *costs, *sql, *sizes, f"{one.refused:,}"])
    return table(lines)


def growth(results: Results, sizes: Sequence[str]) -> str:
    """Requests per second by the number of people, and how many times longer a request takes with the most."""
    lines = [["workload", *sizes, "times as long", "goal"]]
    for workload, measured in results.items():
        shown = [_speed(measured[one]) for one in sizes]
        longer = measured[sizes[0]].per_second / measured[sizes[-1]].per_second
        lines.append([workload, *shown, _number(longer, 2), "1.30"])
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


def _speed(measured: Figures) -> str:
    return _number(measured.per_second, 1 if measured.per_second < 20 else 0)


def _number(value: float | None, decimals: int = 0) -> str:
    return "-" if value is None else f"{value:,.{decimals if value < 1000 else 0}f}"
