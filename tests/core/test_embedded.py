"""Does the embedded PostgreSQL keep its data through everything that happens to processes?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import make_url

from portal.core.embedded import Embedded, EmbeddedError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Embedded]:
    server = Embedded(tmp_path / "postgres")
    yield server
    server.stop()


def ask(address: str, statement: str) -> object:
    url = make_url(address)
    host, port = str(url.query["host"]), str(url.query["port"])
    with psycopg.connect(host=host, port=port, user=url.username, dbname=url.database) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]


def process_of(server: Embedded) -> psutil.Process:
    first_line = (server.data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]
    return psutil.Process(int(first_line))


def kill(process: psutil.Process, *, with_children: bool) -> None:
    victims = [process, *(process.children(recursive=True) if with_children else [])]
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    psutil.wait_procs(victims, timeout=10)


def test_it_starts_from_nothing_in_a_closed_directory_and_listens_on_no_address(server: Embedded) -> None:
    with server.running() as address:
        assert ask(address, "SELECT current_setting('listen_addresses')") == ""
        assert ask(address, "SELECT current_setting('server_encoding')") == "UTF8"
        assert ask(address, "SELECT current_setting('fsync')") == "on"
        assert server.data.stat().st_mode & 0o777 == 0o700
        assert process_of(server).uids().effective != 0


def test_it_ends_with_the_block_and_keeps_the_data(server: Embedded) -> None:
    with server.running() as address:
        ask(address, "CREATE TABLE kept AS SELECT 7 AS number")
        process = process_of(server)

    assert not process.is_running()
    with server.running() as address:
        assert ask(address, "SELECT number FROM kept") == 7


def test_its_address_is_known_before_it_runs(server: Embedded) -> None:
    expected = server.url

    with server.running() as address:
        assert address == expected


def test_a_server_that_outlived_the_portal_is_adopted(server: Embedded) -> None:
    server.start()
    process = process_of(server)

    with server.running() as address:
        assert process_of(server) == process
        assert ask(address, "SELECT 1") == 1

    assert not process.is_running()


@pytest.mark.parametrize("with_children", [True, False])
def test_a_killed_server_recovers_what_was_committed(server: Embedded, with_children: bool) -> None:
    address = server.start()
    ask(address, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")

    kill(process_of(server), with_children=with_children)

    with server.running() as address:
        assert ask(address, "SELECT count(*) FROM kept") == 1000


def test_a_process_id_that_a_stranger_has_now_is_no_server(server: Embedded) -> None:
    address = server.start()
    ask(address, "CREATE TABLE kept AS SELECT 7 AS number")
    kill(process_of(server), with_children=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:  # noqa: S603
        for path in (server.data / "postmaster.pid", server.data / ".s.PGSQL.5432.lock"):
            remains = path.read_text(encoding="utf-8").split("\n", 1)[1]
            path.write_text(f"{stranger.pid}\n{remains}", encoding="utf-8")

        with server.running() as address:
            assert ask(address, "SELECT number FROM kept") == 7

        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_two_at_once_share_one_server_and_the_last_one_stops_it(server: Embedded) -> None:
    def use(seconds: float) -> int:
        with Embedded(server.data).running() as address:
            ask(address, "SELECT 1")
            process = process_of(server)
            time.sleep(seconds)
            ask(address, "SELECT 1")
            return process.pid

    with ThreadPoolExecutor() as pool:
        first, second = pool.map(use, [0.1, 1.0])

    assert first == second
    assert not psutil.pid_exists(first)


def test_a_fork_that_leaves_the_block_stops_nothing(server: Embedded) -> None:
    script = (
        "import os, sys; from pathlib import Path; from portal.core.embedded import Embedded\n"
        "with Embedded(Path(sys.argv[1])).running():\n"
        "    child = os.fork()\n"
        "    if child == 0: sys.exit()\n"
        "    os.waitpid(child, 0)\n"
        "    assert Embedded(Path(sys.argv[1]))._server()\n"
    )

    subprocess.run([sys.executable, "-c", script, str(server.data)], check=True)  # noqa: S603


def test_a_path_too_long_for_a_socket_gets_a_short_way(tmp_path: Path) -> None:
    server = Embedded(tmp_path / ("long" * 40) / "postgres")

    with server.running() as address:
        assert ask(address, "SELECT 1") == 1

    way = Path(str(make_url(address).query["host"]))
    assert way.is_symlink()
    way.unlink()


def test_a_short_way_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    server = Embedded(tmp_path / ("long" * 40) / "postgres")
    way = Path(str(make_url(server.url).query["host"]))
    way.symlink_to(tmp_path)

    with pytest.raises(EmbeddedError, match="is in the way"), server.running():
        pass

    way.unlink()


def test_data_of_another_major_version_is_refused_in_one_sentence(server: Embedded) -> None:
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("17\n", encoding="ascii")

    with pytest.raises(EmbeddedError, match="was written by PostgreSQL 17"):
        server.start()


def test_an_interrupted_first_start_begins_again(server: Embedded) -> None:
    unfinished = server.data.with_name("postgres.unfinished")
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").touch()

    with server.running() as address:
        assert ask(address, "SELECT 1") == 1
    assert not unfinished.exists()


def test_variables_for_another_postgresql_do_not_lead_astray(server: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGDATABASE": "other",
        "PGUSER": "other",
    }.items():
        monkeypatch.setitem(os.environ, name, value)

    with server.running() as address:
        assert ask(address, "SELECT current_user") == "portal"
