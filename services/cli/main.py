"""The table of subcommands. Each imports what it needs when it runs: *measured*, half of the time for `telecare --help`."""

from __future__ import annotations

import asyncio
import importlib
import math
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.chassis.settings import Settings, SettingsError, load_settings
from services.cli.alarms import alarm_app
from services.cli.audit import audit_app
from services.cli.canary import canary_app
from services.cli.registry import (
    broker_app,
    council_app,
    device_app,
    grafana_app,
    hub_app,
    model_app,
    responder_app,
    rollout_app,
    token_app,
)
from services.cli.terminal import say, say_lines

if TYPE_CHECKING:
    from services.chassis.run import Build

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Takes alarms and heartbeats from digital telecare devices and routes every alarm to a hub until a person has it.",
    pretty_exceptions_show_locals=False,
)

SERVICES = ("ingest", "alerts", "registry")
_BOXES = 50

app.add_typer(alarm_app, name="alarm")
app.add_typer(token_app, name="token")
app.add_typer(hub_app, name="hub")
app.add_typer(council_app, name="council")
app.add_typer(responder_app, name="responder")
app.add_typer(device_app, name="device")
app.add_typer(model_app, name="model")
app.add_typer(rollout_app, name="rollout")
app.add_typer(audit_app, name="audit")
app.add_typer(broker_app, name="broker")
app.add_typer(canary_app, name="canary")
app.add_typer(grafana_app, name="grafana")

Share = Annotated[float, typer.Option(min=0.0, max=1.0, metavar="0.05", help="A share of boxes or messages.")]
For = Annotated[
    str | None, typer.Option("--for", metavar="20s", help="End by itself after this long; the demo with a summary.")
]


