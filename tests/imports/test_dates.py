"""Days in files: read in every usual form, and asked about if they can be read in two ways."""

from __future__ import annotations

import io
import re
from datetime import date, timedelta

import pytest
import xlsxwriter
from flask import Flask

from portal.core.clock import now
from portal.imports.dates import day_in, order_of
from portal.imports.models import Import
from portal.imports.words import PEOPLE
from portal.users import schedule
from tests.acting import acting
from tests.cast import Builder, Person, Tenant, page_client
from tests.imports.test_views import found, reasons, run, settings, start, upload, verdicts
from tests.mailbox import jobs as emails
from tests.pages import PageClient, text_of
from tests.selecting import act, set_values

DAY = date(2030, 12, 31)
ASKED = "Dates such as 03/04/2030 can be read both ways."
TWO_WAYS = "Last day of access: “03/04/2030” can be read in two ways. Choose the order of day and month above."


@pytest.fixture
def ours(app: Flask, ada: Person) -> PageClient:
    return page_client(app, ada)


@pytest.mark.parametrize(
    ("cell", "order"),
    [
        ("2030-12-31", ""), ("2030/12/31 00:00:00", ""), ("2030-12-31T23:59:59Z", ""), ("31.12.2030", ""),
        ("31. 12. 2030", ""), ("31/12/2030", "dmy"), ("12/31/2030", "mdy"), ("31-12-2030", "dmy"),
        ("12/31/2030 00:00", "mdy"), ("47848", ""), ("47848.5", ""), ("135694656000000000", ""),
    ],
)  # fmt: skip
def test_days_are_read_in_every_usual_form(cell: str, order: str) -> None:
    assert day_in(cell, order) == DAY


@pytest.mark.parametrize(
    "cell",
    [
        "99999-01-01", "0000-00-00", "31/02/2026", "-infinity", "1e9", "31.12.99999", "1000000000-01-01", "١٢/٣١/٢٠٣٠",
        "2030-13-01", "00000", "999999999999999999", "31/12/30", "=TODAY()", "31.12.", "1969-12-31",
    ],
)  # fmt: skip
def test_hostile_days_are_refused_with_a_sentence(cell: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"“{cell}” is not a valid date.")):
        day_in(cell, "dmy")


@pytest.mark.parametrize("cell", ["never", "Nie", "0", "9223372036854775807"])
def test_accounts_that_never_expire_have_no_day(cell: str) -> None:
    assert day_in(cell, "") is None


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        ([], ""), (["2030-01-02", "01.02.2030", "02/02/2030"], ""), (["01/02/2030"], "unclear"),
        (["01/02/2030", "13/02/2030"], "dmy"), (["01/02/2030", "02/13/2030"], "mdy"), (["99/99/2030"], "unclear"),
    ],
)  # fmt: skip
def test_the_order_is_found_only_if_a_day_decides_it(cells: list[str], order: str) -> None:
    assert order_of(cells) == ("" if cells == ["99/99/2030"] else order)


@pytest.mark.parametrize(
    "heading",
    [
        "accountExpires",
        "Austrittsdatum",
        "End Date",
        "expiration-timestamp",
        "AccountExpirationDate",
        "Last day of access",
    ],
)
def test_known_headings_are_understood(heading: str) -> None:
    assert PEOPLE.field_for(heading) == "expires_on"


