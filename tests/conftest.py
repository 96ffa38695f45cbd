"""What does every test find prepared? Databases here; the cast and the clients below."""

from __future__ import annotations

from tests.acting import at_settings, scoping_alone
from tests.cast import acme, ada, bea, birch, build, client, gil, other_client, root, sign_in, uma
from tests.database import (
    app,
    database_server,
    forget_the_environment,
    fresh_app,
    fresh_database,
    rolled_back_after,
    template_database,
)
from tests.pages import exports_ended

__all__ = [
    "acme", "ada", "app", "at_settings", "bea", "birch", "build", "client", "database_server", "exports_ended",
    "scoping_alone", "fresh_app", "fresh_database", "gil", "other_client", "rolled_back_after", "root", "sign_in",
    "template_database", "uma",
]  # fmt: skip

forget_the_environment()
