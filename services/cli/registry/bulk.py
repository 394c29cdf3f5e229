"""`telecare device import|export`: many devices at once, as a spreadsheet's file."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from services.chassis.settings import SettingsError
from services.cli.terminal import ask, download, plain, say

if TYPE_CHECKING:
    from services.cli.api import Api

_SHOWN = 20


def import_devices(
    file: Annotated[
        Path, typer.Argument(help="CSV in UTF-8 with a header row; `-` is standard input.", allow_dash=True)
    ],
    *,
    dry_run: Annotated[bool, typer.Option(help="Say what would happen, and store nothing.")] = False,
    good: Annotated[bool, typer.Option(help="Store the rows in which nothing is wrong, not all or nothing.")] = False,
    update: Annotated[bool, typer.Option(help="Change devices that are registered otherwise.")] = False,
) -> None:
    """Register the devices of a file; the same file again changes nothing. Exit code 1 if a row is wrong."""
    from services.cli.api import ApiError

    async def send(api: Api) -> dict[str, Any]:
        with _opened(file) as body:
            try:
                answer: dict[str, Any] = await api.upload(
                    "/api/v1/devices/import",
                    body,
                    dry_run="true" if dry_run else None,
                    mode="good" if good else "all",
                    update="true" if update else None,
                )
            except ApiError as error:
                if "errors_total" not in error.problem:
                    raise
                return error.problem
        return answer

    answer = ask(send)
    _show_errors(answer["errors"], answer["errors_total"])
    refused = "status" in answer
    would = "would be " if dry_run else ""
    told = ", ".join(f"{answer[name]:,} {would}{name}" for name in ("created", "updated"))
    say(f"{answer['rows']:,} rows: {told}, {answer['unchanged']:,} unchanged, {answer['refused']:,} wrong")
    if refused:
        say("telecare: nothing was stored", err=True)
    if answer["errors_total"]:
        raise typer.Exit(1)


def _opened(file: Path) -> BinaryIO:
    """To be sent, read from its beginning. Raises SettingsError for one that cannot be."""
    try:
        return BytesIO(sys.stdin.buffer.read()) if str(file) == "-" else file.open("rb")
    except OSError as error:
        otherwise = f"where only you may read it: telecare device import - <{file}"
        raise SettingsError(f"{file} can't be read: {error.strerror}; {otherwise}") from None


def export_devices(
    file: Annotated[Path | None, typer.Argument(help="Where to; else standard output.")] = None,
    *,
    council: str | None = None,
    stage: str | None = None,
    q: str | None = None,
) -> None:
    """The devices as a CSV file that a spreadsheet opens, and that can be imported again."""
    sought = {"council": council, "stage": stage, "q": q}
    download("/api/v1/devices/export", file, **sought)


def _show_errors(errors: Sequence[dict[str, Any]], total: int) -> None:
    writer = csv.writer(sys.stderr)
    for each in errors[:_SHOWN]:
        writer.writerow([f"line {each['line']}", *(plain(each[name]) for name in ("cell", "column", "message"))])
    if total > min(len(errors), _SHOWN):
        say(f"… and {total - min(len(errors), _SHOWN):,} more", err=True)
