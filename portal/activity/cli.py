"""Commands that seal the history, verify it and prune it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from portal.activity import seals
from portal.core.actor import SYSTEM
from portal.core.counts import number_of
from portal.core.db import acting_as
from portal.core.lines import one_line

SHOWN = 50
NOT_DONE = 3  # the exit code if nothing was sealed or can be verified; 1 means tampering

activity = AppGroup("activity", help="Seal, verify and prune the history.")


class Digest(click.ParamType[str]):
    """A seal's digest, as in the log."""

    name = "digest"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return bytes.fromhex(str(value)).hex()
        except ValueError:
            self.fail("a digest consists of the digits 0-9 and a-f", param, ctx)


@activity.command("seal")
@click.option("--force", is_flag=True, help="Seal even after an unverifiable seal; `verify` keeps reporting that seal.")
@with_appcontext
def seal_command(force: bool) -> None:
    """Seal new events."""
    with acting_as(SYSTEM), _sentences():
        sealed = seals.seal(is_forced=force)
        if sealed is None:
            click.echo("Another process is sealing the history. Nothing was done.", err=True)
            raise SystemExit(NOT_DONE)
        click.echo(f"{_events(sealed)} sealed.")
        _echo_head()


@activity.command("verify")
@click.option("--head", type=Digest(), help="A digest from the log. Its seal must exist.")
@with_appcontext
def verify_command(head: str | None) -> None:
    """Check whether events were changed, removed or inserted since they were sealed."""
    with acting_as(SYSTEM):
        doubts = seals.doubts()
        is_cut = head is not None and not seals.holds(head)
        _echo_doubts(doubts)
        if is_cut:
            click.echo(f"No seal has the digest {head}: the newest seals were removed.")
        newest = _echo_head()
        _echo_unsealed()
    if doubts or is_cut:
        raise SystemExit(1)
    if newest is None:
        click.echo("Nothing can be verified. Run `flask activity seal` first.")
        raise SystemExit(NOT_DONE)
    click.echo("The history has not changed since it was sealed.")


@activity.command("prune")
@click.option("--older-than", "days", type=click.IntRange(min=1), required=True, metavar="DAYS")
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_appcontext
def prune_command(days: int, yes: bool) -> None:
    """Remove events that were sealed more than DAYS days ago, and record that."""
    with acting_as(SYSTEM), _sentences():
        if seals.seal() is None:
            raise click.ClickException("Another process is sealing the history. Try again.")
        if seals.doubts():
            raise click.ClickException("The history has been changed since it was sealed. Run `flask activity verify`.")
        outdated = seals.outdated(days)
        if outdated is None:
            click.echo(f"Nothing was sealed more than {days} days ago.")
            return
        span = f"from {outdated.oldest:%Y-%m-%d} to {outdated.newest:%Y-%m-%d}"
        click.echo(f"{_events(outdated.events)}, {span}, will be removed permanently.")
        if not yes:
            click.confirm("Remove them?", abort=True)
        click.echo(f"{_events(seals.prune(days))} removed.")
        _echo_head()


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except seals.SealRefused as refused:
        raise click.ClickException(f"The history can't be sealed: {refused}") from refused


def _echo_doubts(doubts: list[seals.Doubt]) -> None:
    for doubt in islice(doubts, SHOWN):
        click.echo(one_line(_words(doubt)))
    if len(doubts) > SHOWN:
        click.echo(f"... and {len(doubts) - SHOWN:,} more.")


def _words(doubt: seals.Doubt) -> str:
    place = "not sealed" if doubt.position is None else f"position {doubt.position}"
    if doubt.event is None:
        return f"At {place}: {doubt.trouble}."
    event = doubt.event
    about = f"Event {event.event_id} ({place}"
    if event.at is None:  # it is gone
        return f"{about}): {doubt.trouble}."
    row = f" {event.table_name} {event.row_id}" if event.table_name else ""
    return f"{about}, {event.at} UTC, {event.action}{row}): {doubt.trouble}."


def _echo_head() -> seals.Seal | None:
    newest = seals.head()
    click.echo(f"{newest}." if newest else "Nothing is sealed yet.")
    return newest


def _echo_unsealed() -> None:
    events, since = seals.unsealed()
    if since:
        verb = "is" if events == 1 else "are"
        click.echo(f"{_events(events)} since {since:%Y-%m-%d %H:%M:%S} UTC {verb} not sealed yet.")


def _events(number: int) -> str:
    return number_of(number, "event")
