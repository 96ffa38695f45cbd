"""Operators seal the history, learn exactly what was tampered with, and prune old events."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask

from portal.activity import seals
from portal.core.clock import now
from tests.acting import portal_on
from tests.activity.chain import ALL, Owner, act, connected, resign, run, tamper, troubles
from tests.database import SECRET_KEY

NEW_KEY = "the-key-after-it-9876543210-zyxwvutsrqpon"


def test_sealing_reports_the_number_of_events_and_the_newest_seal(fresh_app: Flask, owner: Owner) -> None:
    act(owner, 3)

    first, second = run(fresh_app, "seal"), run(fresh_app, "seal")

    assert re.fullmatch(r"3 events sealed\.\nSeal 1 ends at position 3, digest [0-9a-f]{64}\.\n", first.output)
    assert second.output == first.output.replace("3 events", "0 events")


def test_sealing_an_empty_history_succeeds(fresh_app: Flask) -> None:
    result = run(fresh_app, "seal")

    assert (result.exit_code, result.output) == (0, "0 events sealed.\nNothing is sealed yet.\n")


@pytest.mark.parametrize("many", [0, 2])
def test_lg4_verifying_an_unsealed_history_does_not_report_success(fresh_app: Flask, owner: Owner, many: int) -> None:
    act(owner, many)

    result = run(fresh_app, "verify")

    assert result.exit_code == 3
    assert result.output.startswith("Nothing is sealed yet.\n")
    assert ("2 events since" in result.output) == bool(many)
    assert result.output.endswith("Nothing can be verified. Run `flask activity seal` first.\n")


def test_sealing_while_another_process_seals_has_its_own_message_and_exit_code(fresh_app: Flask, owner: Owner) -> None:
    act(owner, 1)
    with owner.transaction():
        owner.execute("SELECT pg_advisory_xact_lock(hashtext('portal_seal_activity'))")
        meanwhile, pruning = run(fresh_app, "seal"), run(fresh_app, "prune", "--older-than", "1", "--yes")

    assert (meanwhile.exit_code, pruning.exit_code) == (3, 1)
    for result in (meanwhile, pruning):
        assert "Another process is sealing the history" in result.output
    assert run(fresh_app, "seal").output.startswith("1 event sealed.\n")


def test_lg4_verifying_reports_since_when_events_are_unsealed(sealed: Flask, owner: Owner) -> None:
    whole = run(sealed, "verify")
    act(owner, 2, "late")
    waiting = run(sealed, "verify")

    assert (whole.exit_code, waiting.exit_code) == (0, 0)
    assert "not sealed yet" not in whole.output
    assert re.search(r"^2 events since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC are not sealed yet\.$", waiting.output, re.M)
    assert waiting.output.endswith(ALL)


COPIED = "(SELECT xid FROM activity WHERE id = 2)"
INSERTED = "INSERT INTO activity (id, action) OVERRIDING SYSTEM VALUE VALUES"
FORGED = "INSERT INTO activity (action, xid) VALUES"
COPIES = ("activity SET address = '192.0.2.1' WHERE id", "operations SET address = '192.0.2.1' WHERE event_id")
TAMPERED = {
    "an action": (["UPDATE activity SET action = 'remove' WHERE id = 6"], [r"Event 6 \(position 6, .*remove.*changed"]),
    "values": (["UPDATE activity SET changes = '{}' WHERE id = 6"], [r"Event 6 .*: changed\."]),
    "values with their hash": (
        [
            "UPDATE activity SET changes = '{}' WHERE id = 6",
            "UPDATE activity_leaves l SET values_hash = portal_activity_values(salt, a, origin_hash) FROM activity a"
            " WHERE a.id = 6 AND activity_id = 6",
        ],
        [r"Event 6 .*: changed\."],
    ),
    "an event with a leaf made with another key": (
        [
            "UPDATE activity SET action = 'remove' WHERE id = 6",
            "UPDATE activity_leaves l SET leaf = portal_activity_leaf('guessed', position, a, values_hash, NULL, NULL)"
            " FROM activity a WHERE a.id = 6 AND activity_id = 6",
        ],
        [r"At position 5: seal broken", r"Event 6 .*: changed\."],
    ),
    "a removed event": (["DELETE FROM activity WHERE id = 6"], [r"Event 6 \(position 6\): removed\."]),
    "a removed event with its leaf": (
        ["DELETE FROM activity WHERE id = 6", "DELETE FROM activity_leaves WHERE activity_id = 6"],
        [r"At position 5: seal broken", r"At position 6: missing\.", r"Event 6 .*: operation without its event\."],
    ),
    "the last event of a seal with its leaf": (
        ["DELETE FROM activity WHERE id = 8", "DELETE FROM activity_leaves WHERE activity_id = 8"],
        [r"At position 5: seal broken", r"At position 8: missing\.", r"Event 8 .*: operation without its event\."],
    ),
    "a leaf": (
        ["DELETE FROM activity_leaves WHERE activity_id = 6"],
        [r"At position 5: seal broken", r"At position 6: missing", r"Event 6 \(not sealed, .*: inserted\."],
    ),
    "a replaced event": (
        ["DELETE FROM activity WHERE id = 6", f"{INSERTED} (6, 'create')"],
        [r"Event 6 .*: changed\."],
    ),
    "two events in each other's place": (
        [
            "UPDATE activity SET id = 99 WHERE id = 6",
            "UPDATE activity SET id = 6 WHERE id = 7",
            "UPDATE activity SET id = 7 WHERE id = 99",
        ],
        [r"Event 6 .*: changed\.", r"Event 7 .*: changed\."],
    ),
    "two leaves in each other's place": (
        [
            "UPDATE activity_leaves SET activity_id = 99 WHERE position = 6",
            "UPDATE activity_leaves SET activity_id = 6 WHERE position = 7",
            "UPDATE activity_leaves SET activity_id = 7 WHERE position = 6",
        ],
        [r"Event 7 \(position 6.*: changed\.", r"Event 6 \(position 7.*: changed\."],
    ),
    "an event with an old number": (
        ["DELETE FROM activity WHERE id = 6", f"{INSERTED} (0, 'create')"],
        [r"Event 6 \(position 6\): removed\.", r"Event 0 \(not sealed, .*create\): inserted\."],
    ),
    "an event with an old transaction": (
        [f"{FORGED} ('create', {COPIED})"],
        [r"Event 13 \(not sealed, .*create\): inserted\."],
    ),
    "an event with an old time": (
        ["INSERT INTO activity (action, at) VALUES ('create', now() - interval '1 year')"],
        [r"Event 13 \(not sealed, .*create\): inserted\."],
    ),
    "a removed seal": (
        ["DELETE FROM activity_seals WHERE id = 2"],
        [
            *(rf"Event {number} \(position {number}, .*: not in any seal\." for number in range(5, 9)),
            r"At position 9: seal changed\.",
            r"At position 9: seal missing\.",
        ],
    ),
    "a seal of nothing": (
        ["UPDATE activity_seals SET snapshot = '1:1:' WHERE id = 3", f"{FORGED} ('create', {COPIED})"],
        [r"At position 9: seal changed\."],
    ),
    "a seal of a stranger that says all before it was pruned": (
        [
            "INSERT INTO activity_seals SELECT id + 1, sealed_at, snapshot, xid, last_id, seen_at, 13, 13, 14, leaves,"
            " 'stranger', digest FROM activity_seals WHERE id = 3",
            "UPDATE activity SET action = 'remove' WHERE id = 2",
        ],
        [r"Event 2 .*: changed\.", r"At position 13: key unknown\."],
    ),
    "events said to be pruned": (
        ["DELETE FROM activity WHERE id < 5", "DELETE FROM activity_leaves WHERE position < 5",
         "DELETE FROM operations WHERE event_id < 5",
         "UPDATE activity_seals SET kept_from = 5",
         "INSERT INTO activity (action, changes) VALUES ('prune', '{\"position\": [1, 5]}')"],
        [r"At position 1: seal broken\.", *(rf"At position {first}: seal changed\." for first in (1, 5, 9))],
    ),
    "an origin": (
        [f"UPDATE {one} = 6" for one in COPIES],  # noqa: S608
        [r"Event 6 .*: changed\."],
    ),
    "the origin of an operation": (
        ["UPDATE operations SET address = '192.0.2.1' WHERE event_id = 6"],
        [r"Event 6 .*: operation changed\."],
    ),
    "an origin emptied like an erasure": (
        ["UPDATE activity_leaves SET origin_salt = NULL WHERE activity_id = 6"],
        [r"Event 6 .*: emptied without an event that erased its values\."],
    ),
    "values with a hash as before origins had one": (
        [
            "UPDATE activity SET changes = '{}' WHERE id = 6",
            "UPDATE activity_leaves l SET origin_hash = NULL, origin_salt = NULL,"
            " values_hash = portal_activity_values(salt, a, NULL) FROM activity a WHERE a.id = 6 AND activity_id = 6",
        ],
        [r"Event 6 .*: changed\."],
    ),
    "values emptied like an erasure": (
        [
            "UPDATE activity SET changes = NULL, address = NULL, agent = NULL WHERE id = 6",
            "UPDATE activity_leaves SET salt = NULL WHERE activity_id = 6",
        ],
        [r"Event 6 .*: emptied without an event that erased its values\."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_lg4_tampering_by_the_owner_is_reported(sealed: Flask, owner: Owner, what: str) -> None:
    statements, expected = TAMPERED[what]
    tamper(owner, *statements)

    found = troubles(sealed)

    assert len(found) == len(expected), found
    for line, pattern in zip(found, expected, strict=True):
        assert re.match(pattern, line), found


@pytest.mark.parametrize("what", ["an event with an old number", "an event with an old time"])
def test_lg4_an_inserted_event_is_reported_even_after_it_was_sealed(sealed: Flask, owner: Owner, what: str) -> None:
    tamper(owner, TAMPERED[what][0][-1])
    assert "1 event sealed." in run(sealed, "seal").output

    (line,) = troubles(sealed)

    assert re.match(r"Event (0|13) \(position 13, .*create\): inserted before it was sealed\.", line)


@pytest.mark.parametrize("seal", [1, 2, 3])
def test_lg4_an_event_with_the_number_of_a_sealing_transaction_is_reported(
    sealed: Flask, owner: Owner, seal: int
) -> None:
    tamper(owner, f"{FORGED} ('create', (SELECT xid FROM activity_seals WHERE id = {seal}))")  # noqa: S608

    (line,) = troubles(sealed)

    assert re.match(r"Event 13 \(not sealed, .*create\): inserted\.", line)


@pytest.mark.parametrize(
    "xid", ["pg_current_xact_id()", "(SELECT xid FROM undone)", "(SELECT xid FROM activity_seals WHERE id = 4)"]
)
def test_lg4_an_event_in_a_gap_left_by_a_rollback_is_reported(sealed: Flask, owner: Owner, xid: str) -> None:
    owner.execute("CREATE TEMP TABLE undone (xid xid8)")
    with owner.transaction(force_rollback=True):
        act(owner, 1, "undone")
        row = owner.execute("SELECT pg_current_xact_id()::text").fetchone()
    owner.execute("INSERT INTO undone SELECT %s::xid8", row)
    act(owner, 1, "later")
    run(sealed, "seal")
    assert owner.execute("SELECT max(id) FROM activity").fetchone() == (14,)

    tamper(owner, f"INSERT INTO activity (id, action, xid) OVERRIDING SYSTEM VALUE VALUES (13, 'create', {xid})")  # noqa: S608

    (line,) = troubles(sealed)
    assert re.match(r"Event 13 \(not sealed, .*create\): inserted\.", line)


INVENTED = (
    "INSERT INTO operations (id, at, event_id, database_user, action, times, events, counts, actions, fields, row_ids)"
    " VALUES (gen_random_uuid(), now(), {}, 'x', 'remove', 1, 1, '{{}}', '{{}}', '{{}}', '{{}}')"
)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM operations WHERE event_id = 6",
        "UPDATE operations SET events = 2 WHERE event_id = 6",
        "UPDATE operations SET actor_id = gen_random_uuid() WHERE event_id = 6",
        "UPDATE operations SET organization_id = gen_random_uuid() WHERE event_id = 6",
        "UPDATE operations SET names = '{Somebody else}' WHERE event_id = 6",
        "UPDATE operations SET search_text = '' WHERE event_id = 6",
        "UPDATE operations SET event_id = 7 WHERE event_id = 6",
        INVENTED.format(6),
    ],
)
def test_lg4_changing_an_operation_is_detected_because_it_is_sealed_with_its_first_event(
    sealed: Flask, owner: Owner, statement: str
) -> None:
    tamper(owner, statement)

    found = [line.split(" (")[0] for line in troubles(sealed)]

    assert found == (["Event 6", "Event 7"] if "event_id = 7" in statement else ["Event 6"])


def test_lg4_an_operation_without_an_event_is_reported(sealed: Flask, owner: Owner) -> None:
    tamper(
        owner,
        INVENTED.format(99),
    )

    assert troubles(sealed) == ["Event 99 (not sealed): operation without its event."]


def test_lg4_an_event_with_the_number_of_an_old_transaction_is_never_sealed(sealed: Flask, owner: Owner) -> None:
    tamper(owner, f"{FORGED} ('create', {COPIED})")

    assert "0 events sealed." in run(sealed, "seal").output
    assert len(troubles(sealed)) == 1


def test_lg4_closing_the_gap_of_a_removed_event_is_reported_at_its_position_first(sealed: Flask, owner: Owner) -> None:
    tamper(owner, "DELETE FROM activity WHERE id = 6", "DELETE FROM activity_leaves WHERE activity_id = 6")
    for position in range(7, 13):
        tamper(owner, f"UPDATE activity_leaves SET position = {position - 1} WHERE position = {position}")  # noqa: S608
    tamper(owner, "UPDATE activity_leaves SET seal_id = 2 WHERE position = 8")

    assert re.match(r"Event 7 \(position 6, ", troubles(sealed)[1])


def test_lg4_removing_the_newest_seals_is_detected_with_the_digest_from_the_log(sealed: Flask, owner: Owner) -> None:
    digest = run(sealed, "seal").output.strip().rstrip(".").split()[-1]
    assert run(sealed, "verify", "--head", digest).exit_code == 0

    tamper(
        owner,
        "DELETE FROM activity WHERE id > 8",
        "DELETE FROM activity_leaves WHERE position > 8",
        "DELETE FROM operations WHERE event_id > 8",
        "DELETE FROM activity_seals WHERE id = 3",
    )

    assert troubles(sealed) == []
    cut = run(sealed, "verify", "--head", digest.upper())
    assert cut.exit_code == 1
    assert f"No seal has the digest {digest}: the newest seals were removed." in cut.output
    assert run(sealed, "verify", "--head", "nonsense").exit_code == 2


def every_kind_of_event(owner: Owner) -> None:
    """Events that together fill every column."""
    for name in ("organization_id", "actor_id"):
        owner.execute("SELECT set_config(%s, gen_random_uuid()::text, false)", [f"portal.{name}"])
    told = {"actor_role": "ADMIN", "address": "192.0.2.7", "agent": "Browser", "request_id": "f00", "undoes": "3"}
    for name, value in told.items():
        owner.execute("SELECT set_config(%s, %s, false)", [f"portal.{name}", value])
    owner.execute("INSERT INTO organizations (name, slug) SELECT 'O' || n, 'o' || n FROM generate_series(1, 20) n")
    owner.execute(
        "INSERT INTO users (email, organization_id)"
        " SELECT 'p' || row_number() OVER () || '@example.com', id FROM organizations, generate_series(1, 5)"
    )
    owner.execute("UPDATE users SET first_name = 'Ada', is_active = false")
    owner.execute("DELETE FROM users WHERE starts_with(email, 'p1')")


def changed(value: str, kind: str, source: random.Random) -> str:
    """The value with one byte changed."""
    if kind == "boolean":
        return "f" if value == "t" else "t"
    start = 2 if kind == "bytea" else 0
    place = source.randrange(start, len(value))
    alphabet = "0123456789abcdef" if kind in ("bytea", "uuid") else "0123456789" if value[place].isdigit() else "xyz"
    return value[:place] + source.choice(alphabet) + value[place + 1 :]


def test_lg4_each_of_a_thousand_single_byte_changes_is_detected(fresh_app: Flask, owner: Owner) -> None:
    every_kind_of_event(owner)
    for _ in range(3):
        owner.execute("UPDATE users SET first_name = first_name || 'a' WHERE starts_with(email, 'p2')")
        run(fresh_app, "seal")
    assert troubles(fresh_app) == []
    source = random.Random(7)  # noqa: S311 -- the same each time
    keys = {"activity": "id", "operations": "event_id", "activity_leaves": "position", "activity_seals": "id"}
    missed, tried = [], dict.fromkeys(keys, 0)
    owner.execute("SET portal.retention = 'on'")
    while sum(tried.values()) < 1000:
        table = source.choices(list(keys), [4, 3, 3, 2])[0]
        outcome = change_one_byte(owner, table, keys[table], source)
        if outcome is not None:
            tried[table] += 1
            missed += [] if outcome[1] else [outcome[0]]

    assert missed == []
    assert min(tried.values()) > 100


def change_one_byte(owner: Owner, table: str, key: str, source: random.Random) -> tuple[Any, bool] | None:
    """What was changed, and whether verifying reports it; None if the change has no effect or is not a valid value."""
    columns = owner.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0",
        [table],
    ).fetchall()
    column, kind = source.choice(columns)
    found = owner.execute(
        f"SELECT {key}, {column}::text FROM {table} WHERE {column} IS NOT NULL ORDER BY random() LIMIT 1".encode()  # noqa: S608
    ).fetchone()
    if found is None or found[1] == "":
        return None
    number, value = found
    try:
        with owner.transaction(force_rollback=True):
            done = owner.execute(
                f"UPDATE {table} SET {column} = %(new)s::{kind}"  # noqa: S608
                f" WHERE {key} = %(key)s AND {column}::text <> %(new)s::{kind}::text".encode(),
                {"new": changed(value, kind, source), "key": number},
            )
            if not done.rowcount:
                return None
            query = "SELECT event_id, at_position FROM portal_verify_activity(%s)"
            named = owner.execute(query, [[seals.derived(SECRET_KEY)]]).fetchall()
    except (psycopg.DataError, psycopg.IntegrityError):
        return None
    place = {"activity": 0, "operations": 0, "activity_leaves": 1}.get(table)
    is_found = bool(named) if place is None else number in [row[place] for row in named]
    return (table, column, number, value), is_found


def test_lg4_a_transaction_that_commits_late_is_sealed_later_without_a_false_alarm(
    fresh_app: Flask, owner: Owner, fresh_database: str
) -> None:
    with connected(fresh_database) as late:
        with late.transaction():
            act(late, 1, "late")
            act(owner, 2, "early")
            assert "2 events sealed." in run(fresh_app, "seal").output
            assert troubles(fresh_app) == []
        assert troubles(fresh_app) == []
        assert "1 event sealed." in run(fresh_app, "seal").output

    assert troubles(fresh_app) == []
    act(owner, 1, "last")
    run(fresh_app, "seal")
    assert troubles(fresh_app) == []


def begin_late(owner: Owner, late: Owner) -> None:
    """Begin a transaction after the owner's, whose event is earlier."""
    owner.execute("SELECT pg_current_xact_id()")
    late.execute("BEGIN")
    act(late, 1, "late")
    act(owner, 1, "early")


