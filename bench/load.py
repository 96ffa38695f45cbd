"""The load: a process of its own that requests pages over connections that stay open.

Each line of its input is a round, as JSON; it answers with a line of JSON. A wrong answer ends the round as an error,
except 503: programs that refuse requests are measured, and their refusals counted.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

LONGEST = 60  # seconds for an answer
REFUSED = 503


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


@dataclass
class Answers:
    """What came of a round. Latencies are in milliseconds, without those of refusals; sizes are bytes of a page."""

    seconds: float
    latencies: list[float]
    refused: int = 0
    size: int = 0
    compressed: int = 0
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
    begun = time.perf_counter()
    answers = Answers(0, [])
    try:
        async with asyncio.TaskGroup() as group:
            for slot in load.slots:
                group.create_task(_repeat(load, slot, begun + load.seconds, answers))
    except* (WrongAnswer, OSError, EOFError, ValueError) as errors:
        answers.error = str(errors.exceptions[0]) or type(errors.exceptions[0]).__name__
    answers.seconds = time.perf_counter() - begun
    return answers


async def _repeat(load: Load, slot: Slot, until: float, answers: Answers) -> None:
    async with _Connection(load.port) as connection:
        number, is_first = 0, True
        while is_first or time.perf_counter() < until:
            begun = time.perf_counter()
            async with asyncio.timeout(LONGEST):
                status, body = await connection.ask(slot.request(number))
            is_first = False
            if status == REFUSED:
                answers.refused += 1
                continue
            answers.latencies.append((time.perf_counter() - begun) * 1000)
            if status != load.status or load.marker.encode() not in body:
                raise WrongAnswer(f"{slot.method} {slot.path} answered {status}, {len(body)} bytes: {body[:300]!r}")
            number += 1
            if number == 1:
                answers.size, answers.compressed = len(body), len(gzip.compress(body, 6))


class _Connection:
    """Stays open as long as the server leaves it open. All programs state the length of their pages."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        reader, writer = self._streams or await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        self._streams = reader, writer
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        body = await reader.readexactly(int(length))
        if b"\r\nconnection: close\r\n" in head:
            self._close()
        return int(head[9:12]), body

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


if __name__ == "__main__":
    main()