def main() -> None:
    """Run the command line. What a person can put right ends it with one line: exit code 2 for a setting, else 1."""
    try:
        app()
    except SettingsError as error:
        say(f"telecare: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:  # before anything ran that handles it
        sys.exit(130)
    except Exception as error:
        from services.cli.trouble import explain

        told = explain(error)
        if told is None:
            raise
        say_lines(f"telecare: {told}", err=True)
        sys.exit(1)


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date. Safe to run again, and by several at once."""
    from services.chassis.postgres.migrate import migrate as apply

    settings = _settings()
    applied = _run(apply(settings.database_url.get_secret_value()))
    for name in applied:
        say(f"applied {name}")
    say("the database is up to date")


@app.command()
def up(
    *,
    embedded: Annotated[bool, typer.Option(help="Start a broker and a database of our own, on loopback.")] = False,
    demo: Annotated[bool, typer.Option(help="With a demo hub and a simulated fleet, shown live.")] = False,
    boxes: Annotated[
        int | None, typer.Option(min=1, max=500, help="Devices of the demo's fleet.", show_default=str(_BOXES))
    ] = None,
    for_: For = None,
) -> None:
    """Run ingest, alerts and registry in one process."""
    if (demo or for_) and not embedded:
        raise SettingsError(
            "--demo and --for need --embedded: the demo writes made-up devices, never into a real database"
        )
    if boxes is not None and not demo:
        raise SettingsError("--boxes needs --demo: without it there are no made-up devices")
    if not embedded:
        _settings()  # before the imports, which take a second: whoever forgot one is told at once
    from services.cli.up import up as run_up

    fleet = boxes or _BOXES
    sys.exit(_run(run_up(embedded=embedded, demo=demo, boxes=fleet, seconds=_seconds(for_), builds=builds(SERVICES))))


@app.command()
def simulate(
    *,
    boxes: Annotated[int, typer.Option(min=1, help="Above 500, the others share connections and only live.")] = 50,
    for_: Annotated[str | None, typer.Option("--for", metavar="60s", help="Without it: until Ctrl-C.")] = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between heartbeats of a box.")] = 60.0,
    power_cut: Annotated[str | None, typer.Option(metavar="G31", help="Mains lost in this postcode district.")] = None,
    operator_outage: Annotated[str | None, typer.Option(metavar="23410", help="SIMs of this operator go away.")] = None,
    flapping: Share = 0.0,
    malformed: Share = 0.0,
    duplicate: Share = 0.0,
    lost_receipts: Share = 0.0,
    clock_skew: Share = 0.0,
    no_entropy: Share = 0.0,
    qos_0: Share = 0.0,
    provision: Annotated[
        bool,
        typer.Option(
            "--provision",
            help="Register the boxes (TELECARE_API_URL, TELECARE_API_TOKEN) and let each fetch a credential of its own, "
            "for a broker that keeps a register of users.",
        ),
    ] = False,
    credentials: Annotated[
        Path | None,
        typer.Option(
            help="With --provision: keep them in this file, for its owner's eyes only, and use what is in it."
        ),
    ] = None,
) -> None:
    """Run a fleet of simulated devices against TELECARE_MQTT_URL. Exit code 0 only if every alarm was stored."""
    from services.chassis.exposure import protected
    from services.chassis.mqtt import MqttUrl
    from services.cli.own_users import own_users
    from services.simulator.simulate import SimulateOptions
    from services.simulator.simulate import simulate as run

    if credentials is not None and not provision:
        raise SettingsError("simulate --credentials FILE is for --provision")
    mqtt_url = _configured(protected(load_settings(), own_users=provision)).mqtt_url.get_secret_value()
    try:
        url = MqttUrl.parse(mqtt_url)
    except ValueError as error:
        raise SettingsError(f"TELECARE_MQTT_URL is not usable: {error}") from None
    try:
        options = SimulateOptions(
            mqtt_url=mqtt_url,
            boxes=boxes,
            for_s=_seconds(for_),
            heartbeat_interval_s=interval,
            power_cut=power_cut,
            operator_outage=operator_outage,
            flapping=flapping,
            malformed=malformed,
            duplicate=duplicate,
            lost_receipts=lost_receipts,
            clock_skew=clock_skew,
            no_entropy=no_entropy,
            qos_0=qos_0,
        )
    except ValueError as error:
        raise SettingsError(f"simulate: {error}") from None
    if provision:
        options = replace(options, own_urls=own_users(url, boxes, credentials))
    summary = _run(run(options, say))
    sys.exit(0 if summary.is_good else 1)


@app.command()
def doctor() -> None:
    """Check database, broker, clocks and settings, and say what to do about each finding. Exit code 1 if one is wrong."""
    from services.cli.doctor import examine

    sys.exit(_run(examine(_configured(load_settings()))))


@app.command()
def runbooks() -> None:
    """Print the page that links in alerts lead to, as HTML for the reverse proxy."""
    from services.cli.runbooks import page

    sys.stdout.write(page())


@app.command()
def ingest() -> None:
    """Run only ingest: devices → database."""
    _run_services("ingest")


@app.command()
def alerts() -> None:
    """Run only alerts: alarms → people."""
    _run_services("alerts")


@app.command()
def registry() -> None:
    """Run only the registry: councils, hubs, devices."""
    _run_services("registry")


def builds(names: Sequence[str]) -> list[Build]:
    """The `build` of each service; only here are services chosen by name."""
    return [importlib.import_module(f"services.{name}.service").build for name in names]


def _run_services(*names: str) -> None:
    settings = _settings()  # before the imports, which take a second: whoever forgot one is told at once
    from services.chassis.run import run_until_stopped

    _run(run_until_stopped(settings, builds(names)))


def _settings(**overrides: object) -> Settings:
    """Of whatever connects to something: never in clear over a network."""
    from services.chassis.exposure import protected

    return _configured(protected(load_settings(**overrides)))


def _configured(settings: Settings) -> Settings:
    from services.chassis.logging import configure_logging

    configure_logging(settings.log_format, settings.log_level)
    return settings


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _seconds(text: str | None) -> float | None:
    """`20s`, `2m`, `90` → seconds."""
    if text is None:
        return None
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, factor = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        seconds = float(number) * factor
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < math.inf:
        raise SettingsError(f"--for {text}: give a number of seconds like 20s, or 2m")
    return seconds


def telecare_version() -> str:
    from importlib.metadata import version

    return version("telecare")
