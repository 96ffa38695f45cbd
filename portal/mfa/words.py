"""What is it called that somebody shows beside a password?"""

from __future__ import annotations

APP, PASSKEY, CODE = "authenticator app", "passkey", "recovery code"
MEANS = "means"  # its place among what the history notes of an act


def called(means: str) -> str:
    """In a sentence: `an authenticator app`, `a passkey`, `the passkey Work laptop`."""
    if means in (APP, PASSKEY, CODE):
        return f"an {means}" if means == APP else f"a {means}"
    return f"the {means}"
