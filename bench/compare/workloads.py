"""What is asked of the programs, and how an answer is recognized."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from bench.compare.browser import Browser, form_of
from bench.compare.load import Slot
from bench.compare.rows import ADMIN, COMMON, RARE, SUPER_ADMIN, Person, Rows

PER_PAGE = 25
LISTS = {"floor": "/users", "portal": "/users/", "django": "/admin/user/", "flask-admin": "/people/"}
FORMS = {
    "floor": "/users/{}/edit",
    "portal": "/users/{}/edit",
    "django": "/admin/user/{}/change/",
    "flask-admin": "/people/edit/?id={}",
}
SAVED = {"floor": 303, "portal": 303, "django": 302, "flask-admin": 302}
SENT = ("Anne", "Hanna")  # the first names that saves alternate between
INSIDE = f"u.organization_id = (SELECT organization_id FROM users WHERE email = '{ADMIN}')"  # noqa: S608
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
    saves: bool = False

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


def workloads(rows: Rows) -> list[Workload]:
    """All of them, in the order of the table."""
    here, person = "u.deleted_at IS NULL", rows.edited[0]
    return [
        Workload("W1", "first page of people", LISTS, condition=here),
        Workload("W2", "rare search", _searching(RARE), condition=f"{here} AND u.search_text LIKE '%{RARE}%'"),
        Workload("W3", "common search", _searching(COMMON), condition=f"{here} AND u.search_text LIKE '%{COMMON}%'"),
        Workload("W4", "deep page", _deep(rows), condition=here),
        Workload("W4b", "last page", _last(rows), condition=f"{here} AND u.created_at < '{rows.middle[0]}'"),
        Workload("W5", "role ADMIN, by name", _admins(), condition=f"{here} AND u.role = 'ADMIN'"),
        Workload("W6", "edit form", {name: path.format(person.id) for name, path in FORMS.items()}, person.email),
        Workload("W7", "save", FORMS, saves=True),
        Workload("W8", "own organization as ADMIN", _own(LISTS), condition=f"{here} AND {INSIDE}", email=ADMIN),
        Workload(
            "W9",
            "search in it",
            _own(_searching(COMMON)),
            condition=f"{here} AND {INSIDE} AND u.search_text LIKE '%{COMMON}%'",
            email=ADMIN,
        ),
        Workload("W10", "dashboard", {"portal": "/"}, "<title>Dashboard"),
        Workload("W11", "activity", {"portal": "/activity/"}, "<title>Activity"),
        Workload("W12", "a person's page", {"portal": f"/users/{person.id}"}, f"/users/{person.id}/edit"),
    ]


def _searching(word: str) -> dict[str, str]:
    names = {"flask-admin": "search"}
    return {name: f"{path}?{names.get(name, 'q')}={word}" for name, path in LISTS.items()}


def _own(paths: Mapping[str, str]) -> dict[str, str]:
    return {name: paths[name] for name in ("floor", "portal")}


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
