"""How are API tokens spoken of that end with something else?"""

from __future__ import annotations


def api_tokens(number: int) -> str:
    """`1 API token`, `3 API tokens`."""
    return f"{number} API token{'' if number == 1 else 's'}"


def tokens_ended(number: int | None) -> str:
    """A sentence for an email, or nothing where none ended."""
    if not number:
        return ""
    needed = "it need a new one" if number == 1 else "them need new ones"
    return f"{api_tokens(number)} ended too: programs that used {needed}."
