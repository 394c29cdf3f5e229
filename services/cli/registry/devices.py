"""`telecare device …`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.cli.registry.terminal import ask, segment, show_table

device_app = typer.Typer(no_args_is_help=True, help="Devices: registered, listed, put live.")


@device_app.command("list")
def list_devices(council: str | None = None, stage: str | None = None, q: str | None = None) -> None:
    """Devices, newest first."""
    devices = ask(lambda api: api.every("/api/v1/devices", council=council, stage=stage, q=q))
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
    typer.echo(f"{device['device_id']} is {device['stage']}")
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
    typer.echo(f"{device_id} is {device['stage']}")
    _show_claim(device)


def _show_claim(device: dict[str, Any]) -> None:
    """To be given to the unit now: nobody can show it again."""
    if claim := device.get("claim"):
        typer.echo(f"claim, until {claim['expires_at']}: {claim['code']}   (as {claim['username']})")
    elif problem := device.get("claim_problem"):
        typer.echo(f"no claim: {problem}")


@device_app.command("move")
def move_device(
    device_id: str,
    move: Annotated[str, typer.Argument(help="claim | install | commission | go-live | suspend | resume | withdraw")],
    reason: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Move a device to another stage of its life."""
    device = ask(
        lambda api: api.call("POST", f"/api/v1/devices/{segment(device_id)}/{segment(move)}", {"reason": reason})
    )
    typer.echo(f"{device_id} is {device['stage']}")
