"""A service in processes of its own, with a hub and a home, and the canary beside it as a person starts it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.blackbox import program
from tests.blackbox.api import Metrics
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, settings_for
from tests.blackbox.program import Program
from tests.support.servers import Broker, Database, free_port, until

EVERY_S = "0.3"  # a minute, to whoever waits for a test


@dataclass
class Canary:
    """A running canary, and what Prometheus would see of it."""

    program: Program
    url: str
    http: aiohttp.ClientSession

    async def metrics(self) -> Metrics:
        async with self.http.get(self.url) as answer:
            return Metrics(await answer.text())

    async def presses(self, outcome: str) -> float:
        return (await self.metrics()).value("telecare_canary_presses_total", shard="alarms", outcome=outcome)

    async def until_more(self, outcome: str, count: int = 2) -> None:
        """Wait until so many more ended so."""
        before = await self.presses(outcome)

        async def more() -> bool:
            return await self.presses(outcome) >= before + count

        await until(more, 60, what=f"{count} more presses that are {outcome}")


@asynccontextmanager
async def run_canary(file: Path, http: aiohttp.ClientSession, port: int | None = None) -> AsyncIterator[Canary]:
    """`telecare canary run`, quicker than in earnest; it must stop cleanly. `port`: where its metrics are looked for already."""
    port = free_port() if port is None else port
    arguments = ("canary", "run", "--file", str(file), "--port", str(port), "--every", EVERY_S)
    canary = Program(*arguments, settings={"LOG_FORMAT": "json"}, log=file.with_suffix(".log"))
    canary.start()
    try:
        running = Canary(canary, f"http://127.0.0.1:{port}/metrics", http)
        await until(lambda: answers(running), 60, what="the canary's metrics")
        yield running
        assert await canary.stop() == 0
    finally:
        canary.kill()


async def answers(canary: Canary) -> bool:
    try:
        return bool((await canary.metrics()).families)
    except aiohttp.ClientConnectionError:
        return False


async def set_up_canary(file: Path, settings: Mapping[str, str], *options: str) -> None:
    """`telecare canary set-up`, as a person types it, who is told to try again where a busy machine kept it from being audited."""

    async def is_set_up() -> bool:
        done = await program.run("canary", "set-up", *options, "--file", str(file), settings=settings)
        assert done.code == 0 or "try again" in done.output, done.output
        return done.code == 0

    await until(is_set_up, 120, what="the canary to be set up")


@pytest.fixture
async def installation(database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[Installation]:
    """Three processes."""
    receiver = Receiver()
    await receiver.start()
    async with aiohttp.ClientSession() as http:
        settings = settings_for(database.url, broker.url, tmp_path)
        installation = Installation(settings, broker, receiver, http, layout=("ingest", "alerts", "registry"))
        try:
            await installation.start()
            yield installation
        finally:
            installation.kill()
            await receiver.stop()


@pytest.fixture
async def canary_file(installation: Installation, tmp_path: Path) -> Path:
    """Who the canary is, written as a person has it written."""
    file = tmp_path / "canary.json"
    settings = {
        "MQTT_URL": installation.broker.url,
        "API_URL": installation.api.url,
        "API_TOKEN": installation.settings["BOOTSTRAP_TOKEN"],
    }
    await set_up_canary(file, settings)
    return file
