"""The WSGI entry: what a server serves and what `flask` finds."""

from portal import create_app
from portal.config import load_settings
from portal.core.lines import log_to_stderr

settings = load_settings()
log_to_stderr(as_json=settings.log == "json")
app = create_app(settings)