def test_an_unclear_order_is_asked_about_and_remembered(app: Flask, ours: PageClient) -> None:
    import_id = upload(
        ours, "Email,End date\na@example.com,03/04/2030\nb@example.com,2030-05-06\nc@example.com,01/01/2031\n"
    )

    assert verdicts(app, import_id) == {"create": 2, "refused": 1}
    assert reasons(app, import_id) == [TWO_WAYS]
    page = ours.get(f"/imports/{import_id}/").text
    assert ASKED in text_of(page)
    assert not re.search(r'name="dates"[^>]* checked', page)
    settings(ours, import_id, dates="hostile")
    assert verdicts(app, import_id)["refused"] == 1

    settings(ours, import_id, dates="dmy")

    assert verdicts(app, import_id) == {"create": 3}
    assert ASKED not in text_of(ours.get(f"/imports/{import_id}/").text)
    start(app, ours, import_id)
    assert [found(app, f"{name}@example.com").expires_on for name in "abc"] == [
        date(2030, 4, 3), date(2030, 5, 6), date(2031, 1, 1),
    ]  # fmt: skip
    again = upload(ours, "Email,End date\nd@example.com,05/06/2030\n")
    assert verdicts(app, again) == {"create": 1}
    decided = upload(ours, "Email,End date\nd@example.com,05/06/2030\ne@example.com,05/26/2030\n")
    assert verdicts(app, decided) == {"create": 2}


