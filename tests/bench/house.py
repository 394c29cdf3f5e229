"""The real stack, the devices on the register, and the service as three processes."""

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg

from contracts.topics import ROOT
from tests.bench import devices, reference
from tests.bench.devices import COUNCILS
from tests.bench.meter import Parts
from tests.bench.plan import Plan
from tests.bench.programs import Program, running
from tests.blackbox import program as blackbox
from tests.blackbox.hub import Receiver
from tests.blackbox.installation import Installation, empty_database, settings_for
from tests.support.servers import Broker, DatabaseServer
from tests.support.stack import RealBroker, RealPostgres

HUB: Final = "bench-arc"
SERVICES: Final = ("ingest", "alerts", "registry")
_MACHINE: Final = {
    "shared_buffers": "2GB"
}  # its memory is the machine's own setting; PostgreSQL's default is for the smallest
_LOOK_EVERY_S: Final = 0.2  # each costs ingest some milliseconds
_SETTLED: Final = re.compile(
    r'^telecare_messages_total\{lane="heartbeat",outcome="(?:stored|duplicate|quarantined)"\} (\S+)$', re.MULTILINE
)


@dataclass
class House:
    """Everything that runs; the service only inside `serving`."""

    plan: Plan
    broker: Broker
    database_server: DatabaseServer
    database_url: str
    receiver: Receiver
    installation: Installation

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """The service, ready, with every council's alarms routed to our hub."""
        try:
            await self.installation.start()
            await self.installation.make_hub(HUB, *COUNCILS)
            yield
            await self.installation.stop()
        finally:
            self.installation.kill()

    def parts(self) -> Parts:
        """The service's processes and the servers'."""
        servers: Parts = {"mosquitto": self.broker.processes, "postgres": self.database_server.processes}
        services = {name: _pid_of(each) for name, each in self.installation.programs.items() if each.running}
        return {**services, **servers}

    async def settled(self) -> int:
        """Heartbeats that ingest is done with, since it was started, by its own word."""
        text = (await self.installation.api_of(self._ingest).by(None).get("/metrics")).body
        return int(sum(map(float, _SETTLED.findall(text))))

    async def until_settled(self, wanted: int, timeout_s: float) -> float:
        """Return when ingest is done with so many, or time is up; the time, which may be late by one look at it."""
        deadline = time.monotonic() + timeout_s
        while await self.settled() < wanted and time.monotonic() < deadline:  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(_LOOK_EVERY_S)
        return time.monotonic()

    async def stored(self, boot: str) -> int:
        """Heartbeats in the database of the publisher whose boot ids began so."""
        connection = await asyncpg.connect(self.database_url)
        try:
            count = "select count(*) from ingest.heartbeat where starts_with(boot_id, $1)"
            stored: int = await connection.fetchval(count, f"{boot}-")
            return stored
        finally:
            await connection.close()

    def publisher(self, boot: str, total: int, rate: float, root: str = ROOT) -> AbstractAsyncContextManager[Program]:
        """Heartbeats, coming."""
        return running("publisher", root, self.broker.port, boot, self.plan.devices, total, rate)

    def reference(self, total: int) -> AbstractAsyncContextManager[Program]:
        """The reference, starting: the first that it says is that it is subscribed."""
        return running("reference", self.database_url, self.broker.port, total)

    @property
    def _ingest(self) -> str:
        return "ingest" if "ingest" in self.installation.programs else "up"


def _pid_of(program: blackbox.Program) -> Callable[[], Sequence[int]]:
    return lambda: [program.pid]


@asynccontextmanager
async def open_house(plan: Plan, layout: Sequence[str] = SERVICES) -> AsyncIterator[House]:
    """Start the servers, and put the devices on the register."""
    database_server, broker, receiver = (
        DatabaseServer(RealPostgres(settings=_MACHINE)),
        Broker(RealBroker()),
        Receiver(),
    )
    try:
        await asyncio.to_thread(database_server.start)
        await asyncio.to_thread(broker.start)
        await receiver.start()
        with tempfile.TemporaryDirectory(prefix="telecare-bench-") as directory:
            async with empty_database(database_server) as url, aiohttp.ClientSession() as http:
                settings = settings_for(url, broker.url, Path(directory))
                migrated = await blackbox.run("migrate", settings=settings)
                if migrated.code != 0:
                    raise RuntimeError(migrated.output)
                await devices.register(url, plan.devices)
                await reference.prepare(url)
                installation = Installation(settings, broker, receiver, http, layout=layout)
                yield House(plan, broker, database_server, url, receiver, installation)
    finally:
        await receiver.stop()
        for server in (broker, database_server):
            await asyncio.to_thread(server.close)
