"""The history is sealed automatically while the portal runs, exactly once, without revealing the key.

And does the next seal build only on seals that are as they were made?
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, make_url, select
from sqlalchemy.exc import DBAPIError

from portal.activity import seals
from portal.config import ROOT
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.history import Activity
from portal.web.given import current_settings
from tests.acting import acting, portal_on, run_concurrently
from tests.activity.chain import Owner, act, connected, resign, run, tamper, troubles
from tests.cast import Builder
from tests.cli.test_doctor import diagnose
from tests.database import SECRET_KEY, Server, settings_for
from tests.reliability.serving import serving
from tests.waiting import until

SEALED = re.compile(r"INFO sealed \d events? of the history\. Seal \d ends at position 2, digest ([0-9a-f]{64})$", re.M)
SEAL_KEY = "a-key-for-seals-alone-0123456789-abcdefg"
NEW_KEY = "the-key-after-it-9876543210-zyxwvutsrqpon"
CHANGED, UNKNOWN, REMOVED = "a seal was changed", "an unknown key", "seals were removed"
CHECK = "seals of the history"
CHANGES = {
    "id": "id + 1",
    "sealed_at": "sealed_at - interval '1 microsecond'",
    "snapshot": "'1:1:'",
    "xid": "'1'",
    "last_id": "last_id - 1",
    "seen_at": "seen_at - interval '1 microsecond'",
    "first": "first - 1",
    "last": "last + 1",
    "kept_from": "9",
    "leaves": "sha256(leaves)",
    "key_id": "sha256(key_id)",
    "digest": "sha256(digest)",
}
PRUNED = "INSERT INTO activity (action, changes) VALUES ('prune', '{{\"position\": [1, {}]}}')"
LATER = "INSERT INTO users (email) VALUES (gen_random_uuid() || '@example.com')"
MOVED = "At position 13: start of the history moved without a prune event."


def make(app: Flask, name: str, many: int = 1) -> None:
    for number in range(many):
        Builder(app).tenant(f"{name}{number}")


def test_concurrent_processes_seal_each_event_once(fresh_app: Flask) -> None:
    make(fresh_app, "o", 40)

    outcomes = run_concurrently(fresh_app, [seals.seal] * 6)

    with acting(fresh_app):
        assert not [one for one in outcomes if isinstance(one, Exception)]
        assert sum(one for one in outcomes if isinstance(one, int)) + (seals.seal() or 0) == 40
        assert seals.doubts() == []
        assert seals.unsealed() == (0, None)


def test_a_change_during_sealing_does_not_wait_and_is_sealed_next(fresh_app: Flask) -> None:
    works = [lambda: seals.seal()] * 2 + [lambda place=place: make(fresh_app, f"o{place}", 20) for place in range(4)]

    outcomes = run_concurrently(fresh_app, works)

    with acting(fresh_app):
        assert not [one for one in outcomes if isinstance(one, Exception)]
        seals.seal()
        assert seals.unsealed() == (0, None)
        assert seals.doubts() == []
        assert db.session.scalar(select(func.count()).select_from(Activity)) == 80


def test_lg4_events_sealed_before_origins_had_a_hash_still_verify(fresh_app: Flask, owner: Owner) -> None:
    for former in ("_former", ""):
        owner.execute((ROOT / "migrations" / "versions" / f"0013_origins{former}.sql").read_bytes())
        act(owner, 3, former)
        with acting(fresh_app):
            assert seals.seal() == 3

    assert troubles(fresh_app) == []
    tamper(owner, "UPDATE activity SET address = '192.0.2.1' WHERE id IN (2, 5)")
    assert len(troubles(fresh_app)) == 2


def test_lg4_each_sealing_is_logged_so_that_cutting_it_off_can_be_found(
    fresh_app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="portal")
    make(fresh_app, "o", 3)
    with acting(fresh_app):
        seals.seal()
        newest = seals.head()

    assert newest
    (message,) = caplog.messages
    assert message == f"sealed 3 events of the history. Seal 1 ends at position 3, digest {newest.digest}"
    with acting(fresh_app):
        assert seals.holds(newest.digest)
        assert not seals.holds("00" * 32)


def test_an_unavailable_database_is_logged_in_one_line_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with portal_on("postgresql+psycopg://nobody@127.0.0.1:1/none") as app:
        seals.seal_at(app, [None, None])

    assert caplog.messages == ["the history was not sealed: OperationalError"] * 2
    assert not [record for record in caplog.records if record.exc_info]


def test_the_tick_after_a_failed_one_seals(
    fresh_app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(fresh_app, "o", 2)
    seal, failures = seals.seal, [RuntimeError("unforeseen")]

    def failing_once() -> int | None:
        if failures:
            raise failures.pop()
        return seal()

    monkeypatch.setattr(seals, "seal", failing_once)
    seals.seal_at(fresh_app, [None, None])

    assert "the history was not sealed" in caplog.text
    with acting(fresh_app):
        assert seals.unsealed() == (0, None)


def test_nothing_is_sealed_in_the_background_unless_the_portal_is_served(fresh_database: str) -> None:
    with portal_on(fresh_database, seal_seconds=0.01) as app:
        make(app, "o", 2)
        time.sleep(0.1)
        with acting(app):
            assert seals.head() is None


def test_a_served_portal_seals_automatically_and_logs_it_to_stderr(fresh_database: str, tmp_path: Path) -> None:
    with serving(fresh_database, tmp_path, PORTAL_SEAL_SECONDS="0.1") as run, portal_on(fresh_database) as app:
        make(app, "o", 2)
        until(lambda: SEALED.search(run.printed), "nothing was sealed")
        with acting(app):
            newest = seals.head()
        found = SEALED.search(run.printed)

    assert found and newest
    assert found[1] == newest.digest
    assert "Traceback" not in run.printed


def test_re13_the_seal_key_is_in_no_error_message_and_in_no_repr_of_settings(
    fresh_app: Flask, fresh_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    make(fresh_app, "o", 2)
    with portal_on(fresh_database, seal_key=SEAL_KEY) as app:
        with acting(app):
            break_sealing()
        seals.seal_at(app, [None])
        with acting(app), pytest.raises(DBAPIError) as raised:
            seals.seal()
        texts = [caplog.text, str(raised.value), repr(raised.value), repr(current_settings.of(app))]
    logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)

    key = seals.derived(SEAL_KEY)
    assert "not sealed" in caplog.text
    for secret in (SEAL_KEY, key.hex(), repr(key)[2:-1]):
        assert not [text for text in texts if secret in text]


@command
def break_sealing() -> None:
    db.session.connection().exec_driver_sql("ALTER TABLE activity_seals RENAME TO moved")


def test_the_current_key_comes_before_those_of_former_secrets() -> None:
    plain = seals.keys(settings_for("", secret_key_fallbacks=("former",)))
    chosen = seals.keys(settings_for("", seal_key=SEAL_KEY))

    assert plain == [seals.derived(SECRET_KEY), seals.derived("former")]
    assert chosen == [seals.derived(SEAL_KEY), seals.derived(SECRET_KEY)]
    assert {len(key) for key in (*plain, *chosen)} == {32}


@pytest.fixture(params=["superuser", "plain owner"])
def intruder(request: pytest.FixtureRequest, database_server: Server, fresh_database: str) -> Iterator[Owner]:
    """Somebody whom no trigger stops: a superuser, or the owner of the tables, who disabled the triggers."""
    is_super = request.param == "superuser"
    name = str(make_url(fresh_database).database).split("_")[-1]
    with connected(database_server.address(name, as_owner=not is_super)) as connection:
        if is_super:
            connection.execute("SET session_replication_role = 'replica'")
        else:
            for table in ("activity", "activity_leaves", "activity_seals"):
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only".encode())
        yield connection


@contextmanager
def exchanged(intruder: Owner, number: int, column: str, value: str) -> Iterator[None]:
    """Change a column of a seal for the duration of the block."""
    intruder.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM activity_seals WHERE id = {number}".encode())  # noqa: S608
    changed = intruder.execute(
        f"UPDATE activity_seals SET {column} = {value} WHERE id = {number} RETURNING id".encode()  # noqa: S608
    ).fetchone()
    same = "SELECT count(*) FROM kept k JOIN activity_seals s ON s::text = k::text"
    assert intruder.execute(same).fetchone() == (0,)
    yield
    intruder.execute("DELETE FROM activity_seals WHERE id = %s", changed)
    intruder.execute("INSERT INTO activity_seals TABLE kept")
    intruder.execute("DROP TABLE kept")


def refused(app: Flask, reason: str) -> None:
    """Assert that sealing is refused for that reason, in one sentence, and seals nothing."""
    before = waiting(app)
    result = run(app, "seal")
    assert result.exit_code == 1
    assert re.search(rf"^Error: The history can't be sealed: .*{reason}.*\.$", result.output, re.M), result.output
    assert "Traceback" not in result.output
    assert waiting(app) == before


def waiting(app: Flask) -> int:
    with acting(app):
        return seals.unsealed()[0]


def test_changes_of_every_column_of_a_seal_are_tested(owner: Owner) -> None:
    columns = owner.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'activity_seals'::regclass AND attnum > 0"
    ).fetchall()

    assert {name for (name,) in columns} == set(CHANGES)


@pytest.mark.parametrize("column", CHANGES)
def test_lg4_nothing_is_sealed_while_a_column_of_the_newest_seal_is_changed(
    sealed: Flask, owner: Owner, intruder: Owner, column: str
) -> None:
    act(owner, 2, "later")
    with exchanged(intruder, 3, column, CHANGES[column]):
        for _ in range(2):
            refused(sealed, UNKNOWN if column == "key_id" else CHANGED)

    assert "2 events sealed." in run(sealed, "seal").output
    assert troubles(sealed) == []


@pytest.mark.parametrize("column", CHANGES)
def test_lg4_a_changed_older_seal_does_not_affect_a_new_one(
    sealed: Flask, owner: Owner, intruder: Owner, column: str
) -> None:
    act(owner, 2, "later")
    is_read = column in ("id", "digest")  # the newest seal was made over its digest
    with exchanged(intruder, 2, column, "0" if column == "id" else CHANGES[column]):
        if is_read:
            refused(sealed, CHANGED)
        else:
            assert "2 events sealed." in run(sealed, "seal").output

    assert f"{2 * is_read} events sealed." in run(sealed, "seal").output
    assert troubles(sealed) == []
    assert owner.execute("SELECT max(kept_from) FROM activity_seals").fetchone() == (1,)


def test_lg4_old_events_cannot_be_dropped_by_writing_a_later_start_into_the_newest_seal(
    sealed: Flask, owner: Owner, intruder: Owner
) -> None:
    act(owner, 2, "later")
    with exchanged(intruder, 3, "kept_from", "9"):
        refused(sealed, CHANGED)
        intruder.execute("DELETE FROM activity WHERE id < 9")
        intruder.execute("DELETE FROM activity_leaves WHERE position < 9")
    run(sealed, "seal")

    assert [line for line in troubles(sealed) if "missing" in line] == [
        f"At position {n}: missing." for n in range(1, 9)
    ]


@pytest.mark.parametrize(
    "pruned",
    [
        (),
        (PRUNED.format(8),),
        (PRUNED.format(10),),
        (PRUNED.format('"9"').replace("prune", "update"),),
        ("INSERT INTO activity (action) VALUES ('prune')",),
        ("INSERT INTO activity (action, changes) VALUES ('prune', '[9]')",),
    ],
)
def test_lg4_a_seal_with_a_later_start_but_no_prune_event_is_reported_with_all_missing_events(
    sealed: Flask, owner: Owner, pruned: tuple[str, ...]
) -> None:
    """Such seals could be made before the portal verified the seal that it builds on."""
    for statement in pruned:
        owner.execute(statement.encode())
    act(owner, 1, "later")
    run(sealed, "seal")
    tamper(owner, "UPDATE activity_seals SET kept_from = 9 WHERE id = 4")
    resign(owner)
    assert troubles(sealed) == [MOVED]

    tamper(owner, "DELETE FROM activity WHERE id < 9", "DELETE FROM activity_leaves WHERE position < 9")

    found = troubles(sealed)
    assert MOVED in found
    assert [line for line in found if "missing." in line] == [f"At position {n}: missing." for n in range(1, 9)]


ALTER = "UPDATE activity SET changes = '{\"position\": [1, 9]}' WHERE id = 13"
STRAY = {
    "is in the seal before": ((PRUNED.format(9), "seal", LATER, "seal"), 5),
    "is in the seal after": ((LATER, "seal", PRUNED.format(9), "seal"), 4),
    "is not sealed yet": ((LATER, "seal", PRUNED.format(9)), 4),
    "was changed since": ((PRUNED.format(10), "seal", ALTER), 4),
    "was removed since": ((PRUNED.format(9), "seal", "DELETE FROM activity WHERE id = 13"), 4),
}


@pytest.mark.parametrize("where", STRAY)
def test_lg4_the_start_moves_only_with_an_unchanged_prune_event_in_the_same_seal(
    sealed: Flask, owner: Owner, where: str
) -> None:
    steps, moved = STRAY[where]
    for step in steps:
        if step == "seal":
            run(sealed, "seal")
        else:
            tamper(owner, step)
    tamper(owner, f"UPDATE activity_seals SET kept_from = 9 WHERE id >= {moved}")  # noqa: S608
    resign(owner)

    assert [line for line in troubles(sealed) if "start of the history" in line] == [
        f"At position {moved + 9}: start of the history moved without a prune event."
    ]


def test_lg4_no_seal_moves_the_start_without_its_prune_event(sealed: Flask, owner: Owner) -> None:
    owner.execute(PRUNED.format(8).encode())

    with pytest.raises(psycopg.errors.DataCorrupted, match="prune event missing"):
        owner.execute("SELECT FROM portal_seal_activity(%s, 10, 9)", [[seals.derived(SECRET_KEY)]])

    assert "1 event sealed." in run(sealed, "seal").output


REMOVED_SEALS = {
    "the newest seal": ("DELETE FROM activity_seals WHERE id = 3", REMOVED),
    "the two newest seals": ("DELETE FROM activity_seals WHERE id > 1", REMOVED),
    "all seals": ("DELETE FROM activity_seals", REMOVED),
    "the seal before the newest": ("DELETE FROM activity_seals WHERE id = 2", CHANGED),
    "an inserted seal": (
        "INSERT INTO activity_seals SELECT 4, sealed_at, snapshot, xid, last_id, seen_at, 13, 13, 9, leaves, key_id,"
        " digest FROM activity_seals WHERE id = 3",
        CHANGED,
    ),
    "an inserted seal between two": (
        "UPDATE activity_seals SET id = 4 WHERE id = 3; INSERT INTO activity_seals SELECT 3, sealed_at, snapshot, xid,"
        " last_id, seen_at, first, last, 9, leaves, key_id, digest FROM activity_seals WHERE id = 4",
        CHANGED,
    ),
    "a stranger's seal": (
        "INSERT INTO activity_seals SELECT 4, sealed_at, snapshot, xid, last_id, seen_at, 13, 13, 9, leaves,"
        " sha256(sha256('stranger')), digest FROM activity_seals WHERE id = 3; UPDATE activity_seals s SET digest ="
        " portal_seal_digest('stranger', (SELECT digest FROM activity_seals WHERE id = 3), s) WHERE id = 4",
        UNKNOWN,
    ),
}


@pytest.mark.parametrize("what", REMOVED_SEALS)
def test_lg4_nothing_is_sealed_after_a_removed_or_inserted_seal(
    sealed: Flask, owner: Owner, intruder: Owner, what: str
) -> None:
    act(owner, 2, "later")
    statements, reason = REMOVED_SEALS[what]
    intruder.execute("CREATE TEMP TABLE kept AS SELECT * FROM activity_seals")
    intruder.execute(statements.encode())

    refused(sealed, reason)
    intruder.execute("DELETE FROM activity_seals")
    intruder.execute("INSERT INTO activity_seals TABLE kept")

    assert "2 events sealed." in run(sealed, "seal").output
    assert troubles(sealed) == []


@pytest.mark.parametrize("column", ["key_id", "kept_from"])
def test_re13_other_keys_of_the_portal_do_not_verify_a_seal(
    sealed: Flask, owner: Owner, intruder: Owner, fresh_database: str, column: str
) -> None:
    """Keys can still be rotated while the newest seal was made with the former key."""
    act(owner, 2, "later")
    new_id = "sha256(sha256('\\x" + seals.derived(NEW_KEY).hex() + "'::bytea))"
    with portal_on(fresh_database, secret_key=NEW_KEY, secret_key_fallbacks=(SECRET_KEY,)) as app:
        with exchanged(intruder, 3, column, new_id if column == "key_id" else "9"):
            refused(app, CHANGED)
        assert "2 events sealed." in run(app, "seal").output
        act(owner, 1, "last")
        assert "1 event sealed." in run(app, "seal").output
        assert troubles(app) == []
    with portal_on(fresh_database, secret_key=NEW_KEY) as app:
        assert "0 events sealed." in run(app, "seal").output


def test_re13_a_new_key_seals_nothing_until_the_former_one_is_configured_as_a_fallback(
    sealed: Flask, owner: Owner, fresh_database: str
) -> None:
    act(owner, 2, "later")
    with portal_on(fresh_database, secret_key=NEW_KEY) as app:
        refused(app, UNKNOWN)
        assert re.match(rf"no  seals of the history: nothing .* because .*{UNKNOWN}", diagnose(app, CHECK).output)
    with portal_on(fresh_database, secret_key=NEW_KEY, secret_key_fallbacks=(SECRET_KEY,)) as app:
        assert "2 events sealed." in run(app, "seal").output


def test_the_doctor_reports_why_nothing_can_be_sealed(sealed: Flask, intruder: Owner) -> None:
    for column, value, reason in (("kept_from", "9", CHANGED), ("key_id", "'x'", UNKNOWN)):
        with exchanged(intruder, 3, column, value):
            result = diagnose(sealed, CHECK)
        assert result.exit_code == 1
        assert re.match(rf"no  seals of the history: nothing can be sealed because .*{reason}", result.output)


def test_lg4_refused_background_sealing_logs_one_error_and_the_next_tick_tries_again(
    sealed: Flask, owner: Owner, intruder: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    act(owner, 2, "later")
    with exchanged(intruder, 3, "kept_from", "9"):
        seals.seal_at(sealed, [None, None])
    assert caplog.messages == [f"the history was not sealed: {seals.REFUSALS['seal changed']}"] * 2
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert not [record for record in caplog.records if record.exc_info]

    seals.seal_at(sealed, [None])
    assert waiting(sealed) == 0


def test_an_operator_can_seal_after_a_broken_seal_and_verifying_keeps_reporting_it(
    sealed: Flask, owner: Owner, intruder: Owner
) -> None:
    intruder.execute("UPDATE activity_seals SET kept_from = 9, snapshot = '900:900:' WHERE id = 3")
    act(owner, 2, "later")
    refused(sealed, CHANGED)

    assert "2 events sealed." in run(sealed, "seal", "--force").output
    act(owner, 1, "last")
    assert "1 event sealed." in run(sealed, "seal").output
    assert troubles(sealed) == ["At position 9: seal changed."]
    tamper(owner, "DELETE FROM activity WHERE id = 2", "UPDATE activity SET action = 'remove' WHERE id = 13")
    assert [line.split(" (")[0] for line in troubles(sealed)] == ["Event 2", "At position 9: seal changed.", "Event 13"]


def test_an_operator_can_seal_after_removed_seals_and_verifying_keeps_reporting_them(
    sealed: Flask, owner: Owner, intruder: Owner
) -> None:
    intruder.execute("DELETE FROM activity_seals WHERE id = 3")
    act(owner, 2, "later")
    refused(sealed, REMOVED)

    assert "2 events sealed." in run(sealed, "seal", "--force").output
    assert "0 events sealed." in run(sealed, "seal").output
    assert "At position 13: seal missing." in troubles(sealed)


def test_nothing_is_pruned_if_the_chain_changes_after_it_was_verified(
    sealed: Flask, owner: Owner, intruder: Owner
) -> None:
    ages = {number: f"timestamptz '{now() - timedelta(days=days)}'" for number, days in ((1, 99), (2, 1))}
    tamper(owner, f"UPDATE activity_seals SET sealed_at = {ages[1]} WHERE id = 1")  # noqa: S608
    resign(owner)
    with exchanged(intruder, 2, "sealed_at", ages[1]), acting(sealed), pytest.raises(seals.SealRefused):
        seals.prune(90)
    with acting(sealed):
        assert seals.prune(90) == 4
    assert troubles(sealed) == []


def test_nothing_is_pruned_if_that_would_leave_no_event(sealed: Flask, owner: Owner) -> None:
    at = f"timestamptz '{now() - timedelta(days=99)}'"
    tamper(owner, f"UPDATE activity_seals SET sealed_at = {at} WHERE id = 1")  # noqa: S608
    resign(owner)
    owner.execute("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    owner.execute(
        "CREATE TRIGGER swallow BEFORE INSERT ON activity FOR EACH ROW WHEN (NEW.action = 'prune')"
        " EXECUTE FUNCTION swallow()"
    )

    result = run(sealed, "prune", "--older-than", "90", "--yes")

    assert result.exit_code == 1
    assert "The history can't be sealed: pruning left no event" in result.output
