"""The WSGI entry: what a server serves and what `flask` finds."""

from portal import create_app
from portal.core.lines import log_to_stderr

log_to_stderr()
app = create_app()
