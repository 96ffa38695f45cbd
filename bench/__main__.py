"""Compare the portal with Django admin, Flask-Admin and a floor, on the same rows, machine and run.

The databases and the environments of other programs are made once, in the folder BENCH_FOLDER (default: .bench).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import figures, history, many, report, rows, servers
from bench.figures import Figures, Results
from bench.generators import generating
from bench.measure import Comparison
from bench.programs import NAMES, TITLES, Program, serving
from bench.rows import say
from bench.workloads import WrongPage
from portal import create_app
from portal.config import Settings

PEOPLE = 1_000_000
SIZES = (100_000, PEOPLE, 5_000_000)
GROWING = ("W1", "W2", "W3", "W4", "W4b", "W5")
ALL = (*GROWING, "W6", "W7", "W8", "W9", "W10", "W11", "W12", "W13", "W13b")


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(os.environ.get("BENCH_FOLDER", ".bench")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        options.what(options, folder)
    except WrongPage as error:
        raise SystemExit(f"bench: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    for name, function, explained in (
        ("growth", _growth, "measure the portal with 100,000, 1,000,000 and 5,000,000 people instead"),
        ("servers", _servers, "measure the portal on other servers instead"),
        ("history", _history, "measure what the history costs writers instead"),
        ("many", _many, "measure downloads, an import and changes of many people instead"),
    ):
        what.add_argument(f"--{name}", dest="what", action="store_const", const=function, help=explained)
    parser.set_defaults(what=_compare)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of people for --growth")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[4, 32], help="connections at a time")
    parser.add_argument("--rounds", type=int, default=3, help="of each program and workload")
    parser.add_argument("--seconds", type=float, default=2.0, help="per round")
    parser.add_argument("--programs", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--workloads", nargs="+", metavar="W1", choices=ALL, help="only these")
    parser.add_argument("--python", nargs="+", default=[], help="others to compare with --servers")
    parser.add_argument("--publish", action="store_true", help="write the tables to docs/performance.md, too")
    return parser.parse_args(arguments)


def _compare(options: argparse.Namespace, folder: Path) -> None:
    with ExitStack() as running:
        found = running.enter_context(rows.kept(folder, options.people))
        programs = {TITLES[name]: running.enter_context(serving(name, found, folder)) for name in options.programs}
        comparison = running.enter_context(_comparing(options, programs))
        results = {many: _measured(comparison, options.workloads or ALL, many) for many in options.concurrency}
        size = f"{found.people:,} people, the largest organization has {found.organization_size:,}"
        parts = [f"{size}; {_rounds(options)}.", report.versions(found)]
        for many, measured in results.items():
            parts += [f"Requests per second, {many} connections:", figures.summary(measured, list(programs))]
        parts += [f"In detail, {many} connections:\n\n{figures.details(one)}" for many, one in results.items()]
        _report("comparison", [*parts, _memory({title: one.memory for title, one in programs.items()})], options)
    if options.publish:
        report.draw(results[options.concurrency[0]])


def _growth(options: argparse.Namespace, folder: Path) -> None:
    with ExitStack() as running:
        programs: dict[str, Program] = {}
        for size in options.sizes:
            found = running.enter_context(rows.kept(folder, size))
            programs[f"{size:,} people"] = running.enter_context(serving("portal", found, folder))
        comparison = running.enter_context(_comparing(options, programs))
        measured = _measured(comparison, options.workloads or GROWING, options.concurrency[0])
        tables = [figures.growth(measured, list(programs)), figures.details(measured)]
        _report("growth", [f"{options.concurrency[0]} connections; {_rounds(options)}.", *tables], options)


def _servers(options: argparse.Namespace, folder: Path) -> None:
    """One after another, because together they would need more connections than PostgreSQL has."""
    measured: dict[int, dict[str, dict[str, Figures]]] = {many: {} for many in options.concurrency}
    memory: dict[str, tuple[float, float]] = {}
    with rows.kept(folder, options.people) as found:
        for title, python, arguments in servers.variants(options.python, folder):
            say(f"{title}:")
            with (
                serving("portal", found, folder, python=python, arguments=arguments) as program,
                _comparing(options, {title: program}) as comparison,
            ):
                for many, results in measured.items():
                    for workload, one in _measured(comparison, options.workloads or servers.WORKLOADS, many).items():
                        results.setdefault(workload, {}).update(one)
                memory[title] = program.memory
        parts = [f"{found.people:,} people; {_rounds(options)}."]
    for many, results in measured.items():
        parts += [f"{many} connections:", figures.details(results)]
    _report("servers", [*parts, _memory(memory)], options)


def _history(options: argparse.Namespace, folder: Path) -> None:
    with rows.kept(folder, options.people) as found:
        _report("history", history.measure(found.url), options)


def _many(options: argparse.Namespace, folder: Path) -> None:
    with rows.kept(folder, options.people) as kept, many.copied(kept) as found:
        with serving("portal", found, folder) as program:
            lines = many.downloads(program, options.rounds)
        app = create_app(
            Settings(
                secret_key=rows.KEY,
                database_url=found.url.replace("postgresql:", "postgresql+psycopg:", 1),
                worker_inside=False,
            )
        )
        lines += many.changes(app, found)
        size = f"{found.people:,} people; {options.rounds} rounds of each download, one of each change"
        load = f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
        _report("many", [f"{size}; {load}.", report.versions(found), many.shown(lines)], options)


@contextmanager
def _comparing(options: argparse.Namespace, programs: Mapping[str, Program]) -> Iterator[Comparison]:
    with generating() as generator, generating() as flood:
        yield Comparison(programs, generator, flood, options.rounds, options.seconds)


def _measured(comparison: Comparison, names: Sequence[str], concurrency: int) -> Results:
    measured = {name: comparison.measure(name, concurrency) for name in names}
    return {title: found for title, found in measured.values() if found}


def _rounds(options: argparse.Namespace) -> str:
    load = f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    return f"{options.rounds} rounds of {options.seconds:g} s; {load}"


def _memory(workers: Mapping[str, tuple[float, float]]) -> str:
    lines = [[title, *(f"{one:.0f}" for one in memory)] for title, memory in workers.items()]
    return figures.table([["program", "unique MiB per worker", "with its share of shared ones"], *lines])


def _report(section: str, parts: Sequence[str], options: argparse.Namespace) -> None:
    text = "\n\n".join(parts)
    print(text)
    if options.publish:
        report.publish(section, text)


if __name__ == "__main__":
    main()
