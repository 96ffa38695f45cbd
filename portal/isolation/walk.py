"""Visit every route as an ADMIN, and report responses that show, and requests that change, rows of another tenant."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from urllib.parse import quote_plus, urlsplit

from flask import Flask
from sqlalchemy import Connection
from werkzeug.routing import Rule

from portal.core.clock import stopped
from portal.core.keys import uuid7
from portal.isolation.rehearsal import undone
from portal.isolation.stage import Stage
from portal.isolation.visitor import Answer, Form, Page, Visitor, recording_arguments
from portal.users.clashes import ADDRESS_TAKEN_ELSEWHERE
from portal.web.guards import PUBLIC, rule_of
from portal.web.session import UNBOUND

ARGUMENT = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?\w+>")
KEY = "\x00"  # a placeholder in a URL for another tenant's key
ALSO = "last"  # an argument that short lists don't link to
JUMP = "at"  # begins a list at any value, so what follows depends on how it is spelled, not on whether somebody has it
MOST_VIEWS = 100  # of one page

Pair = tuple[str, str]


@dataclass(frozen=True)
class Finding:
    """A route that shows or changes another tenant's row."""

    method: str
    address: str
    what: str

    def __str__(self) -> str:
        return f"{self.method} {self.address}: {self.what}"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    htmx: bool = False
    fields: tuple[Pair, ...] = ()


class NothingSeen(RuntimeError):
    """The walk saw neither its own tenant's rows nor any route, so its result means nothing."""


class Walk:
    """A walk through the URL map. Changes of each request are rolled back before the next one."""

    def __init__(self, app: Flask, stage: Stage, connection: Connection) -> None:
        self.app = app
        self.stage = stage
        self.connection = connection
        self.visitor = Visitor(app)
        self.prints = stage.prints(app)
        self.findings: dict[Finding, None] = {}
        self.requests = 0
        self._nobody = str(uuid7())
        self._answered: dict[Request, tuple[int, str]] = {}

    def run(self, begin: str = "/") -> None:
        """Visit every path that begins with `begin`. Raises NothingSeen if the result means nothing.

        The clock is stopped, because responses are compared and pages show relative times.
        """
        with recording_arguments(self.app), stopped():
            if self.stage.own_word not in self.visitor.sign_in(self.stage.email, self.stage.password).text:
                raise NothingSeen
            for rule in sorted(self.app.url_map.iter_rules(), key=lambda one: one.rule):
                if rule.rule.startswith(begin) and rule.endpoint not in UNBOUND:
                    self._try_rule(rule)
        if not self.requests:
            raise NothingSeen

    def _try_rule(self, rule: Rule) -> None:
        """Visit a route. Public routes get no POST, because the ADMIN would not be the actor."""
        methods, stated = rule.methods or set(), rule_of(self.app.view_functions[rule.endpoint])
        if "GET" in methods:
            self._read(rule)
        if "POST" in methods and stated != PUBLIC:
            self._write(rule)

    # Reading

    def _read(self, rule: Rule) -> None:
        with undone(self.connection), self._leaving_alone("GET", rule.rule):
            self._try_keys(rule, "GET", ())
            for path in self._own(rule):
                self._explore(rule, path)

    def _explore(self, rule: Rule, path: str) -> None:
        """Visit a page of the own tenant, its links to itself, and send every argument that it reads."""
        first = self._look(rule.rule, path)
        if first.status != 200:
            return
        asked, seen, queue = set(first.asked), {path}, _same_page(first, path)
        while queue and len(seen) < MOST_VIEWS:
            here = queue.pop(0)
            if here not in seen:
                seen.add(here)
                answer = self._look(rule.rule, here)
                asked |= answer.asked
                queue += _same_page(answer, path)
        views = [link for link in _links(first, path) if link.count("=") == 1]
        for name in sorted(asked):
            self._try_argument(rule, path, name, views)

    def _try_argument(self, rule: Rule, path: str, name: str, views: Sequence[str]) -> None:
        """Search for values of the other tenant, which must match nothing in any view of a list."""
        address = f"{rule.rule}?{name}"
        self._look(address, _with(path, name, ALSO))
        if name == JUMP:
            for value, _ in self.stage.words:
                self._ask(address, _asking(path, name, value), value)
            return
        for pair in (*self.stage.words, *self.stage.references, *self.stage.emails[:1]):
            self._compare(address, pair, partial(_asking, path, name))
        for view in views if self._matters(path, name) else ():
            self._compare(address, self.stage.words[0], partial(_asking, view, name))

    def _matters(self, path: str, name: str) -> bool:
        """Whether the argument searches for any word. Others accept only certain values."""
        word = self.stage.words[0][1]
        with_it, plain = (self.visitor.get(one, htmx=True) for one in (_with(path, name, word), path))
        return with_it.without(word) != plain.without(word)

    def _look(self, address: str, path: str) -> Answer:
        plain, _ = (self._ask(address, Request("GET", path, htmx)) for htmx in (False, True))
        return plain

    # Writing

    def _write(self, rule: Rule) -> None:
        fields = {path: self._fields(path) for path in self._own(rule)}
        self._try_keys(rule, "POST", max(fields.values(), key=len, default=()))
        for path, typed in fields.items():
            self._try_fields(rule, path, typed)

    def _try_fields(self, rule: Rule, path: str, typed: tuple[Pair, ...]) -> None:
        """Send forms with keys and values of the other tenant."""
        plain = self._ask(rule.rule, Request("POST", path, fields=typed))
        if plain.status in (403, 404):
            return
        for name in sorted(plain.asked):
            for pair in self.stage.emails if "mail" in name else self.stage.references:
                self._try_field(f"{rule.rule} {name}", pair, plain.status, partial(_typing, path, typed, name))

    def _try_field(self, address: str, pair: Pair, usual: int, make: Callable[[str], Request]) -> None:
        """Check that the status doesn't reveal whether a value is in use, except for the known message about emails."""
        answer = self._ask(address, make(pair[0]), *pair)
        if answer.status == usual or answer.status == self._ask(address, make(pair[1]), *pair).status:
            return
        if ADDRESS_TAKEN_ELSEWHERE not in html.unescape(answer.text):
            self._found("POST", address, "reveals a value of another tenant")

    def _fields(self, path: str) -> tuple[Pair, ...]:
        """The data that the page's form would send."""
        forms = Page(self.visitor.get(path).text).forms
        return next((_filled_in(form) for form in forms if form.method == "post" and form.action in ("", path)), ())

    # Checks of every response

    def _try_keys(self, rule: Rule, method: str, fields: tuple[Pair, ...]) -> None:
        """Check that another tenant's row looks like one that doesn't exist."""
        for address, key, htmx in product(self._foreign(rule), self.stage.keys, (False, True)):
            self._compare(rule.rule, (key, self._nobody), partial(_naming, method, address, htmx, fields))

    def _compare(self, address: str, pair: Pair, make: Callable[[str], Request]) -> None:
        foreign, nobodys = make(pair[0]), make(pair[1])
        answer = self._ask(address, foreign, *pair).without(*pair)
        if nobodys not in self._answered:
            self._answered[nobodys] = self._ask(address, nobodys, *pair).without(*pair)
        if answer != self._answered[nobodys]:
            self._found(foreign.method, address, "responds differently than for a value that nobody has")

    def _ask(self, address: str, request: Request, *sent: str) -> Answer:
        self.requests += 1
        if request.method == "GET":
            answer = self.visitor.get(request.path, htmx=request.htmx)
        else:
            with undone(self.connection), self._leaving_alone("POST", address):
                answer = self.visitor.post(request.path, dict(request.fields), htmx=request.htmx)
        self._judge(request.method, address, answer, sent)
        return answer

    def _judge(self, method: str, address: str, answer: Answer, sent: tuple[str, ...]) -> None:
        text = _squeezed(answer.without(*sent)[1])
        if answer.status >= 500:
            self._found(method, address, f"responds {answer.status}")
        for mark, kind in self.stage.marks.items():
            if _squeezed(mark) in text:
                self._found(method, address, f"shows {kind}")

    @contextmanager
    def _leaving_alone(self, method: str, address: str) -> Iterator[None]:
        yield
        prints = self.stage.prints(self.app)
        for table in self.prints:
            if prints[table] != self.prints[table]:
                self._found(method, address, f"changes {table} of another tenant")

    def _found(self, method: str, address: str, what: str) -> None:
        self.findings[Finding(method, address, what)] = None

    def _own(self, rule: Rule) -> list[str]:
        """The rule's URLs with each key of the own tenant."""
        return [self._filled(rule, keys) for keys in product(self.stage.own_keys, repeat=_places(rule))]

    def _foreign(self, rule: Rule) -> list[str]:
        """The rule's URL with KEY in all places, then in each place with the own tenant's keys in the others."""
        places = _places(rule)
        every = [(KEY,) * places] if places else []
        alone = [
            (*keys[:place], KEY, *keys[place:])
            for place in range(places)
            for keys in product(self.stage.own_keys, repeat=places - 1)
            if places > 1
        ]
        return [self._filled(rule, keys) for keys in every + alone]

    def _filled(self, rule: Rule, keys: tuple[str, ...]) -> str:
        left = iter(keys)
        return self.visitor.root + ARGUMENT.sub(lambda one: "1" if one.group(1) == "int" else next(left), rule.rule)


