"""`telecare grafana …`: straight in the database, for a login there is what it makes."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.chassis.settings import SettingsError
from services.cli.registry.in_database import in_database
from services.cli.terminal import say

grafana_app = typer.Typer(no_args_is_help=True, help="What Grafana needs of us. Straight in the database.")

_SHORTEST = 16  # characters


@grafana_app.command("login")
def login(
    *,
    name: Annotated[str, typer.Option(help="As the data source names its user.")] = "grafana",
    password_file: Annotated[
        Path | None,
        typer.Option(
            help="Whose first line is to be its password; - is standard input. Default: a new one, printed once."
        ),
    ] = None,
) -> None:
    """Make Grafana's login, which reads figures and nothing else. Again: another password."""
    from services.registry.grafana import LoginRefusedError, give_login, scram_verifier

    password = secrets.token_urlsafe(32) if password_file is None else _first_line(password_file)
    if len(password) < _SHORTEST:
        raise SettingsError(f"--password-file: give at least {_SHORTEST} characters in its first line")
    try:
        verifier = scram_verifier(password, salt=secrets.token_bytes(16))
    except ValueError as error:
        raise SettingsError(f"--password-file: {error}") from None

    async def work(connection: Any) -> str | None:
        return await give_login(connection, name, verifier)

    try:
        for_superuser = in_database(work, role=None)
    except LoginRefusedError as error:
        say(f"telecare: {error}", err=True)
        raise typer.Exit(1) from None
    if password_file is None:
        say(password)
    say(f"{name} may log in and read figures", err=True)
    if for_superuser is not None:
        say(f"it can fill the disk by the server's log until the database's superuser runs: {for_superuser}", err=True)


def _first_line(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.readline().strip()
    try:
        return file.read_text().partition("\n")[0].strip()
    except OSError as error:
        raise SettingsError(f"--password-file {file}: {error.strerror}") from None
