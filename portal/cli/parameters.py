"""Parameters of commands that forms have as fields: read alike, and refused in the same words."""

from __future__ import annotations

from typing import Any

import click

from portal.core.emails import canonical_email
from portal.core.text import CONTROL, has_control, tidy


class Email(click.ParamType[str]):
    """An address, in its canonical form."""

    name = "email"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return canonical_email(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Line(click.ParamType[str]):
    """One line of text, without what can't be seen. Empty where nothing is left."""

    name = "text"

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = tidy(str(value)) or ""
        if len(text) > self.longest:
            self.fail(f"Use {self.longest} characters at most.", param, ctx)
        if has_control(text):
            self.fail(CONTROL, param, ctx)
        return text
