"""The load: a process of its own that requests pages over connections that stay open.

Each line of its input is a round, as JSON; it answers with a line of JSON. A wrong answer ends the round as an error.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

LONGEST = 60  # seconds for an answer


@dataclass(frozen=True)
class Slot:
    """What one connection asks, again and again. `counter` takes the place of COUNTER and chooses the body."""

    method: str
    path: str
    headers: dict[str, str]
    bodies: tuple[str, ...] = ("",)
    counter: int = 0

    def request(self, number: int) -> bytes:
        counter = self.counter + number
        body = self.bodies[counter % len(self.bodies)].replace("COUNTER", str(counter)).encode()
        headers = dict(self.headers)
        if self.method == "POST":
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Load:
    port: int
    slots: tuple[Slot, ...]
    status: int
    marker: str
    seconds: float


@dataclass(frozen=True)
class Answers:
    """What came of a round. Latencies are in milliseconds."""

    seconds: float
    latencies: list[float]
    size: int = 0
    error: str | None = None


class WrongAnswer(Exception):
    """An answer is not the page that is measured."""


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(asdict(asyncio.run(run(read(line))))), flush=True)


def read(line: str) -> Load:
    values: dict[str, Any] = json.loads(line)
    slots = tuple(Slot(**{**one, "bodies": tuple(one["bodies"])}) for one in values.pop("slots"))
    return Load(slots=slots, **values)


async def run(load: Load) -> Answers:
    latencies: list[float] = []
    begun, error = time.perf_counter(), None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_repeat(load, slot, begun + load.seconds, latencies)) for slot in load.slots]
    except* (WrongAnswer, OSError, EOFError, ValueError) as errors:
        error = str(errors.exceptions[0]) or type(errors.exceptions[0]).__name__
    size = 0 if error else max(task.result() for task in tasks)
    return Answers(time.perf_counter() - begun, latencies, size, error)


async def _repeat(load: Load, slot: Slot, until: float, latencies: list[float]) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port, limit=1 << 20)
    try:
        number, size = 0, 0
        while number == 0 or time.perf_counter() < until:
            begun = time.perf_counter()
            writer.write(slot.request(number))
            async with asyncio.timeout(LONGEST):
                status, body = await _answer(reader)
            latencies.append((time.perf_counter() - begun) * 1000)
            if status != load.status or load.marker.encode() not in body:
                raise WrongAnswer(f"{slot.method} {slot.path} answered {status}, {len(body)} bytes: {body[:300]!r}")
            number, size = number + 1, len(body)
        return size
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer. All programs state the length of their pages."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return int(head[9:12]), await reader.readexactly(int(length))


if __name__ == "__main__":
    main()
