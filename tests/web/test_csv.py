"""Does a file hold exactly what it was given, and nothing that a spreadsheet would compute?"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
from flask import Flask, Response

from portal.core.actor import NoActorError, current_actor
from portal.core.db import acting_as, db
from portal.web.csv import as_written, csv_response, formula_safe
from tests.acting import actor_of
from tests.cast import Person
from tests.hostile.corpus import EVERYTHING

DANGEROUS = "=+-@\t\r"


def response_of(app: Flask, person: Person | None, batches: Iterable[Iterable[Sequence[object]]]) -> Response:
    """The answer of a request that has ended when this returns; nothing of it is sent yet."""
    with app.test_request_context(), acting_as(actor_of(person)):
        return csv_response("people-2026-11-22", batches)


def whole(answer: Response) -> bytes:
    """All of a file, as a server sends it to its end."""
    data = answer.get_data()
    answer.close()
    return data


def rows_in(data: bytes) -> list[list[str]]:
    """What a program reads in the file, cell by cell."""
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def random_texts(count: int) -> list[str]:
    """Texts as PostgreSQL can hold them, full of what CSV and spreadsheets take for something else."""
    random = Random(11)  # noqa: S311 -- to be repeated
    signs = [*"=+-@\t\r\n\"',;'' \u2028\ufeff\u202e", *"aéß日😀"]
    any_sign = [
        chr(random.choice((random.randrange(1, 0xD800), random.randrange(0xE000, 0x110000)))) for _ in range(500)
    ]
    return ["".join(random.choices(signs + any_sign, k=random.randrange(1, 12))) for _ in range(count)]


@pytest.mark.parametrize("sign", DANGEROUS)
@pytest.mark.parametrize("quotes", ["", "'", "''", "'''"])
def test_in10_what_a_spreadsheet_would_compute_is_quoted_and_comes_back(sign: str, quotes: str) -> None:
    text = f"{quotes}{sign}1+1"

    assert formula_safe(text) == f"'{text}"
    assert as_written(formula_safe(text)) == text


@pytest.mark.parametrize("text", ["", "'", "''", "Ada", "'Ada", "O'Neill", "1+1", " =1", "a=b", "a\t", "'a=", "''x"])
def test_in10_whatever_else_stays_as_it_is(text: str) -> None:
    assert formula_safe(text) == as_written(text) == text


def test_in10_no_text_begins_as_a_formula_and_each_comes_back_as_it_was(app: Flask) -> None:
    texts = random_texts(1000) + [text for text in EVERYTHING if "\0" not in text and text.isprintable()]
    texts += [f"{sign}{text}" for sign in DANGEROUS for text in texts[:50]]

    answer = response_of(app, None, [[["x", text, "y"] for text in texts]])

    cells = rows_in(whole(answer))
    assert [as_written(cell[1]) for cell in cells] == texts
    assert not [cell for _, cell, _ in cells if cell and cell[0] in DANGEROUS]
    assert len(texts) > 1500


def test_quotes_commas_and_ends_of_lines_stay_within_their_cell(app: Flask) -> None:
    row = ['say "hi"', "a,b", "two\r\nlines", "one\nmore", "one\rmore", "; \t", '"', "'"]

    answer = response_of(app, None, [[row, row]])

    assert rows_in(whole(answer)) == [row, row]


def test_what_is_no_text_is_written_plainly_and_nothing_as_nothing(app: Flask) -> None:
    answer = response_of(app, None, [[[None, 0, 12, True, "", "None"]]])

    assert rows_in(whole(answer)) == [["", "0", "12", "True", "", "None"]]


def test_cs9_the_file_says_its_name_type_and_charset_and_begins_with_the_mark_of_utf8(app: Flask) -> None:
    answer = response_of(app, None, [[["é"]]])

    assert answer.headers["Content-Disposition"] == 'attachment; filename="people-2026-11-22.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert whole(answer) == b'\xef\xbb\xbf"\xc3\xa9"\r\n'


def test_batches_are_made_one_by_one_for_the_one_who_asked_although_the_request_has_ended(
    app: Flask, ada: Person
) -> None:
    made: list[Any] = []

    def batches() -> Iterator[list[list[str]]]:
        for number in range(3):
            made.append(current_actor())
            yield [[str(number)]]

    answer = response_of(app, ada, batches())
    assert made == []
    chunks = answer.iter_encoded()
    assert [next(chunks) for _ in range(2)] == ["\ufeff".encode(), b'"0"\r\n']
    assert made == [actor_of(ada)]

    assert b"".join(chunks) == b'"1"\r\n"2"\r\n'
    answer.close()
    assert made == [actor_of(ada)] * 3
    with pytest.raises(NoActorError):
        current_actor()


def test_a_client_that_goes_away_gets_no_further_batch_and_leaves_nobody_acting(app: Flask, ada: Person) -> None:
    made: list[int] = []

    def batches() -> Iterator[list[list[str]]]:
        while True:
            made.append(1)
            yield [["more"]]

    answer = response_of(app, ada, batches())
    chunks = answer.iter_encoded()
    for _ in range(3):
        next(chunks)
    answer.close()

    assert list(chunks) == []
    assert len(made) == 2
    with pytest.raises(NoActorError):
        current_actor()


def test_a_client_that_never_reads_leaves_nobody_acting(app: Flask, ada: Person) -> None:
    response_of(app, ada, [[["x"]]]).close()

    with pytest.raises(NoActorError):
        current_actor()


def test_each_file_is_read_in_a_session_of_its_own(app: Flask, ada: Person) -> None:
    sessions: list[int] = []

    def batches() -> Iterator[list[list[str]]]:
        sessions.append(id(db.session()))
        yield [["x"]]

    with app.test_request_context(), acting_as(actor_of(ada)):
        sessions.append(id(db.session()))
        answer = csv_response("x", batches())
    whole(answer)

    assert len(set(sessions)) == 2
