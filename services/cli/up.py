"""`telecare up`: everything in one process, on the servers that the environment names or on embedded ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

from services.chassis.logging import configure_logging
from services.chassis.run import Build, run_until_stopped, running, signalled, until_any
from services.chassis.settings import load_settings
from services.cli.embedded import Embedded, embedded_servers
from services.cli.terminal import say_lines


async def up(*, embedded: bool, demo: bool, boxes: int, seconds: float | None, builds: Sequence[Build]) -> int:
    """Run until stopped (on embedded servers: or until `seconds` have passed), and return the exit code."""
    if not embedded:
        settings = load_settings()
        configure_logging(settings.log_format, settings.log_level)
        await run_until_stopped(settings, builds)
        return 0
    if demo:
        from services.cli.demo import run_demo

        return await run_demo(builds, boxes=boxes, seconds=seconds)
    async with embedded_servers(keep_data=True) as servers:
        configure_logging(servers.settings.log_format, servers.settings.log_level)
        async with running(servers.settings, builds) as process:
            with signalled() as stopped:
                _introduce(servers, process.url)
                with _ending(seconds) as over:
                    await until_any(stopped, process.failed, *over)
    return 0


@contextlib.contextmanager
def _ending(seconds: float | None) -> Iterator[Sequence[asyncio.Future[None]]]:
    """Done after so many seconds; nothing, where it shall not end by itself."""
    over = [] if seconds is None else [asyncio.ensure_future(asyncio.sleep(seconds))]
    try:
        yield over
    finally:
        for each in over:
            each.cancel()


def _introduce(servers: Embedded, url: str) -> None:
    """Where everything is. Token and password are printed because this is loopback, and a person's own machine; never logged."""
    say_lines(
        f"telecare is up at {url}/ (API documents at {url}/docs)\n"
        f"  devices connect to {servers.broker.url} (MQTT 5) or {servers.broker.url_v311} (MQTT 3.1.1)\n"
        f"  an ops token for this run: {servers.ops_token}\n"
        "  for `telecare doctor`, `telecare token create` and others beside it, at another terminal:\n"
        f"    export TELECARE_DATABASE_URL={servers.settings.database_url.get_secret_value()}\n"
        f"    export TELECARE_MQTT_URL={servers.broker.url}\n"
        "  embedded servers: for trials on this machine only. Ctrl-C stops everything; the data stay."
    )
