"""Run rounds: each program in turn, several times, so that all run under the same conditions."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import bcrypt
import psutil

from bench import workloads
from bench.browser import Browser
from bench.figures import Figures, Round
from bench.generators import Generator
from bench.load import Load, Slot
from bench.programs import Program, signed_in
from bench.rows import PASSWORD, say
from bench.workloads import Workload, WrongPage
from portal.config import Settings

WARM_UP = 1.0  # seconds
LONG = 5.0  # for what takes a quarter of a second
FLOOR = "floor"


@dataclass(frozen=True)
class Contestant:
    """A program with what it answers to a workload, and who asks."""

    program: Program
    workload: Workload
    browser: Browser
    marker: str

    def slots(self, concurrency: int) -> tuple[Slot, ...]:
        program = self.program
        if self.workload.kind == "sign in":
            return workloads.signing_in(program.name, program.port, program.rows, concurrency)
        if self.workload.kind == "save":
            return workloads.saving(program.name, self.browser, program.rows, concurrency)
        return workloads.reading(self.workload, program.name, self.browser, concurrency)

    def load(self, concurrency: int, seconds: float) -> Load:
        changes = self.workload.kind in ("save", "sign in")
        status = workloads.SAVED[self.program.name] if changes else 200
        return Load(self.program.port, self.slots(concurrency), status, self.marker, seconds)

    def flood(self, seconds: float) -> Load:
        program = self.program
        slots = workloads.signing_in(program.name, program.port, program.rows, workloads.FLOOD)
        return Load(program.port, slots, workloads.SAVED[program.name], "", seconds)


@dataclass
class Comparison:
    """Programs side by side, by their titles."""

    programs: Mapping[str, Program]
    generator: Generator
    flood: Generator
    rounds: int
    seconds: float
    _browsers: dict[tuple[str, str], Browser] = field(default_factory=dict)

    def measure(self, name: str, concurrency: int) -> tuple[str, dict[str, Figures]]:
        """The workload's title, and figures of each program that can answer it."""
        asked = {title: workloads.workloads(one.rows)[name] for title, one in self.programs.items()}
        able = {
            program: self._contestant(program, workload)
            for program, workload in asked.items()
            if self.programs[program].name in workload.paths
        }
        title = f"{name} {next(iter(asked.values())).title}"
        say(f"{title}, {concurrency} connections ...")
        found: dict[str, list[Round]] = {program: [] for program in able}
        if name == "W13" and FLOOR in self.programs:
            found = {FLOOR: [], **found}
        for number in range(self.rounds + 1):
            seconds = WARM_UP if number == 0 else max(self.seconds, LONG) if name == "W13" else self.seconds
            for program, rounds in found.items():
                ran = self._round(able[program], concurrency, seconds) if program in able else hashing(seconds)
                if number:
                    rounds.append(ran)
        return title, {program: Figures.of(rounds) for program, rounds in found.items()}

    def _contestant(self, title: str, workload: Workload) -> Contestant:
        program = self.programs[title]
        if (title, workload.email) not in self._browsers:
            self._browsers[title, workload.email] = signed_in(program, workload.email)
        browser = self._browsers[title, workload.email]
        is_read = workload.kind in ("read", "flood")
        marker = workload.recognize(program.name, browser, program.rows) if is_read else ""
        return Contestant(program, workload, browser, marker)

    def _round(self, one: Contestant, concurrency: int, seconds: float) -> Round:
        program, load = one.program, one.load(concurrency, seconds)
        has_flood = one.workload.kind == "flood"
        if has_flood:
            self.flood.begin(one.flood(seconds))
        with _spent(program) as spent:
            self.generator.begin(load)
            answers = self.generator.answers()
        meanwhile = self.flood.answers() if has_flood else None
        for each in (answers, meanwhile):
            if each is not None and each.error is not None:
                raise WrongPage(f"{one.workload.name} {program.name}: {each.error}")
        refused, sizes = answers.refused, {"size": answers.size, "compressed": answers.compressed}
        return Round(answers.seconds, answers.latencies, refused=refused, **sizes, **spent)


@contextmanager
def _spent(program: Program) -> Iterator[dict[str, Any]]:
    """Yield a dictionary that the end of the block fills with what the block took of the machine."""
    spent: dict[str, Any] = {}
    server = psutil.Process(program.rows.server_process())
    program.rows.forget_statements()
    application, database = processor_time(program.process), processor_time(server)
    yield spent
    spent["application"] = processor_time(program.process) - application
    spent["database"] = processor_time(server) - database
    spent["statements"], spent["statement_time"] = program.rows.statements()


def processor_time(process: psutil.Process) -> float:
    """The seconds that a process, its children and those of them that ended have spent."""
    own = process.cpu_times()
    spent = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            spent += sum(child.cpu_times()[:2])
    return float(spent)


def hashing(seconds: float) -> Round:
    """Check passwords and do nothing else, on all processors: the floor of signing in."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(Settings.bcrypt_rounds))
    processors, spent = os.cpu_count() or 1, time.process_time()
    begun = time.perf_counter()
    with ThreadPoolExecutor(processors) as threads:
        each = threads.map(lambda _: _hash_until(begun + seconds, hashed), range(processors))
        latencies = [one for found in each for one in found]
    took = time.perf_counter() - begun
    return Round(took, latencies, application=time.process_time() - spent)


def _hash_until(until: float, hashed: bytes) -> list[float]:
    latencies: list[float] = []
    while not latencies or time.perf_counter() < until:
        begun = time.perf_counter()
        bcrypt.checkpw(PASSWORD.encode(), hashed)
        latencies.append((time.perf_counter() - begun) * 1000)
    return latencies
