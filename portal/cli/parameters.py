"""Parameter types of commands that match form fields, with the same parsing and error messages."""

from __future__ import annotations

from typing import Any

import click
from flask.cli import ScriptInfo

from portal.config import Settings
from portal.core.email_addresses import canonical_email
from portal.core.text import CONTROL, has_control, tidy
from portal.web.given import current_settings


class Email(click.ParamType[str]):
    """An email address, in canonical form."""

    name = "email"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return canonical_email(str(value), _settings(ctx).email_kinds)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _settings(ctx: click.Context | None) -> Settings:
    """Load the application, because parameters are parsed before the command runs."""
    info = ctx.ensure_object(ScriptInfo) if ctx else ScriptInfo()
    return current_settings.of(info.load_app())


class Line(click.ParamType[str]):
    """One line of text, without invisible characters. Can be empty."""

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
