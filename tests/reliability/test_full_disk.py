"""What people see while the database's disk is full, and the recovery once there is room."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.core.actor import Role
from portal.core.db import db
from portal.core.history import Activity
from portal.organizations.models import Organization
from portal.postgres.embedded import Embedded
from tests.acting import acting, portal_on
from tests.cast import Builder, page_client
from tests.database import migrate
from tests.pages import PageClient

MOST = 2_000  # rows that use up the last free page of every table
NAME = "n" * 100


@pytest.fixture
def server(small_disk: Path) -> Iterator[Embedded]:
    """A PostgreSQL with its tables on the small disk and its write-ahead log elsewhere, as operators are advised."""
    server = Embedded(small_disk / "postgres", durable=False)
    migrate(server.start())
    server.stop()
    with tempfile.TemporaryDirectory(prefix="portal-test-") as elsewhere:
        Path(elsewhere).chmod(0o711)
        move_log(server.data, Path(elsewhere) / "pg_wal")
        server.start()
        yield server
        server.stop()


def move_log(data: Path, there: Path) -> None:
    owner = data.stat()
    shutil.move(data / "pg_wal", there)
    (data / "pg_wal").symlink_to(there)
    for path in (there, *there.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leave no free byte on the disk within the block."""
    ballast = folder / "ballast"
    size = 1 << 20
    with ballast.open("wb", buffering=0) as stream:
        while size:
            try:
                stream.write(b"\0" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                size //= 2
    try:
        yield
    finally:
        ballast.unlink()


def test_re7_with_a_full_disk_writes_are_503_reads_work_and_free_space_is_enough_to_recover(
    server: Embedded, small_disk: Path
) -> None:
    with portal_on(server.url) as app:
        root = Builder(app).person("root@example.com", role=Role.SUPER_ADMIN)
        client = page_client(app, root)
        fields = client.form("/organizations/new")

        def write(number: int) -> int:
            values = {"name": NAME, "slug": f"made-{number}", "row_key": ""}
            return client.post("/organizations/new", data={**fields, **values, **new_form(client)}).status_code

        with filled(small_disk):
            made = 0
            while (status := write(made)) == 303 and made < MOST:
                made += 1
            reads = [client.get(path).status_code for path in ("/organizations/", "/users/", "/activity/", "/account/")]
            again = write(made)
        after = write(made)

        assert (status, again) == (503, 503)
        assert reads == [200, 200, 200, 200]
        assert after == 303
        assert counts(app) == (made + 1, made + 1)


def new_form(client: PageClient) -> dict[str, str]:
    """The fields of a form that was just opened, including the row id."""
    fields = client.form("/organizations/new")
    return {name: value for name, value in fields.items() if name not in ("name", "slug")}


def counts(app: Flask) -> tuple[int, int]:
    """How many organizations there are, and how many events record their creation."""
    with acting(app):
        made = select(func.count(Activity.id)).where(
            Activity.table_name == "organizations", Activity.action == "create"
        )
        return db.session.scalar(select(func.count(Organization.id))) or 0, db.session.scalar(made) or 0
