"""The WSGI entry: what a server serves and what `flask` finds."""

from portal import create_app

app = create_app()
