"""What does every test find prepared? Databases here; the cast and the clients below."""

from __future__ import annotations

from tests.database import (
    app,
    database_server,
    forget_the_environment,
    fresh_app,
    fresh_database,
    rolled_back_after,
    template_database,
)

__all__ = ["app", "database_server", "fresh_app", "fresh_database", "rolled_back_after", "template_database"]

forget_the_environment()
