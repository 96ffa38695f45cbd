"""The embedded PostgreSQL keeps its data through everything that can happen to processes."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import make_url

from portal.postgres import programs as postgres_programs
from portal.postgres.embedded import Embedded, EmbeddedError
from portal.postgres.programs import OWN_ACCOUNT, SHARED_ACCOUNT, Account, account_for

IS_ROOT = os.geteuid() == 0
CONNECT = """
import os, socket, sys
place, uid, gid = sys.argv[1], *map(int, sys.argv[2:])
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(gid), os.setuid(uid)
socket.socket(socket.AF_UNIX).connect(place)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Embedded]:
    server = Embedded(tmp_path / "postgres")
    yield server
    server.stop()


def query(address: str, statement: str) -> object:
    plain = make_url(address).set(drivername="postgresql").render_as_string()
    with psycopg.connect(plain) as connection:
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
    psutil.wait_procs(victims, timeout=60)


def test_the_first_start_creates_a_private_directory_and_listens_on_no_address(server: Embedded) -> None:
    with server.running() as address:
        assert query(address, "SELECT current_setting('listen_addresses')") == ""
        assert query(address, "SELECT current_setting('server_encoding')") == "UTF8"
        assert query(address, "SELECT current_setting('fsync')") == "on"
        assert server.data.stat().st_mode & 0o777 == 0o700
        assert process_of(server).username() == (OWN_ACCOUNT if IS_ROOT else getpass.getuser())


def test_the_server_stops_with_the_block_and_keeps_the_data(server: Embedded) -> None:
    with server.running() as address:
        query(address, "CREATE TABLE kept AS SELECT 7 AS number")
        process = process_of(server)

    assert not process.is_running()
    with server.running() as address:
        assert query(address, "SELECT number FROM kept") == 7


def test_the_url_is_known_before_the_server_runs(server: Embedded) -> None:
    expected = server.url

    with server.running() as address:
        assert address == expected


def test_a_server_that_outlived_the_portal_is_used(server: Embedded) -> None:
    server.start()
    process = process_of(server)

    with server.running() as address:
        assert process_of(server) == process
        assert query(address, "SELECT 1") == 1

    assert not process.is_running()