def test_lg4_a_later_transaction_with_an_earlier_event_is_sealed_later_without_a_false_alarm(
    fresh_app: Flask, owner: Owner, fresh_database: str
) -> None:
    """When the first seal is made, no transaction after the late one has ended, so no snapshot contains it."""
    with connected(fresh_database) as late:
        with owner.transaction():
            begin_late(owner, late)
        assert "1 event sealed." in run(fresh_app, "seal").output
        late.execute("COMMIT")

    assert troubles(fresh_app) == []
    assert "1 event sealed." in run(fresh_app, "seal").output
    assert troubles(fresh_app) == []


def test_lg4_sealing_after_a_write_in_the_same_transaction_raises_no_false_alarm(
    fresh_app: Flask, owner: Owner, fresh_database: str
) -> None:
    with connected(fresh_database) as late:
        with owner.transaction():
            begin_late(owner, late)
            owner.execute("SELECT FROM portal_seal_activity(%s, 10)", [[seals.derived(SECRET_KEY)]])
        late.execute("COMMIT")

    assert troubles(fresh_app) == []
    assert "1 event sealed." in run(fresh_app, "seal").output
    assert troubles(fresh_app) == []


def test_lg4_a_backlog_larger_than_a_batch_is_sealed_completely(
    fresh_app: Flask, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "BATCH", 10)
    act(owner, 25)

    assert "25 events sealed.\nSeal 3 ends at position 25," in run(fresh_app, "seal").output
    act(owner, 1, "last")
    assert "1 event sealed." in run(fresh_app, "seal").output
    assert troubles(fresh_app) == []


