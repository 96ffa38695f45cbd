"""Run an embedded PostgreSQL server: initialize, start or share it, connect, stop."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
import psycopg
from sqlalchemy import URL

from portal.postgres.programs import Account, Programs, account_for
from portal.postgres.programs import EmbeddedError as EmbeddedError

SUPERUSER = "portal"
DATABASE = "portal"
PORT = 5432  # only part of the socket's name: the server listens on no address
SOCKET_PATH_MOST = 100
START_SECONDS = 120
STARTS = 5
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
# Connections use only the socket, with the password from a file in the data directory.
AUTHENTICATION = "local all all scram-sha-256\n"
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Embedded:
    """A PostgreSQL server whose files and socket are in `data`, a directory of mode 0700.

    With `durable=False`, for tests, a power failure may destroy the data.
    """

    data: Path
    durable: bool = True

    @classmethod
    def of(cls, instance: Path) -> Embedded:
        """The installation's own server."""
        return cls(instance / "postgres")

    @property
    def url(self) -> str:
        """The SQLAlchemy URL, even while the server is not running."""
        return self._address(DATABASE).render_as_string()

    def _address(self, database: str) -> URL:
        query = {"host": str(self._socket_directory()), "port": str(PORT), "passfile": str(self._password_file())}
        return URL.create("postgresql+psycopg", username=SUPERUSER, database=database, query=query)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Start the server, or use it if it is running; stop it at the end, unless another process uses it.

        A forked process that leaves the block (a worker of the web server) doesn't stop it.
        """
        starter = os.getpid()
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self._beside(".users").open("a") as users:
            with self._one_at_a_time():
                fcntl.flock(users, fcntl.LOCK_SH)
                self.start()
            try:
                yield self.url
            finally:
                if os.getpid() == starter:
                    self._stop_unless_used(users)

    def _stop_unless_used(self, users: IO[str]) -> None:
        with self._one_at_a_time(), suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.stop()

    def start(self) -> str:
        """Start the server if necessary, and return its URL once it responds. Raises EmbeddedError."""
        account = account_for(self.data)
        programs = Programs.readable_by(account)
        if not self.data.exists():
            self._initialise(programs, account)
        self._take_over(account)
        self._refuse_another_version(programs)
        self._open_short_way()
        if not self._password_file().exists():
            self._set_password(programs, account)
        self._wait_until_it_answers(programs, account)
        self._create_database()
        return self.url

    def stop(self) -> None:
        """Stop the server and all connections to it, if it is running."""
        if (server := self._server()) is None:
            return
        with suppress(psutil.NoSuchProcess):
            server.send_signal(signal.SIGINT)
            server.wait(timeout=START_SECONDS)

    def _initialise(self, programs: Programs, account: Account) -> None:
        """Create the data directory atomically: initialize it under another name, then rename it."""
        unfinished = self._beside(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        account.take_ownership(unfinished)
        arguments = ["--username", SUPERUSER, "--auth-local=reject", "--auth-host=reject"]
        arguments += ["--encoding=UTF8", "--locale=C.UTF-8"]
        if not self.durable:
            arguments.append("--no-sync")
        with account.open(unfinished) as (directory, options):
            done = subprocess.run(  # noqa: S603 -- the wheel's own program
                [programs.initdb, *arguments, "--pgdata", directory],
                capture_output=True,
                text=True,
                **options,
            )
        if done.returncode:
            raise EmbeddedError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        unfinished.rename(self.data)

    def _take_over(self, account: Account) -> None:
        """Take over another account's data, including its running server. Raises EmbeddedError unless run by root."""
        if self.data.stat().st_uid == account.uid:
            return
        if not account.is_own:
            self.stop()
            account.take_ownership(self.data)
            return
        raise EmbeddedError(
            f"{self.data} belongs to another account: start the portal as that account or as root, "
            "or move the directory away to start with an empty database."
        )

    def _set_password(self, programs: Programs, account: Account) -> None:
        """Set the password before anybody can connect, also for data of versions without one. Safe to repeat."""
        self.stop()
        self._disown_process_id()
        password = secrets.token_hex(32)
        with account.open(self.data) as (directory, options):
            del options["stdin"]
            done = subprocess.run(  # noqa: S603 -- the wheel's own program
                [programs.postgres, "--single", "-j", *([] if self.durable else ["-F"]), "-D", directory, "postgres"],
                input=f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'\n\n",
                capture_output=True,
                text=True,
                **options,
            )
        if done.returncode or "ERROR:" in done.stderr:
            raise EmbeddedError(f"PostgreSQL's password can't be set: {done.stderr.strip()}")
        account.write(self.data / "pg_hba.conf", AUTHENTICATION)
        account.write(self._password_file(), f"*:*:*:{SUPERUSER}:{password}\n")

    def _password_file(self) -> Path:
        return self.data.absolute() / "portal.passfile"

    def _refuse_another_version(self, programs: Programs) -> None:
        found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != programs.major:
            raise EmbeddedError(
                f"{self.data} was written by PostgreSQL {found}, but the portal now includes {programs.major}: "
                "dump it with the version that wrote it, or move the directory away to start with an empty database."
            )

    def _wait_until_it_answers(self, programs: Programs, account: Account) -> None:
        """Start the server, and retry while processes of a killed server are still shutting down."""
        deadline = time.monotonic() + START_SECONDS
        process: subprocess.Popen[bytes] | None = None
        starts = 0
        while not self._answers():
            if process is not None and process.poll() is not None:
                process = None
                time.sleep(0.2 * starts)
            if process is None and self._server() is None:
                if starts == STARTS or time.monotonic() > deadline:
                    raise EmbeddedError(f"PostgreSQL does not start:\n{self._end_of_log()}")
                starts += 1
                process = self._spawn(programs, account)
            if time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL did not respond within {START_SECONDS} s:\n{self._end_of_log()}")
            time.sleep(0.05)
        if process is not None:
            process.returncode = 0  # the server outlives this object, which would otherwise warn

    def _spawn(self, programs: Programs, account: Account) -> subprocess.Popen[bytes]:
        """Start the server in a process group of its own, so that a Ctrl-C for the portal doesn't reach it."""
        self._disown_process_id()
        settings = SETTINGS if self.durable else SETTINGS | NOT_DURABLE
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        with account.open(self.data) as (directory, options), self._beside(".log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 -- the wheel's own program
                [programs.postgres, "-D", directory, *arguments],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,
            )

    def _server(self) -> psutil.Process | None:
        """The server that runs on this data. Its process id alone could belong to another program by now."""
        try:
            process = psutil.Process(self._process_id())
            is_server = process.name() == "postgres" and Path(process.cwd()).samefile(self.data)
        except (ValueError, OSError, psutil.Error):
            return None
        return process if is_server and process.status() != psutil.STATUS_ZOMBIE else None

    def _process_id(self) -> int:
        return int(self._process_file().read_text(encoding="utf-8").split("\n", 1)[0])

    def _disown_process_id(self) -> None:
        """Write our own process id into the two files that a killed server left.

        PostgreSQL ignores its parent's id, but still checks whether the killed server's memory is in use, which it
        would not do without the files.
        """
        for path in (self._process_file(), self.data / f".s.PGSQL.{PORT}.lock"):
            with suppress(FileNotFoundError):
                _, newline, rest = path.read_text(encoding="utf-8").partition("\n")
                if newline:
                    path.write_text(f"{os.getpid()}\n{rest}", encoding="utf-8")
                else:  # the server was killed while it wrote the file, which PostgreSQL can't read
                    path.unlink()

    def _process_file(self) -> Path:
        return self.data / "postmaster.pid"

    def _answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self._socket_directory()),
            port=PORT,
            user=SUPERUSER,
            dbname=database,
            passfile=str(self._password_file()),
            autocommit=True,
            connect_timeout=10,
        )

    def _socket_directory(self) -> Path:
        """The data directory, or a short link to it: a socket's path is limited to 107 bytes."""
        data = self.data.absolute()
        if len(os.fsencode(data)) <= SOCKET_PATH_MOST - len(f"/.s.PGSQL.{PORT}"):
            return data
        name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        return Path(f"/tmp/portal-{os.geteuid()}-{name}")  # noqa: S108 -- its owner is checked

    def _open_short_way(self) -> None:
        way, data = self._socket_directory(), self.data.absolute()
        if way == data:
            return
        with suppress(FileExistsError):
            way.symlink_to(data)
        if way.lstat().st_uid != os.geteuid() or not way.is_symlink() or way.readlink() != data:
            raise EmbeddedError(f"{way} must be a symbolic link to {data} that belongs to you; remove it.")

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        with self._beside(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _beside(self, suffix: str) -> Path:
        return self.data.with_name(self.data.name + suffix)

    def _end_of_log(self) -> str:
        return "\n".join(self._beside(".log").read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
