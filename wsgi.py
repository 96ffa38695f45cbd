"""The WSGI entry: what a server serves and what `flask` finds."""

import gc
import logging

from portal import create_app
from portal.config import load_settings
from portal.core.lines import log_to_stderr

settings = load_settings()
log_to_stderr(as_json=settings.log == "json")
for sentence in settings.misspelled:
    logging.getLogger("portal").warning("%s", sentence)
app = create_app(settings)
gc.collect()
gc.freeze()  # modules and mappings stay loaded: scanning them for garbage took 100 ms each time