def test_lg4_erasing_values_is_not_tampering_but_filling_them_in_again_is(sealed: Flask, owner: Owner) -> None:
    owner.execute("UPDATE users SET first_name = 'Ada' WHERE email = 'p11@example.com'")
    run(sealed, "seal")
    person = owner.execute("SELECT row_id FROM activity WHERE id = 13").fetchone()
    assert person

    erased = owner.execute("SELECT portal_erase_activity('users', %s)", person).fetchone()

    assert erased == (2,)
    assert owner.execute("SELECT count(*) FROM activity WHERE changes::text LIKE '%Ada%'").fetchone() == (0,)
    assert troubles(sealed) == []
    run(sealed, "seal")
    assert troubles(sealed) == []
    tamper(owner, "UPDATE activity SET agent = 'put back' WHERE id = 6")
    (line,) = troubles(sealed)
    assert re.match(r"Event 6 .*: filled in after its values were erased\.", line)


def test_lg4_removing_a_person_whose_values_were_erased_is_not_tampering_but_emptying_that_event_is(
    sealed: Flask, owner: Owner
) -> None:
    row = owner.execute("SELECT row_id FROM activity WHERE id = 6").fetchone()
    owner.execute("SELECT portal_erase_activity('users', %s)", row)
    owner.execute("DELETE FROM users WHERE id = %s", row)
    assert troubles(sealed) == []
    run(sealed, "seal")
    assert troubles(sealed) == []

    tamper(
        owner,
        "UPDATE activity SET changes = NULL, address = NULL, agent = NULL WHERE action = 'remove'",
        "UPDATE activity_leaves SET salt = NULL FROM activity a WHERE a.id = activity_id AND a.action = 'remove'",
    )

    (line,) = troubles(sealed)
    assert re.match(r"Event 14 .* remove users .*: emptied without an event that erased its values\.", line)
    owner.execute("SELECT portal_erase_activity('users', %s)", row)
    assert troubles(sealed) == []