def _places(rule: Rule) -> int:
    """How many keys the URL contains."""
    return sum(match.group(1) != "int" for match in ARGUMENT.finditer(rule.rule))


def _same_page(answer: Answer, path: str) -> list[str]:
    """The page's links to itself with arguments: tabs, sorting, pages, and the choices of its filters."""
    found = _links(answer, path)
    for form in Page(answer.text).forms:
        if form.method == "get" and form.action in ("", path):
            found += [f"{path}?{name}={quote_plus(one)}" for name, values in form.choices.items() for one in values]
    return found


def _links(answer: Answer, path: str) -> list[str]:
    links = [link for link in Page(answer.text).links if "?" in link and urlsplit(link).path in ("", path)]
    return [path + link if link.startswith("?") else link for link in links]


def _with(path: str, name: str, value: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{name}={quote_plus(value)}"


def _asking(path: str, name: str, value: str) -> Request:
    return Request("GET", _with(path, name, value))


def _typing(path: str, fields: tuple[Pair, ...], name: str, value: str) -> Request:
    return Request("POST", path, fields=tuple({**dict(fields), name: value}.items()))


def _naming(method: str, address: str, htmx: bool, fields: tuple[Pair, ...], value: str) -> Request:
    return Request(method, address.replace(KEY, value), htmx, fields)


def _filled_in(form: Form) -> tuple[Pair, ...]:
    """A value for every field: the current one, else the last choice, else a random one."""
    return tuple(
        (name, value or form.choices.get(name, [""])[-1] or _made_up(name)) for name, value in form.fields.items()
    )


def _made_up(name: str) -> str:
    random = secrets.token_hex(16)
    return f"made-up.{random}@example.com" if "mail" in name else random


def _squeezed(text: str) -> str:
    """Text in which all notations of a key are the same."""
    return text.lower().replace("-", "")
