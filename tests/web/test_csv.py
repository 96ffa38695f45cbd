"""CSV files contain exactly the given values, and nothing that a spreadsheet would execute."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
from flask import Flask, Response

from portal.core.actor import NoActorError, current_actor
from portal.core.db import acting_as, db
from portal.core.exports import NUMBER
from portal.web.csv import as_written, csv_response, formula_safe
from tests.acting import actor_of
from tests.cast import Person
from tests.hostile.corpus import EVERYTHING

DANGEROUS = "=+-@\t\r"


def response_of(app: Flask, person: Person | None, batches: Iterable[Iterable[Sequence[object]]]) -> Response:
    """The response of a request that has already ended. Nothing of it has been sent yet."""
    with app.test_request_context(), acting_as(actor_of(person)):
        return csv_response("people-2026-11-22", batches)


def whole(answer: Response) -> bytes:
    """The complete file, as a server sends it."""
    data = answer.get_data()
    answer.close()
    return data


def rows_in(data: bytes) -> list[list[str]]:
    """The cells as a program reads them."""
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def random_texts(count: int) -> list[str]:
    """Texts that PostgreSQL can store, full of characters with a meaning in CSV and spreadsheets."""
    random = Random(11)  # noqa: S311 -- reproducible
    signs = [*"=+-@\t\r\n\"',;'' \u2028\ufeff\u202e", *"aéß日😀"]
    any_sign = [
        chr(random.choice((random.randrange(1, 0xD800), random.randrange(0xE000, 0x110000)))) for _ in range(500)
    ]
    return ["".join(random.choices(signs + any_sign, k=random.randrange(1, 12))) for _ in range(count)]


@pytest.mark.parametrize("sign", DANGEROUS)
@pytest.mark.parametrize("quotes", ["", "'", "''", "'''"])
def test_in10_text_that_a_spreadsheet_would_execute_is_quoted_and_can_be_read_back(sign: str, quotes: str) -> None:
    text = f"{quotes}{sign}1+1"

    assert formula_safe(text) == f"'{text}"
    assert as_written(formula_safe(text)) == text


@pytest.mark.parametrize("text", ["", "'", "''", "Ada", "'Ada", "O'Neill", "1+1", " =1", "a=b", "a\t", "'a=", "''x"])
def test_in10_other_text_stays_unchanged(text: str) -> None:
    assert formula_safe(text) == as_written(text) == text


def test_in10_no_cell_begins_like_a_formula_and_every_text_can_be_read_back(app: Flask) -> None:
    texts = random_texts(1000) + [text for text in EVERYTHING if "\0" not in text and text.isprintable()]
    texts += [f"{sign}{text}" for sign in DANGEROUS for text in texts[:50]]

    answer = response_of(app, None, [[["x", text, "y"] for text in texts]])

    cells = rows_in(whole(answer))
    assert [as_written(cell[1]) for cell in cells] == texts
    dangerous = [cell for _, cell, _ in cells if cell and cell[0] in DANGEROUS]
    assert not [cell for cell in dangerous if not re.fullmatch(NUMBER, cell)]
    assert len(texts) > 1500


def test_quotes_commas_and_line_breaks_stay_within_their_cell(app: Flask) -> None:
    row = ['say "hi"', "a,b", "two\r\nlines", "one\nmore", "one\rmore", "; \t", '"', "'"]

    answer = response_of(app, None, [[row, row]])

    assert rows_in(whole(answer)) == [row, row]


def test_other_values_are_written_plainly_and_none_as_empty(app: Flask) -> None:
    answer = response_of(app, None, [[[None, 0, 12, True, "", "None"]]])

    assert rows_in(whole(answer)) == [["", "0", "12", "True", "", "None"]]


def test_cs9_the_file_has_a_name_a_type_a_charset_and_a_byte_order_mark(app: Flask) -> None:
    answer = response_of(app, None, [[["é"]]])

    assert answer.headers["Content-Disposition"] == 'attachment; filename="people-2026-11-22.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert whole(answer) == b'\xef\xbb\xbf"\xc3\xa9"\r\n'


def test_batches_are_produced_one_by_one_as_the_actor_after_the_request_ended(app: Flask, ada: Person) -> None:
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


def test_a_client_that_disconnects_gets_no_further_batch(app: Flask, ada: Person) -> None:
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


def test_a_client_that_never_reads_leaves_no_actor_bound(app: Flask, ada: Person) -> None:
    response_of(app, ada, [[["x"]]]).close()

    with pytest.raises(NoActorError):
        current_actor()


def test_each_file_is_read_in_its_own_database_session(app: Flask, ada: Person) -> None:
    sessions: list[int] = []

    def batches() -> Iterator[list[list[str]]]:
        sessions.append(id(db.session()))
        yield [["x"]]

    with app.test_request_context(), acting_as(actor_of(ada)):
        sessions.append(id(db.session()))
        answer = csv_response("x", batches())
    whole(answer)

    assert len(set(sessions)) == 2