def test_erasing_a_person_empties_operations_that_name_them_but_no_events_about_others(
    sealed: Flask, owner: Owner
) -> None:
    owner.execute(
        "UPDATE users SET first_name = 'Ada ' || left(email, 2) WHERE email IN ('p01@example.com', 'p11@example.com')"
    )
    owner.execute("UPDATE users SET first_name = 'Bea' WHERE email = 'p21@example.com'")
    run(sealed, "seal")
    (erased,) = owner.execute("SELECT id FROM users WHERE email = 'p11@example.com'").fetchone() or (None,)

    owner.execute("SELECT portal_erase_activity('users', %s)", [erased])

    rest = (
        "SELECT count(*) FROM operations o WHERE %s = ANY (row_ids) AND num_nonnulls(changes, names, search_text) > 0"
    )
    assert owner.execute(rest.replace("%s", f"'{erased}'").encode()).fetchone() == (0,)
    kept = owner.execute("SELECT changes FROM activity WHERE id > 12 AND changes IS NOT NULL ORDER BY id").fetchall()
    assert [one["first_name"][1] for (one,) in kept] == ["Ada p0", "Bea"]
    assert owner.execute("SELECT count(*) FROM operations WHERE 'Bea' = ANY (names)").fetchone() == (1,)
    assert troubles(sealed) == []
    run(sealed, "seal")
    assert troubles(sealed) == []
    tamper(owner, "UPDATE operations SET names = '{put back}' WHERE event_id < 13 AND names IS NULL")
    (line,) = troubles(sealed)
    assert re.match(r"Event \d+ .*: operation filled in after its values were erased\.", line)