def test_a_day_far_below_decides_how_all_are_read_and_can_be_overruled(
    app: Flask, ours: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.imports.uploads.BATCH", 5)
    rows = "".join(f"p{number}@example.com,02/0{number + 1}/2030\n" for number in range(7))
    import_id = upload(ours, f"Email,End date\n{rows}last@example.com,02/28/2030\n")

    run(app, Builder(app).read(Import, import_id).job_id)
    assert re.search(r'name="dates" value="mdy" checked', ours.get(f"/imports/{import_id}/").text)
    assert verdicts(app, import_id) == {"create": 8}
    settings(ours, import_id, dates="dmy")
    run(app, Builder(app).read(Import, import_id).job_id)
    assert verdicts(app, import_id) == {"create": 7, "refused": 1}
    assert re.search(r'name="dates" value="dmy" checked', ours.get(f"/imports/{import_id}/").text)


def test_real_dates_and_serial_numbers_of_workbooks_are_read(app: Flask, ours: PageClient) -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Email", "Austrittsdatum"])
        sheet.write_row(1, 0, ["a@example.com"])
        sheet.write_datetime(1, 1, DAY, book.add_format({"num_format": "dd/mm/yyyy"}))
        sheet.write_row(2, 0, ["b@example.com", 47848])
        sheet.write_row(3, 0, ["c@example.com", "31.12.2030"])

    start(app, ours, upload(ours, file.getvalue(), "people.xlsx"))

    assert {found(app, f"{name}@example.com").expires_on for name in "abc"} == {DAY}


def test_days_are_updated_by_choice_exported_imported_unchanged_and_undone(
    app: Flask, ours: PageClient, uma: Person, ada: Person
) -> None:
    file = f"Email,End date\n{uma.email},2030-12-31\n{ada.email},2030-12-31\n"
    import_id = upload(ours, file)
    assert verdicts(app, import_id) == {"unchanged": 2}
    settings(ours, import_id, **{"overwrite-expires_on": "on"})
    assert reasons(app, import_id) == ["Your own account."]

    start(app, ours, import_id)

    assert (found(app, uma.email).expires_on, found(app, ada.email).expires_on) == (DAY, None)
    again = upload(ours, file)
    assert verdicts(app, again) == {"unchanged": 1, "refused": 1}
    for kind in ("csv", "xlsx"):
        exported = ours.get(f"/users/export?format={kind}").data
        same = upload(ours, exported, f"people.{kind}")
        settings(
            ours, same, **{f"overwrite-{name}": "on" for name in ("expires_on", "first_name", "last_name", "role")}
        )
        assert set(verdicts(app, same)) == {"unchanged"}, reasons(app, same)
    start(app, ours, import_id, "undo")
    assert found(app, uma.email).expires_on is None
    act(ours, "/users/", "deactivate", [uma.id])


def test_people_with_a_first_day_are_created_deactivated_and_invited_that_day(app: Flask, ours: PageClient) -> None:
    today = now().date()
    soon, past = today + timedelta(days=3), today - timedelta(days=3)
    rows = (("later", soon, ""), ("off", soon, "no"), ("since", past, ""), ("gone", past, "no"), ("always", "", ""))
    lines = "".join(f"{name}@example.com,{first},,{active}\n" for name, first, active in rows)
    file = f"Email,Hire date,End date,Active\n{lines}odd@example.com,2031-01-02,2031-01-01,\n"
    import_id = upload(ours, file)
    settings(ours, import_id, invites="on")

    assert reasons(app, import_id) == ["Last day of access: it is before the first day."]
    start(app, ours, import_id)
    people = {name: found(app, f"{name}@example.com") for name, *_ in rows}
    assert {name: one.is_active for name, one in people.items()} == {
        "later": False, "off": False, "since": True, "gone": False, "always": True,
    }  # fmt: skip
    assert {name for name, one in people.items() if one.activates_on == soon} == {"later", "off"}
    assert {name for name, one in people.items() if one.activates_on} == {"later", "off"}
    assert len(emails(app)) == 2, "the others are invited on their first day, or not"
    with acting(app):
        set_values(people["later"].id, activates_on=today)
    with app.app_context():
        assert schedule.carry_out() == 1
    assert found(app, "later@example.com").is_active
    assert len(emails(app)) == 3


def test_first_days_are_updated_by_choice_and_undone(app: Flask, ours: PageClient, uma: Person, ada: Person) -> None:
    soon = now().date() + timedelta(days=3)
    file = f"Email,First day of access,Active\n{uma.email},{soon},yes\n{ada.email},{soon},\n"
    import_id = upload(ours, file)
    assert verdicts(app, import_id) == {"unchanged": 2}
    settings(ours, import_id, **{"overwrite-activates_on": "on", "overwrite-is_active": "on"})
    assert verdicts(app, import_id) == {"update": 1, "refused": 1}

    start(app, ours, import_id)
    changed = found(app, uma.email)
    assert (changed.is_active, changed.activates_on) == (False, soon)
    assert found(app, ada.email).is_active
    again = upload(ours, file)
    settings(ours, again, **{"overwrite-activates_on": "on", "overwrite-is_active": "on"})
    assert verdicts(app, again) == {"unchanged": 1, "refused": 1}
    exported = upload(ours, ours.get("/users/export?format=csv&status=deactivated").data)
    settings(ours, exported, **{"overwrite-activates_on": "on"})
    assert set(verdicts(app, exported)) <= {"unchanged"}

    start(app, ours, import_id, "undo")
    undone = found(app, uma.email)
    assert (undone.is_active, undone.activates_on) == (True, None)


def test_a_last_day_before_the_first_one_is_refused_also_if_the_file_has_only_one(
    app: Flask, ours: PageClient, uma: Person, build: Builder, acme: Tenant
) -> None:
    soon = now().date() + timedelta(days=3)
    vera = build.person("vera@example.com", tenant=acme, is_active=False, activates_on=soon)
    with acting(app):
        set_values(uma.id, expires_on=soon - timedelta(days=1))
    chosen = {f"overwrite-{name}": "on" for name in ("activates_on", "expires_on", "is_active")}
    for file, verdict in (
        (f"Email,First day of access\n{uma.email},{soon}\n", "refused"),
        (f"Email,Last day of access\n{vera.email},{soon - timedelta(days=1)}\n", "refused"),
        (f"Email,Last day of access,Active\n{vera.email},{soon - timedelta(days=1)},yes\n", "update"),
        (f"Email,First day of access,Last day of access\n{uma.email},{soon},{soon}\n", "update"),
    ):
        import_id = upload(ours, file)
        settings(ours, import_id, **chosen)
        assert verdicts(app, import_id) == {verdict: 1}, file
        if verdict == "refused":
            assert reasons(app, import_id) == ["Last day of access: it is before the first day."]
    start(app, ours, import_id)
    assert (found(app, uma.email).activates_on, found(app, uma.email).expires_on) == (soon, soon)
