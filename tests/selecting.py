"""Select rows of a list and act on them, as a browser would."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import update
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from portal.core.db import command, db
from portal.users.models import User
from tests.pages import HTMX, PageClient, pairs_of

FORM = re.compile(r'<form class="selecting" method="post" action="([^"]+)"')
ROWS = re.compile(r'<input type="checkbox" name="id" value="([^"]+)"')


def address_of(path: str) -> str:
    """The URL that the list at `path` sends its selection to."""
    parts = urlsplit(path)
    return f"{parts.path}selection" + (f"?{parts.query}" if parts.query else "")


def choose(
    client: PageClient, path: str, action: str, ids: Iterable[Any] = (), *, htmx: bool = False, **fields: Any
) -> TestResponse:
    """Choose an action for rows of the list at `path`. Returns the question, usually."""
    token = dict(pairs_of(client.get("/account/").text))["csrf_token"]
    sent = MultiDict([("csrf_token", token), ("action", action), *fields.items(), *(("id", str(key)) for key in ids)])
    is_download = action.startswith("export")
    return client.post(address_of(path), data=sent, headers=HTMX if htmx else {}, buffered=is_download)


def agree(client: PageClient, asked: TestResponse, **fields: str) -> TestResponse:
    """Send the form of a question."""
    assert asked.status_code == 200, asked.text
    sent = MultiDict(pairs_of(asked.text))
    for name, value in fields.items():
        sent.setlist(name, [value])
    query = asked.request.query_string.decode()
    return client.post(f"{asked.request.path}?{query}", data=sent)


def act(client: PageClient, path: str, action: str, ids: Iterable[Any] = (), **fields: Any) -> str:
    """Choose an action and agree to it. Returns the text of the page that follows."""
    done = agree(client, choose(client, path, action, ids, **fields))
    assert done.status_code == 303, done.text
    return client.get(done.headers["Location"]).text


def listed(client: PageClient, path: str) -> list[uuid.UUID]:
    """The keys of the rows on all pages of a list."""
    found: list[uuid.UUID] = []
    at: str | None = path
    while at:
        text = client.get(at).text
        found += [uuid.UUID(key) for key in ROWS.findall(text)]
        link = re.search(r'<a class="btn" rel="next" href="([^"]+)"', text)
        at = link[1].replace("&amp;", "&") if link else None
    return found


@command
def add(*rows: Any) -> None:
    db.session.add_all(rows)


@command
def set_values(user_id: uuid.UUID, **values: Any) -> None:
    """Change a person as the system."""
    changed = update(User).where(User.id == user_id).values(values)
    db.session.execute(changed, execution_options={"synchronize_session": False})