def test_lg4_emptying_an_operation_without_an_erase_event_is_tampering(sealed: Flask, owner: Owner) -> None:
    tamper(
        owner,
        "UPDATE operations SET changes = NULL, names = NULL, search_text = NULL WHERE event_id = 6",
        "UPDATE activity_leaves SET operation_salt = NULL WHERE activity_id = 6",
    )

    (line,) = troubles(sealed)
    assert re.match(r"Event 6 .*: operation emptied without an event that erased its values\.", line)


def age(owner: Owner, app: Flask, *numbers: int) -> None:
    """Date seals back, as if they had been made long ago."""
    owner.execute("SET portal.retention = 'on'")
    for number in numbers:
        owner.execute(
            "UPDATE activity_seals SET sealed_at = %s WHERE id = %s", [now() - timedelta(days=100 - number), number]
        )
    resign(owner)


def test_pruning_removes_the_events_of_old_seals_and_leaves_a_valid_chain(sealed: Flask, owner: Owner) -> None:
    age(owner, sealed, 1, 2)
    act(owner, 1, "unsealed")

    refused = run(sealed, "prune", "--older-than", "90", typed="n\n")
    nothing = run(sealed, "prune", "--older-than", "200", "--yes")
    done = run(sealed, "prune", "--older-than", "90", "--yes")

    assert refused.exit_code == 1
    assert re.match(r"8 events, from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d, will be removed permanently\.", refused.output)
    assert nothing.output == "Nothing was sealed more than 200 days ago.\n"
    assert done.exit_code == 0
    assert "8 events removed." in done.output
    assert owner.execute("SELECT min(id), count(*) FROM activity").fetchone() == (9, 6)
    assert owner.execute("SELECT min(event_id), count(*) FROM operations").fetchone() == (9, 6)
    newest = owner.execute("SELECT action, actor_role, changes FROM activity ORDER BY id DESC LIMIT 1").fetchone()
    assert newest == ("prune", "SYSTEM", {"position": [1, 9], "events": [8, 0]})
    assert troubles(sealed) == []


