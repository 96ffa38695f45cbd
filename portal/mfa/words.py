"""Names of second factors."""

from __future__ import annotations

APP, PASSKEY, CODE = "authenticator app", "passkey", "recovery code"
MEANS = "means"  # the key of the second factor in an event's details


def called(means: str) -> str:
    """Name a second factor in a sentence: `an authenticator app`, `a passkey`, `the passkey Work laptop`."""
    if means in (APP, PASSKEY, CODE):
        return f"an {means}" if means == APP else f"a {means}"
    return f"the {means}"
