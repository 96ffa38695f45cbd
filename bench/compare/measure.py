"""Run rounds: each program in turn, several times, so that all run under the same conditions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

import psutil

from bench.compare import workloads
from bench.compare.browser import Browser
from bench.compare.figures import Figures, Round
from bench.compare.load import Answers, Load, Slot
from bench.compare.programs import Program, end, signed_in
from bench.compare.rows import Rows
from bench.compare.workloads import Workload
from portal.config import ROOT

WARM_UP = 1.0  # seconds


@dataclass(frozen=True)
class Generator:
    """The process that makes the load."""

    process: subprocess.Popen[bytes]

    def run(self, load: Load) -> Answers:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(load)).encode() + b"\n")
        self.process.stdin.flush()
        return Answers(**json.loads(self.process.stdout.readline()))


@contextmanager
def generating() -> Iterator[Generator]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.compare.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Generator(process)
    finally:
        end(process)


@dataclass(frozen=True)
class Comparison:
    rows: Rows
    generator: Generator
    programs: Sequence[Program]
    rounds: int
    seconds: float

    def measure(
        self, workload: Workload, concurrency: int, browsers: Mapping[tuple[str, str], Browser]
    ) -> dict[str, Figures]:
        able = [one for one in self.programs if one.name in workload.paths]
        markers = {
            one.name: ""
            if workload.saves
            else workload.recognize(one.name, browsers[one.name, workload.email], self.rows)
            for one in able
        }
        found: dict[str, list[Round]] = {one.name: [] for one in able}
        for number in range(self.rounds + 1):
            for program in able:
                browser = browsers[program.name, workload.email]
                slots = self._slots(workload, program, browser, concurrency)
                status = workloads.SAVED[program.name] if workload.saves else 200
                seconds = self.seconds if number else WARM_UP
                load = Load(program.port, slots, status, markers[program.name], seconds)
                answered = self._round(load, program, workload)
                if number:
                    found[program.name].append(answered)
        return {name: Figures.of(rounds) for name, rounds in found.items()}

    def _slots(self, workload: Workload, program: Program, browser: Browser, concurrency: int) -> tuple[Slot, ...]:
        if workload.saves:
            return workloads.saving(program.name, browser, self.rows, concurrency)
        return workloads.reading(workload, program.name, browser, concurrency)

    def _round(self, load: Load, program: Program, workload: Workload) -> Round:
        server = psutil.Process(self.rows.server_process())
        application, database = processor_time(program.process), processor_time(server)
        answers = self.generator.run(load)
        if answers.error is not None:
            raise workloads.WrongPage(f"{workload.name} {program.name}: {answers.error}")
        application = processor_time(program.process) - application
        database = processor_time(server) - database
        return Round(answers.seconds, answers.latencies, application, database, answers.size)


def sign_in_everybody(
    programs: Sequence[Program], rows: Rows, asked: Sequence[Workload]
) -> dict[tuple[str, str], Browser]:
    wanted = {(program.name, one.email): program for one in asked for program in programs if program.name in one.paths}
    return {(name, email): signed_in(program, email, rows) for (name, email), program in wanted.items()}


def processor_time(process: psutil.Process) -> float:
    """The seconds that a process, its children and those of them that ended have spent."""
    own = process.cpu_times()
    spent = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            spent += sum(child.cpu_times()[:2])
    return float(spent)