def test_lg4_after_pruning_tampering_with_the_rest_is_still_detected(sealed: Flask, owner: Owner) -> None:
    age(owner, sealed, 1, 2)
    old = run(sealed, "verify").output.split("digest ")[1].split(".")[0]
    run(sealed, "prune", "--older-than", "90", "--yes")
    act(owner, 2, "later")
    run(sealed, "seal")

    assert troubles(sealed) == []
    assert run(sealed, "verify", "--head", old).exit_code == 0
    tamper(owner, "UPDATE activity SET action = 'remove' WHERE id = 9")
    tamper(owner, "UPDATE activity_seals SET last_id = 7 WHERE id = 1")
    found = troubles(sealed)
    assert re.match(r"At position 1: seal changed\.", found[0])
    assert re.match(r"Event 9 \(position 9, .*: changed\.", found[1])


def test_nothing_is_pruned_while_verification_fails(sealed: Flask, owner: Owner) -> None:
    age(owner, sealed, 1)
    tamper(owner, "UPDATE activity SET action = 'remove' WHERE id = 2")

    result = run(sealed, "prune", "--older-than", "90", "--yes")

    assert result.exit_code == 1
    assert "Run `flask activity verify`" in result.output
    assert owner.execute("SELECT count(*) FROM activity").fetchone() == (12,)


