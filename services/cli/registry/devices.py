"""`telecare device …`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.cli.terminal import ask, say, segment, show_table

Unsaid = Annotated[str | None, typer.Option()]

device_app = typer.Typer(no_args_is_help=True, help="Devices: registered, listed, put live.")


@device_app.command("list")
def list_devices(
    council: str | None = None,
    stage: str | None = None,
    q: str | None = None,
    *,
    overridden: Annotated[bool, typer.Option(help="Only those that went live on somebody's word.")] = False,
) -> None:
    """Devices, newest first."""
    sought = {"council": council, "stage": stage, "q": q, "overridden": "true" if overridden else None}
    devices = ask(lambda api: api.every("/api/v1/devices", **sought))
    names = ["device_id", "council_id", "serial", "model", "postcode_district", "stage"]
    show_table([name.replace("_", " ") for name in names], [[device[name] for name in names] for device in devices])


@device_app.command("register")
def register_device(
    device_id: str,
    *,
    council: Annotated[str, typer.Option()],
    serial: Annotated[str, typer.Option()],
    model: Annotated[str, typer.Option()],
    district: Annotated[str | None, typer.Option(help="Postcode district, such as G31.")] = None,
    operator: Annotated[str | None, typer.Option(help="PLMN of its SIM, such as 23410.")] = None,
    installation: Annotated[str | None, typer.Option(help="The hub's own reference; no name, no address.")] = None,
) -> None:
    """Register a device; the same again changes nothing."""
    body = {
        "device_id": device_id,
        "council_id": council,
        "serial": serial,
        "model": model,
        "postcode_district": district,
        "sim_operator": operator,
        "installation_ref": installation,
    }
    device = ask(lambda api: api.call("POST", "/api/v1/devices", body))
    say(f"{device['device_id']} is {device['stage']}")
    _show_claim(device)


@device_app.command("claim")
def claim_device(
    device_id: str,
    minutes: Annotated[int, typer.Option(min=1, max=10080, help="How long it shall be good.")] = 60,
    reason: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Claim a device, or claim it again: prints a new one-time code, and the one before is void."""
    body = {"reason": reason, "lives_s": minutes * 60}
    device = ask(lambda api: api.call("POST", f"/api/v1/devices/{segment(device_id)}/claim", body))
    say(f"{device_id} is {device['stage']}")
    _show_claim(device)


def _show_claim(device: dict[str, Any]) -> None:
    """To be given to the unit now: nobody can show it again."""
    if claim := device.get("claim"):
        say(f"claim, until {claim['expires_at']}: {claim['code']}   (as {claim['username']})")
    elif problem := device.get("claim_problem"):
        say(f"no claim: {problem}")


@device_app.command("show")
def show_device(device_id: str) -> None:
    """All that is known of a device, and its history, newest first."""
    device = ask(lambda api: api.call("GET", f"/api/v1/devices/{segment(device_id)}"))
    history = device.pop("history")
    for name, value in device.items():
        if value is not None:
            say(f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")
    say("")
    names = ["at", "actor", "change", "reason"]
    show_table(names, [[line[name] for name in names] for line in history])


@device_app.command("change")
def change_device(
    device_id: str,
    *,
    council: Unsaid = None,
    serial: Unsaid = None,
    model: Unsaid = None,
    district: Unsaid = None,
    operator: Unsaid = None,
    iccid: Unsaid = None,
    installation: Unsaid = None,
    analogue: Annotated[str | None, typer.Option(help="The council's number of the analogue unit it replaces.")] = None,
    sole_trigger: Annotated[str | None, typer.Option(help="The only peripheral that calls.")] = None,
    notes: Annotated[str | None, typer.Option(help="Of the box, never of a person.")] = None,
) -> None:
    """Change what is known of a device; an empty text clears it."""
    told = {
        "council_id": council,
        "serial": serial,
        "model": model,
        "postcode_district": district,
        "sim_operator": operator,
        "iccid": iccid,
        "installation_ref": installation,
        "replaces_analogue": analogue,
        "sole_trigger": sole_trigger,
        "notes": notes,
    }
    body = {name: value or None for name, value in told.items() if value is not None}
    ask(lambda api: api.call("PATCH", f"/api/v1/devices/{segment(device_id)}", body))
    say(f"{device_id} is changed")


@device_app.command("replace")
def replace_device(
    device_id: str,
    successor: str,
    *,
    serial: Annotated[str | None, typer.Option(help="Of the successor, to put it on the register too.")] = None,
    model: Annotated[str | None, typer.Option(help="Likewise.")] = None,
    reason: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Withdraw a device and let another take its place: its home's council, district and reference."""
    told = {"device_id": successor, "serial": serial, "model": model, "reason": reason}
    body = {name: value for name, value in told.items() if value is not None}
    answer = ask(lambda api: api.call("POST", f"/api/v1/devices/{segment(device_id)}/replace", body))
    say(f"{device_id} is withdrawn; {successor}, {answer['successor']['stage']}, stands in its place")


@device_app.command("move")
def move_device(
    device_id: str,
    move: Annotated[
        str,
        typer.Argument(
            help="register | claim | install | commission | go-live | suspend | resume | withdraw | reinstate"
        ),
    ],
    reason: Annotated[str | None, typer.Option()] = None,
    *,
    override: Annotated[bool, typer.Option(help="go-live on your word, though its checklist is not complete.")] = False,
    until: Annotated[str | None, typer.Option(help="suspend: the end that is expected, 2026-12-24T12:00Z.")] = None,
) -> None:
    """Move a device to another stage of its life."""
    body: dict[str, Any] = {"reason": reason}
    if override:
        body["override"] = True
    if until is not None:
        body["until"] = until
    device = ask(lambda api: api.call("POST", f"/api/v1/devices/{segment(device_id)}/{segment(move)}", body))
    say(f"{device_id} is {device['stage']}")
