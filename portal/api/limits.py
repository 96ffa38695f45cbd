"""Limits on API requests, shared by bodies.py and repeats.py, which enforce them, and description.py."""

from __future__ import annotations

import re

from portal.auth.forms import LONGEST_CODE
from portal.users.passwords import LONGEST as LONGEST_PASSWORD

MOST_BYTES = 16_000  # per request body
LONGEST_EMAIL = 320
LONGEST_TOKEN = 2_048  # enough for the former backend's JWTs, which remain valid
LONGEST_KEY = 255

# The members of each body and their maximum lengths. None may be empty.
LOGIN = {"email": LONGEST_EMAIL, "password": LONGEST_PASSWORD, "otp": LONGEST_CODE}
OPTIONAL = ("otp",)
TOKEN = {"refresh_token": LONGEST_TOKEN}

# Valid in both Python and ECMA 262: text without NUL and lone surrogates, and visible ASCII.
TEXT = re.compile("^[^\\u0000\\ud800-\\udfff]*$")
KEY = re.compile("^[\\x21-\\x7e]+$")