def test_lg4_a_dump_restored_on_a_new_server_can_be_sealed_and_verified(sealed: Flask, owner: Owner) -> None:
    """Transaction numbers start again there, so the newest seal contains some that are still to come."""
    tamper(owner, "UPDATE activity_seals SET snapshot = '900000000:900000000:' WHERE id = 3")
    resign(owner)
    act(owner, 2, "restored")

    assert troubles(sealed) == []
    assert "2 events sealed." in run(sealed, "seal").output
    act(owner, 1, "later")
    assert "1 event sealed." in run(sealed, "seal").output
    assert troubles(sealed) == []
    tamper(owner, f"{FORGED} ('create', {COPIED})")
    assert len(troubles(sealed)) == 1


def test_re13_a_new_key_can_seal_while_the_former_one_still_verifies(
    fresh_app: Flask, owner: Owner, fresh_database: str
) -> None:
    act(owner, 2)
    run(fresh_app, "seal")
    act(owner, 2, "later")

    with portal_on(fresh_database, secret_key=NEW_KEY, secret_key_fallbacks=(SECRET_KEY,)) as app:
        run(app, "seal")
        assert troubles(app) == []
    with portal_on(fresh_database, secret_key=NEW_KEY) as app:
        assert troubles(app) == ["At position 1: key unknown."]
    with portal_on(fresh_database, seal_key=NEW_KEY) as app:
        act(owner, 1, "last")
        run(app, "seal")
        assert troubles(app) == []


def test_lg6_control_codes_in_an_event_do_not_reach_the_terminal(sealed: Flask, owner: Owner) -> None:
    tamper(
        owner,
        "UPDATE activity SET action = E'\\x1b[2J\\r\\nThe history has not changed since it was sealed.' WHERE id = 6",
    )

    (line,) = troubles(sealed)

    assert r"\x1b[2J\r\nThe history" in line
    assert "\x1b" not in line


def test_many_problems_are_counted_instead_of_listed(sealed: Flask, owner: Owner) -> None:
    act(owner, 60, "more")
    run(sealed, "seal")
    tamper(owner, "UPDATE activity SET action = 'remove'")

    found = troubles(sealed)

    assert found[-1] == "... and 22 more."
    assert len(found) == 51
