"""Actions: the kinds of events in the history. Each feature declares those that it records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """A kind of event, declared by the feature that records it and listed in its `Feature`.

    The history reads `actor verb row`: "Grace Lindqvist reset the password of Ada Lovelace". Placeholders in the verb
    are filled from the event's details: {"path": [None, "GET /users/"]} fills {path}, as code or as `worded` gives it.

    A placeholder named like a resource's table becomes a link to one of its rows: to the one whose key the details
    contain, {"users": [None, "<uuid>"]}, or to the event's own row, which is then named there instead of at the end.
    With the verb "added {users} to {teams}", an event about a team with the details {"users": ...} and one about a
    person with the details {"teams": ...} both read "added Ada Lovelace to Drivers". Rows that the reader may not see
    read "somebody" or "something".
    """

    name: str
    verb: str  # ends with a preposition if the sentence needs one even on the row's own page
    label: str  # in the filter
    icon: str = "edit"
    preposition: str = ""  # before the row's name; left out on the row's own page
    verb_with: str = ""  # replaces the verb where the event has details
    verb_own: str = ""  # replaces the verb where people do it to themselves
    worded: Callable[[str], str] | None = None  # words a detail that isn't a row; shown as code if None
    covers: int = 0  # further events of the same operation that the sentence includes, such as a new password
    hides_values: bool = False  # the sentence says what those events changed
    is_sign_in: bool = False  # listed under Sign-ins
    is_own: bool = False  # always done by oneself, so the row isn't named
    is_attempt: bool = False  # by somebody who isn't signed in, possibly with an unknown email address
    is_counted: bool = False  # repeated within a minute, they become one event
