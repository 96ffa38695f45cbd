"""Wording for API tokens that another change ends."""

from __future__ import annotations

from portal.core.counts import number_of


def api_tokens(number: int) -> str:
    """`1 API token`, `3 API tokens`."""
    return number_of(number, "API token")


def tokens_ended(number: int | None) -> str:
    """A sentence for an email; empty if none ended."""
    if not number:
        return ""
    needed = "it need a new one" if number == 1 else "them need new ones"
    return f"{api_tokens(number)} also ended. Apps that used {needed}."
