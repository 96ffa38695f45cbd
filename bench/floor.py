"""What the machine gives: a list and a form of people with the best SQL we know, and nothing else.

A request is one statement for session and user, one or two for the page. Statements are prepared; pages begin at a
key, not at a number; counts are known, estimated or bounded, in this order.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment
from psycopg import Connection
from psycopg.rows import namedtuple_row
from psycopg_pool import ConnectionPool

AT_MOST, FEW = 10_001, 101  # a search in an organization is counted up to a few, as the portal does
SESSION = """SELECT u.id, u.role, u.organization_id FROM bench.sessions s JOIN users u ON u.id = s.user_id
    WHERE s.token = %s AND u.is_active AND u.deleted_at IS NULL"""
ROWS = """SELECT u.id, u.first_name, u.last_name, u.email, u.role, u.is_active, u.last_sign_in_at, u.created_at,
    u.sort_name, o.name AS organization FROM users u LEFT JOIN organizations o ON o.id = u.organization_id
    WHERE {where} ORDER BY {order} LIMIT 26"""
PERSON = """SELECT u.id, u.first_name, u.last_name, u.email, u.role, u.is_active, u.version FROM users u
    WHERE u.id = %s AND {where}"""
SAVE = """UPDATE users u SET first_name = %s, last_name = %s, email = %s, role = %s::"Role", is_active = %s
    WHERE u.id = %s AND u.version = %s AND {where}"""
NEWEST, OLDEST, NAMED = "u.created_at DESC, u.id DESC", "u.created_at, u.id", 'u.sort_name COLLATE "C", u.id'

template = Environment(autoescape=True, trim_blocks=True).from_string(Path(__file__).with_suffix(".html").read_text())
pool: ConnectionPool[Any] | None = None

Start = Callable[[str, list[tuple[str, str]]], object]


def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("session")
    with connections().connection() as connection:
        actor = connection.execute(SESSION, [_hashed(cookie.value)]).fetchone() if cookie else None
        if actor is None or actor.role == "USER" or cookie is None:
            return _answer(start_response, "403 Forbidden", "")
        parts = environ["PATH_INFO"].strip("/").split("/")
        if parts[-1] != "edit":
            asked = dict(parse_qsl(environ["QUERY_STRING"]))
            return _answer(start_response, "200 OK", _list(connection, actor, asked))
        token = hmac.new(os.environ["SECRET_KEY"].encode(), cookie.value.encode(), hashlib.sha256).hexdigest()
        if environ["REQUEST_METHOD"] == "POST":
            sent = dict(parse_qsl(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()))
            is_ours = hmac.compare_digest(sent["csrf_token"], token)
            status = "303 See Other" if is_ours and _save(connection, actor, parts[1], sent) else "409 Conflict"
            return _answer(start_response, status, "", ("Location", environ["PATH_INFO"]))
        where, values = _scope(actor)
        person = connection.execute(PERSON.format(where=where), [parts[1], *values], prepare=True).fetchone()
        return _answer(start_response, "200 OK", template.render(person=person, token=token))


def connections() -> ConnectionPool[Any]:
    """The pool of this process, opened by its first request."""
    global pool
    if pool is None:
        kwargs = {"row_factory": namedtuple_row, "autocommit": True, "prepare_threshold": 1}
        pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=8, max_size=8, kwargs=kwargs, open=True)
    return pool


def _answer(start_response: Start, status: str, page: str, *headers: tuple[str, str]) -> list[bytes]:
    body = page.encode()
    start_response(status, [("Content-Type", "text/html"), ("Content-Length", str(len(body))), *headers])
    return [body]


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _scope(actor: Any) -> tuple[str, list[Any]]:
    if actor.role == "SUPER_ADMIN":
        return "u.deleted_at IS NULL", []
    return "u.deleted_at IS NULL AND u.organization_id = %s AND u.role <> 'SUPER_ADMIN'", [actor.organization_id]


def _list(connection: Connection[Any], actor: Any, asked: dict[str, str]) -> str:
    where, values = _scope(actor)
    if q := asked.get("q", "").lower():
        where, values = f"{where} AND u.search_text LIKE %s", [*values, f"%{q}%"]
    if role := asked.get("role"):
        where, values = f'{where} AND u.role = %s::"Role"', [*values, role]
    counted, counting = where, list(values)
    if at := asked.get("at"):
        where, values = f"{where} AND (u.created_at, u.id) < (%s::timestamptz, %s::uuid)", [*values, at, asked["id"]]
    is_last = asked.get("page") == "last"
    order = OLDEST if is_last else NAMED if asked.get("sort") == "name" else NEWEST
    rows = connection.execute(ROWS.format(where=where, order=order), values, prepare=not q).fetchall()
    following = urlencode({"at": rows[24].created_at, "id": rows[24].id}) if len(rows) > 25 and not is_last else ""
    if len(rows) < 26 and not at:
        count = str(len(rows))
    elif q and actor.role != "SUPER_ADMIN":
        count = _bounded(connection, counted, counting, FEW)
    else:
        count = _count(connection, counted, counting)
    shown = rows[24::-1] if is_last else rows[:25]
    return template.render(rows=shown, q=q, count=count, next=following)


def _count(connection: Connection[Any], where: str, values: list[Any]) -> str:
    """The planner's estimate if it is high, otherwise the number of rows up to a bound."""
    plan = _value(connection, f"EXPLAIN (FORMAT JSON) SELECT FROM users u WHERE {where}", values)  # noqa: S608
    if (about := plan[0]["Plan"]["Plan Rows"]) > 2_000:
        return f"about {about:,}"
    return _bounded(connection, where, values, AT_MOST)


def _bounded(connection: Connection[Any], where: str, values: list[Any], most: int) -> str:
    bounded = f"SELECT count(*) FROM (SELECT FROM users u WHERE {where} LIMIT {most}) counted"  # noqa: S608
    return str(_value(connection, bounded, values))


def _value(connection: Connection[Any], statement: str, values: list[Any]) -> Any:
    row = connection.execute(statement.encode(), values).fetchone()
    return None if row is None else row[0]


def _save(connection: Connection[Any], actor: Any, key: str, sent: dict[str, str]) -> bool:
    where, values = _scope(actor)
    names = sent.get("first_name") or None, sent.get("last_name") or None
    new = [*names, sent["email"], sent["role"], "is_active" in sent, key, int(sent["version"]), *values]
    return connection.execute(SAVE.format(where=where), new, prepare=True).rowcount == 1
