"""The people and organizations of the tests: a named cast, and a builder for more."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from portal.core.actor import SYSTEM, Role
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.organizations.models import Organization
from portal.users import passwords
from portal.users.models import User
from tests.pages import PageClient

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Person:
    """What a test needs to know about a person. Not an entity, so it outlives database sessions."""

    id: uuid.UUID
    email: str
    name: str
    role: Role
    organization_id: uuid.UUID | None
    password: str = PASSWORD


@dataclass(frozen=True)
class Tenant:
    id: uuid.UUID
    name: str
    slug: str


class Builder:
    """Create rows as the system, each in its own transaction."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def tenant(self, name: str, **values: Any) -> Tenant:
        slug = values.pop("slug", name.lower().replace(" ", "-"))
        with self.app.app_context(), acting_as(SYSTEM):
            row = _add(Organization(name=name, slug=slug, **values))
            return Tenant(row.id, name, slug)

    def person(self, email: str, *, role: Role = Role.USER, tenant: Tenant | None = None, **values: Any) -> Person:
        first = email.split("@")[0].capitalize()
        given = {"first_name": first, "last_name": "Example", **values}
        with self.app.app_context(), acting_as(SYSTEM):
            password = values.pop("password", None) or passwords.hash_password(PASSWORD)
            given["password"] = password
            user = _add(User(email=email, role=role, organization_id=tenant.id if tenant else None, **given))
            return Person(user.id, email, user.name, role, user.organization_id)

    def read(self, model: Any, row_id: uuid.UUID) -> Any:
        """The current row, deleted or not, with every column except the password."""
        with self.app.app_context(), acting_as(SYSTEM):
            return db.session.get(model, row_id, execution_options={"with_deleted": True}, populate_existing=True)


@command
def _add(row: Any) -> Any:
    db.session.add(row)
    db.session.flush()
    return row


class SignIn:
    """Sign a client in through the form."""

    def __init__(self, client: PageClient) -> None:
        self.client = client

    def __call__(self, person: Person, client: PageClient | None = None, **values: Any) -> TestResponse:
        chosen = client or self.client
        sent = {"email": person.email, "password": person.password, **values}
        response = chosen.send("/login", sent)
        assert response.status_code == 303, response.text[:500]
        return response


def page_client(app: Flask, person: Person | None = None) -> PageClient:
    """A client that checks pages, signed in as a person."""
    client = PageClient(app, app.response_class, use_cookies=True)
    if person is not None:
        SignIn(client)(person)
    return client


@pytest.fixture
def build(app: Flask) -> Builder:
    return Builder(app)


@pytest.fixture
def client(app: Flask) -> PageClient:
    return page_client(app)


@pytest.fixture
def other_client(app: Flask) -> PageClient:
    """A second browser."""
    return page_client(app)


@pytest.fixture
def sign_in(client: PageClient) -> SignIn:
    return SignIn(client)


@pytest.fixture
def acme(build: Builder) -> Tenant:
    return build.tenant("Acme")


@pytest.fixture
def birch(build: Builder) -> Tenant:
    return build.tenant("Birch")


@pytest.fixture
def root(build: Builder) -> Person:
    """The SUPER_ADMIN."""
    return build.person("root@example.com", role=Role.SUPER_ADMIN)


@pytest.fixture
def ada(build: Builder, acme: Tenant) -> Person:
    """ADMIN of Acme."""
    return build.person("ada@example.com", role=Role.ADMIN, tenant=acme)


@pytest.fixture
def uma(build: Builder, acme: Tenant) -> Person:
    """USER of Acme."""
    return build.person("uma@example.com", tenant=acme)


@pytest.fixture
def bea(build: Builder, birch: Tenant) -> Person:
    """ADMIN of Birch."""
    return build.person("bea@example.com", role=Role.ADMIN, tenant=birch)


@pytest.fixture
def gil(build: Builder, acme: Tenant) -> Person:
    """A deleted person of Acme."""
    return build.person("gil@example.com", tenant=acme, deleted_at=now())


@pytest.fixture
def guest(build: Builder, acme: Tenant) -> Person:
    """Invited to Acme."""
    return build.person("guest@example.com", tenant=acme, invited_at=now())
