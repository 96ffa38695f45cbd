"""Compare the portal with Django admin, Flask-Admin and a floor, on the same rows, machine and run.

The database and the peers' environment are made once, in the folder BENCH_FOLDER (default: .bench).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.compare import rows
from bench.compare.figures import Figures, details, summary, table
from bench.compare.measure import Comparison, generating, sign_in_everybody
from bench.compare.programs import NAMES, PEERS, TITLES, Program, serving
from bench.compare.workloads import WrongPage, workloads

Results = dict[str, Mapping[str, Figures]]


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(os.environ.get("BENCH_FOLDER", ".bench")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _compare(options, folder)
    except WrongPage as error:
        raise SystemExit(f"bench: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make compare", description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[4, 32], help="connections at a time")
    parser.add_argument("--rounds", type=int, default=3, help="of each program and workload")
    parser.add_argument("--seconds", type=float, default=2.0, help="per round")
    parser.add_argument("--programs", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--workloads", nargs="+", metavar="W1", help="only these")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="where the tables are written, too")
    return parser.parse_args(arguments)


def _compare(options: argparse.Namespace, folder: Path) -> None:
    with ExitStack() as running:
        found = running.enter_context(rows.kept(folder, options.people))
        programs = [running.enter_context(serving(name, found, folder)) for name in options.programs]
        asked = [
            one
            for one in workloads(found)
            if (not options.workloads or one.name in options.workloads)
            and not one.paths.keys().isdisjoint(options.programs)
        ]
        browsers = sign_in_everybody(programs, found, asked)
        comparison = Comparison(found, running.enter_context(generating()), programs, options.rounds, options.seconds)
        size = f"{found.people:,} people, the largest organization has {found.organization_size:,}"
        load = f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
        parts = [f"{size}; {options.rounds} rounds of {options.seconds:g} s; {load}"]
        for concurrency in options.concurrency:
            results: Results = {}
            for workload in asked:
                print(f"{workload.name} {workload.title}, {concurrency} connections ...", file=sys.stderr, flush=True)
                results[f"{workload.name} {workload.title}"] = comparison.measure(workload, concurrency, browsers)
            parts += _shown(results, concurrency, options.programs)
        parts.append(_memory(programs))
    text = "\n\n".join(parts)
    print(text)
    if options.markdown:
        options.markdown.write_text(f"{text}\n")


def _shown(results: Results, concurrency: int, programs: Sequence[str]) -> list[str]:
    titles = {name: TITLES[name] for name in NAMES if name in programs}
    heading = f"Requests per second, {concurrency} connections:"
    return [heading, summary(results, titles, PEERS), details(results, titles)]


def _memory(programs: Sequence[Program]) -> str:
    lines = [[TITLES[one.name], f"{one.memory:.0f}"] for one in programs]
    return table([["program", "unique MiB per worker, after the load"], *lines])


if __name__ == "__main__":
    main()
