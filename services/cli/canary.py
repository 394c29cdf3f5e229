"""`telecare canary …`: sets up and runs what presses a test pendant every minute, and says how soon its hub was told."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from contracts.ids import CANARY, CouncilId, DeviceId
from services.chassis.settings import SettingsError
from services.cli.terminal import ask, say, segment

if TYPE_CHECKING:
    from services.chassis.mqtt import MqttUrl
    from services.cli.api import Api

canary_app = typer.Typer(no_args_is_help=True, help="The canary: the whole way of an alarm, tried every minute.")

_File = Annotated[Path, typer.Option("--file", help="Who it is to the broker; for its owner's eyes only.")]
_FILE = Path("canary.json")
_EXCHANGE_S = 60.0


@canary_app.command("set-up")
def set_up(
    *,
    mqtt_url: Annotated[
        str, typer.Option(envvar="TELECARE_MQTT_URL", show_envvar=True, help="The broker, as the canary reaches it.")
    ],
    shard: Annotated[
        list[str] | None,
        typer.Option(help="A shard of alarms; NAME=COUNCIL where it hears only some councils. Default: alarms."),
    ] = None,
    own_users: Annotated[
        bool | None,
        typer.Option(
            "--own-users/--no-own-users",
            help="Whether the broker keeps a register of users. Default: if TELECARE_MQTT_ADMIN_URL is set.",
            show_default=False,
        ),
    ] = None,
    file: _File = _FILE,
) -> None:
    """Put the canary's hub and devices on the register, and write who they are to the broker. Again: new credentials."""
    from services.canary.identity import CanaryDevice, CanaryIdentity
    from services.chassis.mqtt import MqttUrl

    try:
        url = MqttUrl.parse(mqtt_url)
    except ValueError as error:
        raise SettingsError(f"the MQTT URL is not usable: {error}") from None
    shards = dict(each.partition("=")[::2] for each in shard or ["alarms"])

    with_users = bool(os.environ.get("TELECARE_MQTT_ADMIN_URL")) if own_users is None else own_users

    async def make(api: Api) -> CanaryIdentity:
        await api.call("PUT", f"/api/v1/hubs/{CANARY}", _hub())
        await api.call("PUT", f"/api/v1/councils/{CANARY}/routing", {"hubs": [CANARY]})
        devices = []
        for name, council in shards.items():
            device_id = f"{CANARY}-{name}"
            await _device(api, device_id)
            own_url = await _user_of_device(api, url, device_id) if with_users else mqtt_url
            devices.append(
                CanaryDevice(
                    shard=name,
                    council_id=CouncilId(council or CANARY),
                    device_id=DeviceId(device_id),
                    mqtt_url=own_url,
                )
            )
        return CanaryIdentity(hub_mqtt_url=await _user_of_hub(api, url) if with_users else mqtt_url, devices=devices)

    identity: CanaryIdentity = ask(make)
    identity.write(file)
    say(f"{file} is written: `telecare canary run --file {file}` presses {', '.join(shards)} every minute")


@canary_app.command("run")
def run_canary(
    *,
    file: _File = _FILE,
    host: Annotated[str, typer.Option(help="Where /metrics is served.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 9466,
    cert: Annotated[Path | None, typer.Option(help="/metrics by TLS: a chain of certificates, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    tls_elsewhere: Annotated[
        str,
        typer.Option(envvar="TELECARE_TLS_ELSEWHERE", metavar="http,broker", help="What something else protects."),
    ] = "",
    every: Annotated[float, typer.Option(min=0.1, metavar="60", help="Seconds between presses of one pendant.")] = 60.0,
    log_format: Annotated[str, typer.Option(envvar="TELECARE_LOG_FORMAT", metavar="console|json")] = "console",
) -> None:
    """Press, listen, and serve what came of it to Prometheus, until stopped."""
    from services.canary.exposure import protected
    from services.canary.identity import CanaryIdentity
    from services.canary.metered import Metered
    from services.canary.run import run
    from services.chassis.logging import configure_logging

    identity = CanaryIdentity.read(file)
    metered = Metered(host, port, cert, key)
    protected(identity, metered, tls_elsewhere)
    configure_logging("json" if log_format == "json" else "console", "info")
    stop = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda _number, _frame: stop.set())
    run(identity, metered, every_s=every, stop=stop)


def _hub() -> dict[str, Any]:
    return {"name": "Canary", "channels": [{"kind": "mqtt", "verified": True}]}


async def _device(api: Api, device_id: str) -> None:
    body = {"device_id": device_id, "council_id": CANARY, "serial": device_id, "model": "canary"}
    await api.call("POST", "/api/v1/devices", body)


async def _user_of_hub(api: Api, url: MqttUrl) -> str:
    made = await api.call("POST", f"/api/v1/hubs/{CANARY}/broker-user")
    return _with_user(url, made["username"], made["password"])


async def _user_of_device(api: Api, url: MqttUrl, device_id: str) -> str:
    """As any box comes by its own: by a claim that it exchanges at the broker."""
    from services.simulator.provisioning import provision

    claim = await api.call("POST", f"/api/v1/devices/{segment(device_id)}/claim")
    try:
        async with asyncio.timeout(_EXCHANGE_S):
            made = await provision(url, device_id, claim["claim"]["code"])
    except TimeoutError:
        raise SettingsError(
            f"the broker at {url.host}:{url.port} did not exchange {device_id}'s claim: `telecare doctor`"
        ) from None
    return _with_user(made, made.username or "", made.password or "")


def _with_user(url: MqttUrl, username: str, password: str) -> str:
    scheme = "mqtts" if url.tls else "mqtt"
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{scheme}://{quote(username, safe='')}:{quote(password, safe='')}@{host}:{url.port}"
