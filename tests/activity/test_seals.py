"""Is the history sealed by itself while the portal runs, once whoever seals, and without giving the key away?"""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from portal.activity import seals
from portal.core.db import command, db
from portal.core.history import Activity
from tests.acting import acting, at_once, portal_on
from tests.cast import Builder
from tests.database import SECRET_KEY, settings_for
from tests.reliability.serving import serving

SEALED = re.compile(r"INFO sealed \d events? of the history\. Seal \d ends at position 2, digest ([0-9a-f]{64})$", re.M)
SEAL_KEY = "a-key-for-seals-alone-0123456789-abcdefg"


def act(app: Flask, name: str, many: int = 1) -> None:
    for number in range(many):
        Builder(app).tenant(f"{name}{number}")


def test_two_that_seal_at_once_seal_each_event_once(fresh_app: Flask) -> None:
    act(fresh_app, "o", 40)

    outcomes = at_once(fresh_app, [seals.seal] * 6)

    with acting(fresh_app):
        assert not [one for one in outcomes if isinstance(one, Exception)]
        assert sum(one for one in outcomes if isinstance(one, int)) + (seals.seal() or 0) == 40
        assert seals.doubts() == []
        assert seals.unsealed() == (0, None)


def test_an_act_while_the_history_is_sealed_waits_for_nothing_and_is_sealed_next(fresh_app: Flask) -> None:
    works = [lambda: seals.seal()] * 2 + [lambda place=place: act(fresh_app, f"o{place}", 20) for place in range(4)]

    outcomes = at_once(fresh_app, works)

    with acting(fresh_app):
        assert not [one for one in outcomes if isinstance(one, Exception)]
        seals.seal()
        assert seals.unsealed() == (0, None)
        assert seals.doubts() == []
        assert db.session.scalar(select(func.count()).select_from(Activity)) == 80


def test_lg4_each_sealing_is_logged_so_that_cutting_it_off_can_be_found(
    fresh_app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="portal")
    act(fresh_app, "o", 3)
    with acting(fresh_app):
        seals.seal()
        newest = seals.head()

    assert newest
    (message,) = caplog.messages
    assert message == f"sealed 3 events of the history. Seal 1 ends at position 3, digest {newest.digest}"
    with acting(fresh_app):
        assert seals.holds(newest.digest)
        assert not seals.holds("00" * 32)


def test_a_database_that_is_away_is_told_in_one_line_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    with portal_on("postgresql+psycopg://nobody@127.0.0.1:1/none") as app:
        seals.seal_at(app, [None, None])

    assert caplog.messages == ["the history was not sealed: OperationalError"] * 2
    assert not [record for record in caplog.records if record.exc_info]


def test_the_tick_after_one_that_failed_seals(
    fresh_app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(fresh_app, "o", 2)
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


def test_nothing_is_sealed_in_the_background_unless_it_is_served(fresh_database: str) -> None:
    with portal_on(fresh_database, seal_seconds=0.01) as app:
        act(app, "o", 2)
        time.sleep(0.1)
        with acting(app):
            assert seals.head() is None


def test_a_portal_that_is_served_seals_by_itself_and_says_so_on_stderr(fresh_database: str, tmp_path: Path) -> None:
    with serving(fresh_database, tmp_path, PORTAL_SEAL_SECONDS="0.1") as run, portal_on(fresh_database) as app:
        act(app, "o", 2)
        deadline = time.monotonic() + 20
        while not (found := SEALED.search(run.printed)) and time.monotonic() < deadline:
            time.sleep(0.05)
        with acting(app):
            newest = seals.head()

    assert found and newest
    assert found[1] == newest.digest
    assert "Traceback" not in run.printed


def test_re13_the_key_is_in_no_error_of_a_sealing_and_in_no_settings(
    fresh_app: Flask, fresh_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    act(fresh_app, "o", 2)
    with portal_on(fresh_database, seal_key=SEAL_KEY) as app:
        with acting(app):
            break_sealing()
        seals.seal_at(app, [None])
        with acting(app), pytest.raises(DBAPIError) as raised:
            seals.seal()
        texts = [caplog.text, str(raised.value), repr(raised.value), repr(app.extensions["portal"])]
    logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)

    key = seals.derived(SEAL_KEY)
    assert "not sealed" in caplog.text
    for secret in (SEAL_KEY, key.hex(), repr(key)[2:-1]):
        assert not [text for text in texts if secret in text]


@command
def break_sealing() -> None:
    db.session.connection().exec_driver_sql("ALTER TABLE activity_seals RENAME TO moved")


def test_keys_are_the_chosen_one_first_and_those_of_former_secrets_behind_it() -> None:
    plain = seals.keys(settings_for("", secret_key_fallbacks=("former",)))
    chosen = seals.keys(settings_for("", seal_key=SEAL_KEY))

    assert plain == [seals.derived(SECRET_KEY), seals.derived("former")]
    assert chosen == [seals.derived(SEAL_KEY), seals.derived(SECRET_KEY)]
    assert {len(key) for key in (*plain, *chosen)} == {32}
