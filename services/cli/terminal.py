"""What commands share: asking the API, and talking with whoever sits at the terminal.

Whatever they print goes through `say`, `show_table` or `plain`: a box may name its alarm `fall`, ESC and what it likes, and a
terminal would obey that. ruff holds them to it (TID251).
"""

from __future__ import annotations

import asyncio
import codecs
import getpass
import os
import socket
import sys
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from services.chassis.settings import SettingsError

if TYPE_CHECKING:
    from services.cli.api import Api


_PIPE_WIDTH = 1_000
_BETWEEN_COLUMNS = 2


def plain(text: object) -> str:
    """The text on one line, of nothing but what is seen: what steers a terminal, or turns or hides what stands there, is spelt out.

    That is every character that Unicode does not call printable: C0, C1 and DEL, the bidirectional ones and others of no width.
    """
    words = str(text)
    return words if words.isprintable() else "".join(each if each.isprintable() else _spelt(each) for each in words)


def _spelt(character: str) -> str:
    r"""ESC → `\x1b`; one of the wider spaces is a space."""
    return " " if unicodedata.category(character) == "Zs" else character.encode("unicode_escape").decode("ascii")


def say(line: object = "", *, err: bool = False) -> None:
    """One line, whoever wrote what is in it; a line break in that begins none."""
    typer.echo(plain(line), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """A text of our own that has several."""
    for line in text.split("\n"):
        say(line, err=err)


def ask(work: Callable[[Api], Awaitable[Any]]) -> Any:
    """What the API answers. Ends the command with its words, and exit code 1, when it refuses."""
    from services.cli.api import Api, ApiError

    async def run() -> Any:
        async with Api.from_environment() as api:
            return await work(api)

    try:
        return asyncio.run(run())
    except ApiError as error:
        say(f"telecare: {error}", err=True)
        raise typer.Exit(1) from None


class _Shown:
    """What is downloaded onto a terminal, as it can be shown there. Into a pipe or a file it goes as it came: it is data."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def write(self, some: bytes) -> int:
        *lines, self._rest = (self._rest + self._decoder.decode(some)).split("\n")
        for line in lines:
            say(line.removesuffix("\r"))
        return len(some)

    def close(self) -> None:
        if self._rest:
            say(self._rest)


def download(path: str, file: Path | None, **query: str | int | None) -> int:
    """What is answered, into `file` or else onto standard output; how many bytes. Whoever finds the file finds all of it."""
    if file is None:
        with closing(_Shown()) if sys.stdout.isatty() else nullcontext(sys.stdout.buffer) as out:
            return int(ask(lambda api: api.download(path, out, **query)))
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
    """The rows under the names; nothing for None, and times to the minute. Where a terminal is too narrow, a block for each row.

    So no id is folded: in pieces it can't be given to the next command.
    """
    cells = [[_cell(each) for each in row] for row in rows]
    # In a pipe nothing has a width, and a row is a line.
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    if cells and width is None and _width(names, cells) > console.width:
        for row in cells:
            for line in _block(names, row, console.width):
                say(line)
        return
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else plain(value)


def _width(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Of the table, each cell on one line."""
    columns = zip(names, *rows, strict=True)
    return sum(max(map(cell_len, column)) + _BETWEEN_COLUMNS for column in columns) - _BETWEEN_COLUMNS


def _block(names: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    """Its first cell on a line, then as many of the others as a line holds; one that is longer is left to the terminal."""
    first, *others = [f"{name} {cell}" for name, cell in zip(names, row, strict=True) if cell] or [""]
    yield first
    line = ""
    for each in others:
        if line and cell_len(f"{line} · {each}") > width:
            yield line
            line = ""
        line = f"{line} · {each}" if line else f"  {each}"
    if line:
        yield line


def whoever_is_here() -> str:
    """Who is at this terminal, for the audit log: what goes straight into the database bears no token's name."""
    try:
        return f"{getpass.getuser()} at {socket.gethostname()}"[:200]
    except (OSError, KeyError):  # a user id without a name
        return f"user {os.getuid()} at {socket.gethostname()}"[:200]
