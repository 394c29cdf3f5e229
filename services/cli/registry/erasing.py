"""`telecare device erase` and `telecare device erasures`."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.terminal import ask, say, segment, show_table

_EVERYTHING = ["installation_ref", "notes", "text", "operator_notes"]


def erase_device(
    device_id: str,
    *,
    reason: Annotated[str, typer.Option(help="Why; nobody's name.")],
    what: Annotated[
        list[str] | None, typer.Option(help=f"{' | '.join(_EVERYTHING)}; repeatable. Without it: all.")
    ] = None,
) -> None:
    """Erase what is about a person. What happened, when, and who did it stays."""
    body = {"what": what or _EVERYTHING, "reason": reason}
    erasure = ask(lambda api: api.call("POST", f"/api/v1/devices/{segment(device_id)}/erase", body))
    say(f"{erasure['erasure_id']} is {erasure['state']}: `telecare device erasures {device_id}` tells when it is done")


def list_erasures(device_id: str) -> None:
    """What was to be erased of a device, and how far that is."""
    found = ask(lambda api: api.every(f"/api/v1/devices/{segment(device_id)}/erasures"))
    names = ["erasure_id", "asked_at", "asked_by", "what", "state", "waits_for", "done_at"]
    rows = [[",".join(each["what"]) if name == "what" else each[name] for name in names] for each in found]
    show_table([name.replace("_", " ") for name in names], rows)
