"""What does an operator do with a database as a whole?"""

from __future__ import annotations

from flask.cli import AppGroup

database = AppGroup("database", help="The database as a whole.")
