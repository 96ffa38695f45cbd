"""The fixtures that every test can use."""

from __future__ import annotations

from tests.acting import change_settings, scoping_alone
from tests.cast import acme, ada, bea, birch, build, client, gil, guest, other_client, root, sign_in, uma
from tests.database import (
    app,
    clear_environment,
    database_server,
    fresh_app,
    fresh_database,
    rolled_back_after,
    template_database,
)
from tests.garbage import pytest_collection_finish
from tests.pages import exports_ended

__all__ = [
    "acme", "ada", "app", "bea", "birch", "build", "change_settings", "client", "database_server",
    "exports_ended", "fresh_app", "fresh_database", "gil", "guest", "other_client",
    "pytest_collection_finish", "rolled_back_after", "root", "scoping_alone", "sign_in", "template_database",
    "uma",
]  # fmt: skip

clear_environment()
