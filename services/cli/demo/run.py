"""From nothing to a fleet whose alarms are answered, and a verdict at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from contracts.ids import HubId
from services.chassis.logging import configure_logging
from services.chassis.run import Build, Process, running, signalled, until_any
from services.cli.demo.view import LiveView, PlainView, View
from services.cli.demo.visitor import Visitor
from services.cli.embedded import Embedded, embedded_servers
from services.cli.terminal import say
from services.simulator import Fleet, FleetConfig, HubConfig, Population, SimulatedHub, Timing
from services.simulator.hub import HttpActions
from services.simulator.script import play, story
from services.simulator.seed import HubChannel, Seeder

_HEARTBEAT_INTERVAL_S = 5.0
_ANSWER_S = 6.0  # how long before the end nothing new happens: operators need up to 3 s
_CONNECT_S = 30.0
_SETTLE_S = 20.0
_STORY_SEED = 31_01_2027


@dataclass(frozen=True, slots=True)
class _Stage:
    """What plays together."""

    process: Process
    hub: SimulatedHub
    fleet: Fleet


async def run_demo(builds: Sequence[Build], *, boxes: int, seconds: float | None) -> int:
    """Run until Ctrl-C, or for `seconds`. Exit code 0 only if every alarm that needs a person was acknowledged."""
    console = Console(highlight=False)
    say("starting a broker, a database and the services …")
    async with contextlib.AsyncExitStack() as stack:
        servers = await stack.enter_async_context(embedded_servers(keep_data=False))
        # The view tells what happens to alarms; the log only what went wrong, unless asked for more.
        configure_logging(servers.settings.log_format, os.environ.get("TELECARE_LOG_LEVEL", "warning"))
        # The hub comes first and goes last: what is still to be delivered at the end finds it there.
        hub = await stack.enter_async_context(SimulatedHub(HubConfig()))
        visitor = Visitor(servers.ops_token, hub=hub)
        process = await stack.enter_async_context(running(servers.settings, visitor.builds(builds)))
        devices = Population(boxes)
        await _seed(process, servers, hub, devices)
        desk = hub.staff(await stack.enter_async_context(HttpActions(process.url, servers.ops_token)))
        stack.push_async_callback(desk.close)
        fleet = Fleet(
            FleetConfig(
                mqtt_url=servers.broker.url,
                devices=devices,
                timing=Timing(heartbeat_interval_s=_HEARTBEAT_INTERVAL_S),
            )
        )
        visitor.fleet = fleet
        view = _view(console, process, servers, fleet)
        with signalled() as stopped, view:
            await _play(_Stage(process, hub, fleet), seconds, stopped)
        summary = view.summary()
    for line in summary.lines():
        say(line)
    return 0 if summary.is_good or seconds is None else 1


async def _seed(process: Process, servers: Embedded, hub: SimulatedHub, devices: Population) -> None:
    channel = HubChannel(hub_id=HubId(hub.config.hub_id), name="Demo ARC", webhook_url=hub.url, secret=hub.secret)
    async with Seeder(process.url, servers.ops_token) as seeder:
        await seeder.seed(channel, devices)


def _view(console: Console, process: Process, servers: Embedded, fleet: Fleet) -> View:
    lines = [
        f"telecare is up at {process.url}/ (API documents at {process.url}/docs, metrics at {process.url}/metrics)",
        f"the hub console is at {process.url}/console/ (one click signs you in)",
        f"devices connect to {servers.broker.url} (MQTT 5) or {servers.broker.url_v311} (MQTT 3.1.1)",
        f"an ops token for this run: {servers.ops_token}",
    ]
    if sys.stdout.isatty():
        return LiveView(fleet, lines, console)
    return PlainView(fleet, lines)


async def _play(stage: _Stage, seconds: float | None, stopped: asyncio.Future[None]) -> None:
    """Returns when the time is over and every alarm settled, or at Ctrl-C. Raises what broke the service or a box."""
    fleet = asyncio.ensure_future(stage.fleet.run())
    ending = asyncio.ensure_future(_story(stage.fleet, seconds))
    try:
        await until_any(stopped, stage.process.failed, ending, fleet)
    finally:
        ending.cancel()
        stage.fleet.stop()
        await asyncio.gather(fleet, ending, return_exceptions=True)


async def _story(fleet: Fleet, seconds: float | None) -> None:
    play_s = None if seconds is None else max(seconds - _ANSWER_S, seconds / 2)
    with contextlib.suppress(TimeoutError):  # a fleet that never gets through is an end, too: the summary tells
        async with asyncio.timeout(_CONNECT_S):
            await fleet.until(lambda: fleet.totals().connected == len(fleet.boxes))
    await play(story(boxes=len(fleet.boxes), seed=_STORY_SEED), fleet, for_s=play_s)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_S):
            await fleet.until(lambda: all(trace.is_settled and trace.is_delivered for trace in fleet.traces))
