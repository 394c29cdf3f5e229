"""What stories are told with: a whole installation in the test's own process, and a clock that only the story moves.

The broker, the database, the webhooks and every service are the real ones; `minutes_pass` is the one thing that is not.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import aiohttp
import asyncpg

from services.alerts.service import build as build_alerts
from services.chassis.clock import Clock
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.pool import connect
from services.chassis.run import Build, Process, running
from services.ingest.service import build as build_ingest
from services.registry.service import build as build_registry
from services.registry.tokens import create_token
from services.simulator import Fleet, FleetConfig
from tests.blackbox.api import Answer, Api, Metrics
from tests.blackbox.box import Box, Sent
from tests.blackbox.installation import registration
from tests.integration.alerts.running import OPS, settings_for
from tests.integration.alerts.world import MovedClock
from tests.scenarios.people import AT_LEISURE_S, Hub, Operator
from tests.support.servers import Broker, until

_BY_THE_CLOCK: Final = ("waker", "dispatcher")
"""The loops that find work because time has passed; all others are told of theirs."""
_CLERKS: Final = 8
"""Who register a fleet: no installation has hundreds at it in the same second, and a machine that is busy refuses them."""


class Home(Box):
    """A box in somebody's home."""

    def __init__(self, story: "Story", device_id: str, council: str) -> None:
        super().__init__(story.broker, device_id, council)
        self._story = story

    async def presses(self, kind: str = "personal_trigger", **fields: object) -> Sent:
        """Something happens here; return once the box knows it stored, and all that follows at once is done."""
        sent = self.press(kind, **fields)
        await self.receipt(sent, timeout_s=AT_LEISURE_S)
        await self._story.settles()
        return sent

    def was_told(self, sent: Sent) -> list[str]:
        """What the box could tell the person, in order; each once, for what the broker brings us twice is receipted twice."""
        return list(dict.fromkeys(each["state"] for each in self.receipts(sent)))


