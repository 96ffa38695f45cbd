"""Typed values of the application: its settings, and values that features provide to the layers below them.

`create_app` and portal/features.py set each value by name. Importing sets nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import Flask, current_app

from portal.config import Settings
from portal.core.actions import Action
from portal.core.policy import Permission

T = TypeVar("T")


@dataclass(frozen=True)
class Link:
    """A page or an action. `target` returns its label and URL, or None if the actor doesn't see it."""

    sections: tuple[str, ...]  # the blueprints on whose pages the navigation marks it as current
    icon: str
    target: Callable[[], tuple[str, str] | None]
    note: Callable[[], str] = lambda: ""  # a short text beside the label in the navigation
    also: str = ""  # other words by which the search finds it
    key: str = ""  # G and then this key open it
    is_sent: bool = False  # as a form, because it changes something


class Given(Generic[T]):
    """A value of the running application: `names()` reads it, `names.set(app, value)` sets it."""

    def __init__(self, name: str) -> None:
        self.key = f"portal.{name}"

    def __call__(self) -> T:
        return self.of(current_app._get_current_object())  # type: ignore[attr-defined]  # a proxy asks again each time

    def of(self, app: Flask) -> T:
        value: T = app.extensions[self.key]
        return value

    def set(self, app: Flask, value: T) -> None:
        app.extensions[self.key] = value

    def by(self, value: T) -> Provision[T]:
        """The value as an entry of `Feature.provides`."""
        return Provision(self, value)


@dataclass(frozen=True)
class Provision(Generic[T]):
    given: Given[T]
    value: T

    def install(self, app: Flask) -> None:
        self.given.set(app, self.value)


current_settings: Given[Settings] = Given("settings")
served_at: Given[str] = Given("address it is served at")  # without a public URL
lists: Given[Mapping[str, str]] = Given("lists")  # their names for people, by the blueprint whose `index` is the list
navigation: Given[Sequence[Link]] = Given("navigation")
found: Given[Sequence[Link]] = Given("pages and actions that the search finds")
actions: Given[Mapping[str, Action]] = Given("actions")  # of the history, by name: those of all features
permissions: Given[Mapping[str, Permission]] = Given("permissions")  # by name: those of all features
