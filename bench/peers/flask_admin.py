"""Flask-Admin on the portal's tables. `/enter?user=ID` signs a person in; each request looks up who that is."""

from __future__ import annotations

import os
import uuid
from datetime import datetime

from flask import Flask, abort, g, redirect, request, session
from flask_admin import Admin
from flask_admin.contrib.sqla import ModelView
from flask_admin.form import SecureForm
from sqlalchemy import Enum, ForeignKey, create_engine, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    column_property,
    deferred,
    mapped_column,
    relationship,
    scoped_session,
    sessionmaker,
)
from sqlalchemy.sql import func

engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:", 1), pool_size=8)
database = scoped_session(sessionmaker(engine))


class Base(DeclarativeBase):
    pass


class Organization(Base):
    __tablename__ = "organizations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    slug: Mapped[str]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    def __str__(self) -> str:
        return self.name


class User(Base):
    __tablename__ = "users"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    role: Mapped[str] = mapped_column(Enum("USER", "ADMIN", "SUPER_ADMIN", name="Role"))
    is_active: Mapped[bool]
    organization_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organizations.id"))
    last_sign_in_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    search_text: Mapped[str] = deferred(mapped_column())
    stored_sort_name: Mapped[str] = mapped_column("sort_name", deferred=True)
    sort_name = column_property(stored_sort_name.collate("C"), deferred=True)
    organization: Mapped[Organization | None] = relationship(lazy="joined")


class SignedIn(ModelView):
    form_base_class = SecureForm
    page_size = 25
    column_default_sort = [("created_at", True), ("id", True)]

    def is_accessible(self) -> bool:
        if "person" not in g and (key := session.get("user")):
            g.person = database.get(User, uuid.UUID(key))
        return bool(g.get("person") and g.person.is_active and g.person.role == "SUPER_ADMIN")

    def inaccessible_callback(self, name, **values):
        abort(403)

    def get_query(self):
        return super().get_query().filter(self.model.deleted_at.is_(None))

    def get_count_query(self):
        return database.query(func.count("*")).select_from(self.model).filter(self.model.deleted_at.is_(None))


class OrganizationView(SignedIn):
    column_list = ("name", "slug", "created_at")
    form_columns = ("name", "slug")


class UserView(SignedIn):
    column_list = ("sort_name", "email", "organization", "role", "is_active", "last_sign_in_at", "created_at")
    column_sortable_list = ("sort_name", "created_at")
    column_searchable_list = ("search_text",)
    column_filters = ("role", "is_active", "organization_id")
    column_formatters = {"sort_name": lambda view, context, row, name: f"{row.first_name} {row.last_name}"}
    form_columns = ("first_name", "last_name", "email", "organization", "role", "is_active")
    form_ajax_refs = {"organization": {"fields": ("name",), "page_size": 10}}
    named_filter_urls = True


app = Flask(__name__)
app.secret_key = os.environ["SECRET_KEY"]
admin = Admin(app, name="People")
admin.add_view(UserView(User, database, name="People", endpoint="people", url="/people"))
admin.add_view(OrganizationView(Organization, database, name="Organizations", endpoint="groups", url="/groups"))


@app.get("/enter")
def enter():
    session["user"] = str(database.scalars(select(User.id).where(User.id == uuid.UUID(request.args["user"]))).one())
    return redirect("/people/")


@app.teardown_appcontext
def close(error: BaseException | None) -> None:
    database.remove()