class Story:
    """One installation and its people. `Story.begin(…)` is its only maker."""

    services: ClassVar[Sequence[Build]] = (build_registry, build_ingest, build_alerts)
    """What runs in the test's own process."""

    def __init__(self, broker: Broker, process: Process, clock: Clock, pool: Pool, api: Api) -> None:
        self.broker = broker
        self.process = process
        self.clock = clock
        self.database = pool
        self.api = api
        self._ladders: dict[str, list[str]] = defaultdict(list)
        self._cast = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def begin(cls, database_url: str, broker: Broker, data_dir: Path) -> AsyncIterator[Self]:
        """Ingest, alerts and registry run until the block ends; no hub and no box is there yet."""
        settings, clock = settings_for(database_url, broker.url, data_dir), cls._new_clock()
        async with (
            asyncpg.create_pool(database_url, min_size=0, max_size=2) as pool,
            running(settings, cls.services, clock=clock) as process,
            aiohttp.ClientSession() as http,
        ):
            story = cls(broker, process, clock, pool, Api(http, process.url, OPS))
            async with story._cast:
                await until(lambda: process.runtime.publisher.connected, AT_LEISURE_S, what="a line for what goes out")
                await until(story._listens, AT_LEISURE_S, what="every shard to have its session")
                yield story
                assert not process.failed.done()

    @classmethod
    def _new_clock(cls) -> Clock:
        return MovedClock()

    # -- who is in it ------------------------------------------------------------------------------------------------

    async def hub(self, hub_id: str, *councils: str) -> Hub:
        """A hub that is told by webhook, as the last so far on these councils' ladders."""
        hub = await self._cast.enter_async_context(Hub(hub_id, self.clock))
        channel = {"kind": "webhook", "url": hub.url, "secret": hub.secret, "verified": True}
        made = await self.api.put(f"/api/v1/hubs/{hub_id}", {"name": hub_id, "channels": [channel]})
        assert made.status == 201, made
        for council in councils:
            self._ladders[council].append(hub_id)
            routed = await self.api.put(f"/api/v1/councils/{council}/routing", {"hubs": self._ladders[council]})
            assert routed.status == 200, routed
        return hub

    async def operator(self, name: str, hub: Hub) -> Operator:
        """Somebody who works at a hub."""
        url = self.process.runtime.database_url
        connection = await connect(url, name="story", role="telecare_registry")
        try:
            token = await create_token(
                connection, name=name, role="hub", hub_id=hub.config.hub_id, now=self.clock.now()
            )
        finally:
            await connection.close()
        return Operator(name, self.api.by(token))

    async def box(self, device_id: str, council: str = "glasgow-city", *, registered: bool = True) -> Home:
        """A box that is switched on and connected."""
        if registered:
            await self.register(device_id, council)
        box = Home(self, device_id, council)
        self._cast.callback(box.close)
        await box.connect()
        return box

    async def register(self, device_id: str, council: str) -> None:
        """Put a box on the register."""
        answer = await self.api.post("/api/v1/devices", registration(device_id, council))
        assert answer.status == 201, answer

    async def fleet(self, config: FleetConfig) -> Fleet:
        """Many registered, simulated boxes, all connected."""
        clerks = asyncio.Semaphore(_CLERKS)

        async def register(device_id: str, council: str) -> None:
            async with clerks:
                await self.register(device_id, council)

        async with asyncio.TaskGroup() as group:
            for device in config.devices:
                group.create_task(register(device.device_id, device.council_id))
        return await self.switch_on(config)

    async def switch_on(self, config: FleetConfig) -> Fleet:
        """Simulated boxes, all connected."""
        fleet = Fleet(config)
        running_fleet = asyncio.create_task(fleet.run())

        async def go_home() -> None:
            fleet.stop()
            await running_fleet

        self._cast.push_async_callback(go_home)
        await until(
            lambda: fleet.totals().connected == len(config.devices), AT_LEISURE_S, what="every box to be connected"
        )
        return fleet

    # -- time --------------------------------------------------------------------------------------------------------

    async def minutes_pass(self, minutes: float) -> None:
        """Time moves on, and halts wherever an alarm is to be looked at again: nothing is late because a test is in a hurry.

        Not before what people just did is told: news that was on its way over an hour was recorded as of an hour before.
        """
        await self.settles()
        end = self.clock.now() + timedelta(minutes=minutes)
        while (at := await self._next_look(end)) is not None:
            await self._move_to(at)
        await self._move_to(end)

    def moves(self, seconds: float) -> None:
        """The clock, and nothing else."""
        assert isinstance(self.clock, MovedClock)
        self.clock.move(seconds)

    async def settles(self, timeout_s: float = AT_LEISURE_S) -> None:
        """Return once everything is done that is due by now."""
        self._poke(*_BY_THE_CLOCK)
        async with self.database.acquire() as connection:
            await until(lambda: self._is_settled(connection), timeout_s, what="everything that is due to be done")

    async def _move_to(self, at: Any) -> None:
        self.moves((at - self.clock.now()).total_seconds())
        await self.settles()

    def _poke(self, *names: str) -> None:
        """These loops would wait by the real clock, which stands still beside the story's."""
        for service in self.process.services:
            for loop in service.loops:
                if loop.name.startswith(names):
                    loop.poke()

    async def _next_look(self, end: Any) -> Any:
        return await self.database.fetchval(
            "select min(wake_at) from alerts.alarm where wake_at > $1 and wake_at <= $2", self.clock.now(), end
        )

    async def _is_settled(self, connection: Connection) -> bool:
        settled: bool = await connection.fetchval(
            "select not exists (select from chassis.event_log where stream = 'alarms') "
            "and not exists (select from alerts.alarm where wake_at <= $1) "
            "and not exists (select from alerts.delivery where state = 'pending' and (due_at <= $1 or lease_token is not null))",
            self.clock.now(),
        )
        return settled

    async def _listens(self) -> bool:
        every: bool = await self.database.fetchval("select bool_and(session_at is not null) from chassis.shard")
        return every

    # -- what came of it ---------------------------------------------------------------------------------------------

    async def alarms(self, box: Box | None = None) -> list[dict[str, Any]]:
        """All alarms, or those of one box, each with its history, newest first."""
        listed = await self.api.get("/api/v1/alarms", limit=500, **({"device": box.device_id} if box else {}))
        assert listed.status == 200, listed
        return [(await self.api.get(f"/api/v1/alarms/{each['alarm_id']}")).body for each in listed.body["items"]]

    async def alarm(self, box: Box) -> dict[str, Any]:
        """The one alarm of a box."""
        (alarm,) = await self.alarms(box)
        return alarm

    async def count(self, query: str, *arguments: object) -> int:
        """What only the database can tell."""
        counted: int = await self.database.fetchval(query, *arguments)
        return counted

    async def counted(self, query: str, expected: int) -> None:
        """Wait until the database tells this number."""

        async def says_so() -> bool:
            return await self.count(query) == expected

        await until(says_so, AT_LEISURE_S, what=f"{expected} of: {query}")

    async def is_ready(self) -> None:
        """Wait until `/readyz` says so: whoever was away for some seconds, as a busy machine is, says that for a while."""

        async def says_so() -> bool:
            return (await self.readiness()).status == 200

        await until(says_so, AT_LEISURE_S, what="the service to be ready")

    async def readiness(self) -> Answer:
        """What `/readyz` says."""
        return await self.api.by(None).get("/readyz")

    async def counts(self, gauge: str, value: float, **labels: str) -> None:
        """Wait until Prometheus would read this value: gauges are counted in the background."""

        async def says_so() -> bool:
            self._poke("alarm-gauges")
            return Metrics((await self.api.by(None).get("/metrics")).body).value(gauge, **labels) == value

        await until(says_so, AT_LEISURE_S, what=f"{gauge} to be {value}")


def happened(alarm: dict[str, Any]) -> list[str]:
    """What an alarm's history tells, in order."""
    return [each["event"] for each in alarm["history"]]
