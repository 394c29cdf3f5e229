"""`telecare token|hub|council|device …`: the registry from a terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from contracts.access import Role
from services.chassis.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from services.cli.api import Api

token_app = typer.Typer(no_args_is_help=True, help="Access tokens: made, listed, revoked. Straight in the database.")
hub_app = typer.Typer(no_args_is_help=True, help="Telecare hubs and their channels.")
council_app = typer.Typer(no_args_is_help=True, help="Councils, and which hubs take their alarms.")
device_app = typer.Typer(no_args_is_help=True, help="Devices: registered, listed, put live.")


@token_app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="Whose it is: the actor in every history.")],
    *,
    role: Annotated[str, typer.Option(help=" | ".join(get_args(Role)))],
    hub: Annotated[str | None, typer.Option(help="The hub of a hub's token.")] = None,
    council: Annotated[list[str] | None, typer.Option(help="Limit an engineer to this council; repeatable.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Valid for so many days.")] = None,
) -> None:
    """Make a token. It is printed once and stored hashed."""
    from services.registry.tokens import create_token as create

    if role not in get_args(Role):
        raise SettingsError(f"--role {role}: give one of {', '.join(get_args(Role))}")
    now = datetime.now(UTC)

    async def work(connection: Any) -> str:
        return await create(
            connection,
            name=name,
            role=cast(Role, role),
            hub_id=hub,
            councils=council or None,
            now=now,
            expires_at=now + timedelta(days=days) if days else None,
        )

    typer.echo(_in_database(work))


@token_app.command("list")
def list_tokens() -> None:
    """All tokens ever made; never the tokens themselves."""
    from services.registry.tokens import list_tokens as every

    rows = _in_database(every)
    _table(
        ["name", "role", "hub", "councils", "created", "expires", "revoked"],
        [
            [
                each.name,
                each.role,
                each.hub_id,
                ",".join(each.councils or []),
                each.created_at,
                each.expires_at,
                each.revoked_at,
            ]
            for each in rows
        ],
    )


@token_app.command("revoke")
def revoke_token(token: Annotated[str, typer.Argument(help="Its name or its id.")]) -> None:
    """Revoke a token: refused everywhere within seconds."""
    from services.registry.tokens import revoke_token as revoke

    count = _in_database(lambda connection: revoke(connection, token, now=datetime.now(UTC)))
    if not count:
        raise SettingsError(f"there is no valid token {token!r}: `telecare token list` shows all")
    typer.echo(f"revoked {count}")


@hub_app.command("list")
def list_hubs() -> None:
    """Hubs, newest first."""
    hubs = _ask(lambda api: api.every("/api/v1/hubs"))
    _table(
        ["hub", "name", "channels"],
        [[hub["hub_id"], hub["name"], ", ".join(_channel(each) for each in hub["channels"])] for hub in hubs],
    )


@hub_app.command("put")
def put_hub(
    hub_id: str,
    *,
    name: Annotated[str, typer.Option()],
    webhook: Annotated[str | None, typer.Option(help="Its URL; the whsec_ secret is read from standard input.")] = None,
    mqtt: Annotated[bool, typer.Option(help="Tell it by MQTT.")] = False,
    verified: Annotated[bool, typer.Option(help="You have made sure that its channels reach it.")] = False,
) -> None:
    """Make a hub, or make it as told: channels that are not named are removed."""
    channels: list[dict[str, Any]] = []
    if webhook:
        secret = (
            typer.prompt("secret (whsec_…)", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
        )
        channels.append({"kind": "webhook", "url": webhook} | ({"secret": secret} if secret else {}))
    if mqtt:
        channels.append({"kind": "mqtt"})
    if verified:
        channels = [{**each, "verified": True} for each in channels]
    _ask(lambda api: api.call("PUT", f"/api/v1/hubs/{_segment(hub_id)}", {"name": name, "channels": channels}))
    typer.echo(f"{hub_id} has {len(channels)} channel(s){'' if verified else ', which count once verified'}")


@council_app.command("list")
def list_councils() -> None:
    """The 32 councils and who takes their alarms."""
    councils = _ask(lambda api: api.every("/api/v1/councils"))
    _table(
        ["council", "name", "hubs"], [[each["council_id"], each["name"], " → ".join(each["hubs"])] for each in councils]
    )


@council_app.command("route")
def route_council(
    council_id: str, hubs: Annotated[list[str], typer.Argument(help="In the order in which they are told.")]
) -> None:
    """Send a council's alarms to these hubs."""
    _ask(lambda api: api.call("PUT", f"/api/v1/councils/{_segment(council_id)}/routing", {"hubs": hubs}))
    typer.echo(f"{council_id} → {' → '.join(hubs)}")


@device_app.command("list")
def list_devices(council: str | None = None, stage: str | None = None, q: str | None = None) -> None:
    """Devices, newest first."""
    devices = _ask(lambda api: api.every("/api/v1/devices", council=council, stage=stage, q=q))
    names = ["device_id", "council_id", "serial", "model", "postcode_district", "stage"]
    _table([name.replace("_", " ") for name in names], [[device[name] for name in names] for device in devices])


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
    device = _ask(lambda api: api.call("POST", "/api/v1/devices", body))
    typer.echo(f"{device['device_id']} is {device['stage']}")


@device_app.command("move")
def move_device(
    device_id: str,
    move: Annotated[str, typer.Argument(help="claim | install | commission | go-live | suspend | resume | withdraw")],
    reason: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Move a device to another stage of its life."""
    device = _ask(
        lambda api: api.call("POST", f"/api/v1/devices/{_segment(device_id)}/{_segment(move)}", {"reason": reason})
    )
    typer.echo(f"{device_id} is {device['stage']}")


def _segment(text: str) -> str:
    """One segment of a path, whatever a person typed: `X/claim?` is a bad id, not the way to another route."""
    return quote(text, safe="")


def _channel(channel: dict[str, Any]) -> str:
    return f"{channel['kind']}{'' if channel['verified'] else ' (not verified)'}"


def _ask(work: Callable[[Api], Awaitable[Any]]) -> Any:
    from services.cli.api import Api, ApiError

    async def run() -> Any:
        async with Api.from_environment() as api:
            return await work(api)

    try:
        return asyncio.run(run())
    except ApiError as error:
        typer.echo(f"telecare: {error}", err=True)
        raise typer.Exit(1) from None


def _in_database(work: Callable[[Any], Awaitable[Any]]) -> Any:
    from services.chassis.postgres.migrate import missing
    from services.chassis.postgres.pool import connect
    from services.registry.tokens import TokenError

    async def run() -> Any:
        url = load_settings().database_url.get_secret_value()
        if names := await missing(url):
            raise SettingsError(
                f"the database lacks {len(names)} migration(s), {names[0]} first: run `telecare migrate`"
            )
        connection = await connect(url, name="token", role="telecare_registry")
        try:
            return await work(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(run())
    except TokenError as error:
        typer.echo(f"telecare: {error}", err=True)
        raise typer.Exit(1) from None


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name)
    for row in rows:
        table.add_row(
            *(
                "" if cell is None else f"{cell:%Y-%m-%d %H:%M}" if isinstance(cell, datetime) else str(cell)
                for cell in row
            )
        )
    Console(highlight=False, soft_wrap=True).print(table)
