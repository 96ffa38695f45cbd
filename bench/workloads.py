"""What is asked of the programs, and how an answer is recognized."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from bench.browser import Browser, form_of
from bench.load import Slot
from bench.rows import ADMIN, COMMON, PASSWORD, RARE, SUPER_ADMIN, Person, Rows

PER_PAGE = 25
LISTS = {"floor": "/users", "portal": "/users/", "django": "/admin/user/", "flask-admin": "/people/"}
FORMS = {
    "floor": "/users/{}/edit",
    "portal": "/users/{}/edit",
    "django": "/admin/user/{}/change/",
    "flask-admin": "/people/edit/?id={}",
}
SAVED = {"floor": 303, "portal": 303, "django": 302, "flask-admin": 302}
SIGN_INS = {"portal": "/login", "django": "/login/"}
FLOOD = 32  # connections that sign in again and again
SENT = ("Anne", "Hanna")  # the first names that saves alternate between
KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class WrongPage(Exception):
    """A page is not what the workload is about."""


@dataclass(frozen=True)
class Workload:
    """A page that programs answer, each at its own path."""

    name: str
    title: str
    paths: Mapping[str, str]
    marker: str = ""  # text on the page; lists of people need none, they are recognized by their rows
    condition: str = ""  # which people a list shows
    email: str = SUPER_ADMIN
    kind: Literal["read", "save", "sign in", "flood"] = "read"  # a flood: pages are read while others sign in

    def recognize(self, program: str, browser: Browser, rows: Rows) -> str:
        """Look at the page, and return a text by which each answer is recognized."""
        status, page = browser.get(self.paths[program])
        if status != 200 or self.marker not in page:
            raise WrongPage(f"{self.name} {program} {self.paths[program]} answered {status}: {page[:300]}")
        if not self.condition:
            return self.marker
        # At least half: the portal leaves out people who can't sign in.
        keys: list[str] = list(dict.fromkeys(KEY.findall(page.partition("</thead>")[2])))
        fitting = rows.count(keys, self.condition)
        if not keys or fitting < min(PER_PAGE, rows.count_all(self.condition, PER_PAGE)) // 2:
            raise WrongPage(f"{self.name} {program} {self.paths[program]} shows {fitting} of the people it is about")
        return keys[0]


def workloads(rows: Rows) -> dict[str, Workload]:
    """All of them by name, in the order of the table."""
    here, person = "u.deleted_at IS NULL", rows.edited[0]
    inside = f"{here} AND u.organization_id = '{rows.organization}'"
    found = [
        Workload("W1", "first page of people", LISTS, condition=here),
        Workload("W2", "rare search", _searching(RARE), condition=f"{here} AND u.search_text LIKE '%{RARE}%'"),
        Workload("W3", "common search", _searching(COMMON), condition=f"{here} AND u.search_text LIKE '%{COMMON}%'"),
        Workload("W4", "deep page", _deep(rows), condition=here),
        Workload("W4b", "last page", _last(rows), condition=f"{here} AND u.created_at < '{rows.middle[0]}'"),
        Workload("W5", "role ADMIN, by name", _admins(), condition=f"{here} AND u.role = 'ADMIN'"),
        Workload("W6", "edit form", {name: path.format(person.id) for name, path in FORMS.items()}, person.email),
        Workload("W7", "save", FORMS, kind="save"),
        Workload("W8", "own organization as ADMIN", _inside(rows), condition=inside, email=ADMIN),
        Workload(
            "W9",
            "search in it",
            _inside(rows, COMMON),
            condition=f"{inside} AND u.search_text LIKE '%{COMMON}%'",
            email=ADMIN,
        ),
        Workload("W10", "dashboard", {"portal": "/"}, "<title>Dashboard"),
        Workload("W11", "activity", {"portal": "/activity/"}, "<title>Activity"),
        Workload("W12", "a person's page", {"portal": f"/users/{person.id}"}, f"/users/{person.id}/edit"),
        Workload("W13", "signing in", SIGN_INS, kind="sign in"),
        Workload("W13b", "W1 while others sign in", _only(LISTS, SIGN_INS), condition=here, kind="flood"),
    ]
    return {one.name: one for one in found}


def _searching(word: str) -> dict[str, str]:
    names = {"flask-admin": "search"}
    return {name: f"{path}?{names.get(name, 'q')}={word}" for name, path in LISTS.items()}


def _only(paths: Mapping[str, str], programs: Mapping[str, str]) -> dict[str, str]:
    return {name: path for name, path in paths.items() if name in programs}


def _inside(rows: Rows, word: str = "") -> dict[str, str]:
    """The largest organization. The peers know no tenants, so they filter by it."""
    return {
        "floor": f"{LISTS['floor']}?q={word}",
        "portal": f"{LISTS['portal']}?q={word}",
        "django": f"{LISTS['django']}?organization__id__exact={rows.organization}&q={word}",
        "flask-admin": f"{LISTS['flask-admin']}?flt0_organization_id_equals={rows.organization}&search={word}",
    }


def _deep(rows: Rows) -> dict[str, str]:
    at, key = rows.middle
    plain = json.dumps([at, str(key)], separators=(",", ":")).encode()
    page = rows.people // 2 // PER_PAGE
    return {
        "floor": f"{LISTS['floor']}?{urlencode({'at': at, 'id': key})}",
        "portal": f"{LISTS['portal']}?after={base64.urlsafe_b64encode(plain).decode().rstrip('=')}",
        "django": f"{LISTS['django']}?p={page}",
        "flask-admin": f"{LISTS['flask-admin']}?page={page}",
    }


def _last(rows: Rows) -> dict[str, str]:
    """Pages with numbers end at the last full one, so that all programs show as many people."""
    page = rows.people // PER_PAGE - 1
    return {
        "floor": f"{LISTS['floor']}?page=last",
        "portal": f"{LISTS['portal']}?page=last",
        "django": f"{LISTS['django']}?p={page + 1}",
        "flask-admin": f"{LISTS['flask-admin']}?page={page}",
    }


def _admins() -> dict[str, str]:
    return {
        "floor": f"{LISTS['floor']}?role=ADMIN&sort=name",
        "portal": f"{LISTS['portal']}?role=ADMIN&sort=name",
        "django": f"{LISTS['django']}?role__exact=ADMIN&o=1",
        "flask-admin": f"{LISTS['flask-admin']}?flt0_role_equals=ADMIN&sort=0",
    }


def reading(workload: Workload, program: str, browser: Browser, concurrency: int) -> tuple[Slot, ...]:
    return (Slot("GET", workload.paths[program], browser.headers),) * concurrency


def saving(program: str, browser: Browser, rows: Rows, concurrency: int) -> tuple[Slot, ...]:
    """Each connection saves a person of its own. Saves alternate between two first names, so each changes the row."""
    people = [rows.edited[n % len(rows.edited)] for n in range(concurrency)]
    versions = rows.versions(people)
    return tuple(
        _saving_one(program, browser, person, version) for person, version in zip(people, versions, strict=True)
    )


def _saving_one(program: str, browser: Browser, person: Person, version: int) -> Slot:
    path = FORMS[program].format(person.id)
    fields = form_of(browser.get(path)[1], "first_name")
    if "version" in fields:
        fields["version"] = "COUNTER"
    bodies = []
    for number, name in enumerate(SENT):
        if "base" in fields:
            known = {**json.loads(fields["base"]), "first_name": SENT[number - 1]}
            fields["base"] = json.dumps(known, separators=(",", ":"), ensure_ascii=False)
        bodies.append(urlencode({**fields, "first_name": name}))
    return Slot("POST", path, browser.headers, tuple(bodies), version)


def signing_in(program: str, port: int, rows: Rows, concurrency: int) -> tuple[Slot, ...]:
    """Different people in a browser that isn't signed in, and stays so: it keeps no cookies of the answers."""
    browser = Browser(port)
    fields = {**form_of(browser.get(SIGN_INS[program])[1], "password"), "username": "bench", "password": PASSWORD}
    people = (rows.edited[n % len(rows.edited)] for n in range(concurrency))
    bodies = (urlencode({**fields, "email": person.email}) for person in people)
    return tuple(Slot("POST", SIGN_INS[program], browser.headers, (body,)) for body in bodies)