@pytest.mark.parametrize("with_children", [True, False])
def test_a_killed_server_recovers_what_was_committed(server: Embedded, with_children: bool) -> None:
    address = server.start()
    query(address, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")

    kill(process_of(server), with_children=with_children)

    with server.running() as address:
        assert query(address, "SELECT count(*) FROM kept") == 1000


def test_a_process_id_reused_by_another_program_is_not_mistaken_for_the_server(server: Embedded) -> None:
    address = server.start()
    query(address, "CREATE TABLE kept AS SELECT 7 AS number")
    kill(process_of(server), with_children=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:  # noqa: S603
        for path in (server.data / "postmaster.pid", server.data / ".s.PGSQL.5432.lock"):
            remains = path.read_text(encoding="utf-8").split("\n", 1)[1]
            path.write_text(f"{stranger.pid}\n{remains}", encoding="utf-8")

        with server.running() as address:
            assert query(address, "SELECT number FROM kept") == 7

        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_two_concurrent_users_share_one_server_and_the_last_one_stops_it(server: Embedded) -> None:
    both_use, first_has_left = threading.Barrier(2), threading.Event()

    def use(*, leaves_first: bool) -> int:
        with Embedded(server.data).running() as address:
            process = process_of(server)
            both_use.wait(timeout=60)
            if not leaves_first:
                assert first_has_left.wait(timeout=60)
            query(address, "SELECT 1")
        first_has_left.set()
        return process.pid

    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda leaves_first: use(leaves_first=leaves_first), [True, False])

    assert first == second
    assert not psutil.pid_exists(first)


def test_a_forked_process_that_leaves_the_block_stops_nothing(server: Embedded) -> None:
    script = (
        "import os, sys; from pathlib import Path; from portal.postgres.embedded import Embedded\n"
        "with Embedded(Path(sys.argv[1])).running():\n"
        "    child = os.fork()\n"
        "    if child == 0: sys.exit()\n"
        "    os.waitpid(child, 0)\n"
        "    assert Embedded(Path(sys.argv[1]))._server()\n"
    )

    subprocess.run([sys.executable, "-c", script, str(server.data)], check=True)  # noqa: S603


def test_a_path_too_long_for_a_socket_gets_a_symbolic_link(tmp_path: Path) -> None:
    server = Embedded(tmp_path / ("long" * 40) / "postgres")

    with server.running() as address:
        assert query(address, "SELECT 1") == 1

    link = Path(str(make_url(address).query["host"]))
    assert link.is_symlink()
    link.unlink()


def test_a_symbolic_link_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    server = Embedded(tmp_path / ("long" * 40) / "postgres")
    link = Path(str(make_url(server.url).query["host"]))
    link.symlink_to(tmp_path)

    with pytest.raises(EmbeddedError, match="must be a symbolic link"), server.running():
        pass

    link.unlink()


def test_data_of_another_major_version_is_refused_in_one_sentence(server: Embedded) -> None:
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("17\n", encoding="ascii")

    with pytest.raises(EmbeddedError, match="was written by PostgreSQL 17"):
        server.start()


def test_an_interrupted_first_start_is_repeated(server: Embedded) -> None:
    unfinished = server.data.with_name("postgres.unfinished")
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").touch()

    with server.running() as address:
        assert query(address, "SELECT 1") == 1
    assert not unfinished.exists()


def test_environment_variables_for_another_postgresql_are_ignored(
    server: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGDATABASE": "other",
        "PGUSER": "other",
    }.items():
        monkeypatch.setitem(os.environ, name, value)

    with server.running() as address:
        assert query(address, "SELECT current_user") == "portal"


def can_connect_without_password(address: str) -> bool:
    """Whether somebody who knows everything but the password can connect."""
    url = make_url(address)
    query = {name: value for name, value in url.query.items() if name != "passfile"}
    try:
        psycopg.connect(url.set(drivername="postgresql", query=query).render_as_string(), passfile="/nowhere").close()
    except psycopg.OperationalError as error:
        assert "password" in str(error)
        return False
    return True


def test_connecting_needs_the_password_which_only_the_servers_account_and_root_can_read(
    server: Embedded,
) -> None:
    with server.running() as address:
        assert not can_connect_without_password(address)
        assert query(address, "SELECT string_agg(type || ' ' || auth_method, ',') FROM pg_hba_file_rules") == (
            "local scram-sha-256"
        )
    passfile = Path(str(make_url(address).query["passfile"])).stat()
    assert passfile.st_mode & 0o777 == 0o600
    assert passfile.st_uid == server.data.stat().st_uid
    assert "password" not in server.url.replace("passfile", "")


def test_another_account_cannot_reach_the_socket(server: Embedded, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o711)
    with server.running():
        socket_path = str(server.data / ".s.PGSQL.5432")

        def connect_as(name: str) -> subprocess.CompletedProcess[str]:
            entry = pwd.getpwnam(name)
            command = [sys.executable, "-c", CONNECT, socket_path, str(entry.pw_uid), str(entry.pw_gid)]
            return subprocess.run(command, capture_output=True, text=True)  # noqa: S603

        assert connect_as(server.data.owner()).returncode == 0
        assert server.data.stat().st_mode & 0o077 == 0
        if IS_ROOT:
            assert "PermissionError" in connect_as(SHARED_ACCOUNT).stderr


def make_legacy(server: Embedded) -> None:
    """Data as earlier versions left it, which trusted everybody who could reach the socket."""
    (server.data / "pg_hba.conf").write_text("local all all trust\n", encoding="ascii")
    (server.data / "portal.passfile").unlink()


def test_data_of_an_earlier_version_is_taken_over_and_gets_a_password(server: Embedded) -> None:
    with server.running() as address:
        query(address, "CREATE TABLE kept AS SELECT 7 AS number")
    make_legacy(server)
    outside = server.data.parent / "outside"
    outside.touch()
    owner = outside.stat().st_uid
    (server.data / "link").symlink_to(outside)
    if IS_ROOT:
        nobody = pwd.getpwnam(SHARED_ACCOUNT)
        Account(nobody.pw_uid, nobody.pw_gid).take_ownership(server.data)
        assert server.data.owner() == SHARED_ACCOUNT

    with server.running() as address:
        assert query(address, "SELECT number FROM kept") == 7
        assert not can_connect_without_password(address)

    assert server.data.owner() == (OWN_ACCOUNT if IS_ROOT else getpass.getuser())
    assert {path.lstat().st_uid for path in server.data.rglob("*")} == {server.data.stat().st_uid}
    assert outside.stat().st_uid == owner


def test_a_running_server_of_an_earlier_version_is_restarted_with_a_password(server: Embedded) -> None:
    server.start()
    make_legacy(server)
    former = process_of(server)

    with server.running() as address:
        assert process_of(server) != former
        assert not can_connect_without_password(address)


def test_a_lost_password_of_the_embedded_server_is_reset(server: Embedded) -> None:
    with server.running():
        pass
    (server.data / "portal.passfile").unlink()
    (server.data / "portal.passfile.new").touch()

    with server.running() as address:
        assert query(address, "SELECT 1") == 1


def test_data_of_another_account_is_refused_in_one_sentence(server: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.running():
        pass
    monkeypatch.setattr(os, "geteuid", lambda: server.data.stat().st_uid + 1)

    with pytest.raises(
        EmbeddedError, match=r"^\S+ belongs to another account: start .* or move .* to start with an empty database\.$"
    ):
        server.start()


def test_root_runs_the_server_as_the_folders_owner_but_never_as_root_or_the_shared_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = [0, 65534, 1000]
    monkeypatch.setattr(Path, "stat", lambda *_, **__: os.stat_result((0o40700, 1, 1, 1, owners[0], 7, 0, 0, 0, 0)))
    known = {SHARED_ACCOUNT: 65534, OWN_ACCOUNT: 999}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: pwd.struct_passwd((name, "x", known[name], 8, "", "/", "/")))
    found = []
    while owners:
        found.append(account_for(tmp_path / "instance" / "postgres"))
        del owners[0]

    assert found == [Account(999, 8), Account(999, 8), Account(1000, 7)]


@pytest.mark.parametrize("program", [None, "/bin/false"])
def test_without_an_account_for_the_server_the_error_names_the_command_to_run(
    program: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", missing)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: program)

    with pytest.raises(EmbeddedError, match=f"run `useradd --system {OWN_ACCOUNT}`, or start the portal as another"):
        postgres_programs._own_account()
