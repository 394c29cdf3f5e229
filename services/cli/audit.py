"""`telecare audit export`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from services.chassis.settings import SettingsError
from services.cli.terminal import say

audit_app = typer.Typer(
    no_args_is_help=True, help="The audit log: who did what, and who looked at what is about a person."
)


@audit_app.callback()
def _audit() -> None: ...


@audit_app.command("export")
def export(
    *,
    since: Annotated[
        str | None, typer.Option("--from", metavar="2026-11-01", help="A day, or an RFC 3339 time.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="2026-12-01", help="Up to, and without, this day or time.")
    ] = None,
    who: Annotated[str | None, typer.Option(help="A token's name, or an operator's.")] = None,
    subject: Annotated[str | None, typer.Option(help="The id of a device, an alarm, a hub, …")] = None,
    out: Annotated[Path | None, typer.Option(help="A file; without it, standard output.")] = None,
) -> None:
    """The audit log as CSV, newest first. The export itself is a row of it."""
    from services.cli.terminal import download

    sought = {"from": _time(since), "to": _time(until), "who": who, "subject": subject, "format": "csv"}
    written = download("/api/v1/audit", out, **sought)
    if out is not None:
        say(f"{out}: {written:,} bytes", err=True)


def _time(text: str | None) -> str | None:
    """A day is its first instant in UTC."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is no time: write a day as 2026-11-01, or an RFC 3339 time") from None
    return time.isoformat() if time.tzinfo else f"{time.isoformat()}Z"
