"""What commands share: asking the API, and talking with whoever sits at the terminal."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from services.chassis.settings import SettingsError

if TYPE_CHECKING:
    from services.cli.api import Api


_PIPE_WIDTH = 1_000


def ask(work: Callable[[Api], Awaitable[Any]]) -> Any:
    """What the API answers. Ends the command with its words, and exit code 1, when it refuses."""
    from services.cli.api import Api, ApiError

    async def run() -> Any:
        async with Api.from_environment() as api:
            return await work(api)

    try:
        return asyncio.run(run())
    except ApiError as error:
        typer.echo(f"telecare: {error}", err=True)
        raise typer.Exit(1) from None


def download(path: str, file: Path | None, **query: str | int | None) -> int:
    """What is answered, into `file` or else onto standard output; how many bytes. Whoever finds the file finds all of it."""
    if file is None:
        return int(ask(lambda api: api.download(path, sys.stdout.buffer, **query)))
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as body:
            written = int(ask(lambda api: api.download(path, body, **query)))
        part.replace(file)
    except OSError as error:
        raise SettingsError(f"{file} can't be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink()
    return written


def read(prompt: str, *, hidden: bool = False) -> str:
    """What is typed, or comes in a line of standard input: neither the process list nor a shell's history gets to know it."""
    if sys.stdin.isatty():
        typed: str = typer.prompt(prompt, hide_input=hidden)
        return typed.strip()
    return sys.stdin.readline().strip()


def segment(text: str) -> str:
    """One segment of a path, whatever a person typed: `X/claim?` is a bad id, not the way to another route."""
    return quote(text, safe="")


def show_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The rows under the names; nothing for None, and times to the minute."""
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")  # an id that is cut short can't be given to the next command
    for row in rows:
        table.add_row(
            *(
                "" if cell is None else f"{cell:%Y-%m-%d %H:%M}" if isinstance(cell, datetime) else str(cell)
                for cell in row
            )
        )
    # In a pipe nothing has a width, and a row is a line.
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)


def whoever_is_here() -> str:
    """Who is at this terminal, for the audit log: what goes straight into the database bears no token's name."""
    try:
        return f"{getpass.getuser()} at {socket.gethostname()}"[:200]
    except (OSError, KeyError):  # a user id without a name
        return f"user {os.getuid()} at {socket.gethostname()}"[:200]
