"""A visit to a home: the whole service at its own time, a hub that answers, and simulated boxes to commission."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp

from contracts.ids import CouncilId, DeviceId
from contracts.vocabulary import Network
from services.alerts.service import build as build_alerts
from services.chassis.postgres import Connection
from services.chassis.postgres.pool import connect
from services.chassis.run import Process, running
from services.ingest.service import build as build_ingest
from services.registry.service import build as build_registry
from services.registry.tokens import create_token
from services.simulator import Fleet, FleetConfig, Occurrence, Timing
from services.simulator.box import Box
from services.simulator.population import DeviceIdentity
from tests.blackbox.api import Answer, Api
from tests.blackbox.hub import Receiver
from tests.integration.alerts.running import OPS, settings_for
from tests.scenarios.people import AT_LEISURE_S
from tests.support.servers import Broker, Database, until

MODEL: Final = "quick-4g"
"""A model that reports each second, so that a test waits for seconds where an engineer waits for minutes."""
PENDANT: Final = Occurrence(kind="personal_trigger", peripheral_id="pendant-1")
SMOKE: Final = Occurrence(kind="smoke")
_PATHS: Final[Sequence[tuple[Network, str]]] = (("ethernet", "path:ethernet"), ("lte", "path:mobile"))
_QUICK: Final = """
insert into registry.device_model
    (model, heartbeat_interval_s, late_after_missed, silent_after_s, signal_dbm_min, paths, triggers, changed_at, changed_by)
values ($1, 1, 3, 10, -105, $2, $3, now(), 'test')
"""


class Field:
    """`Field.open(…)` is its only maker."""

    def __init__(self, process: Process, broker: Broker, database: Connection, ops: Api) -> None:
        self.process = process
        self.broker = broker
        self.database = database
        self.ops = ops
        self.hub = Receiver()
        self._stack = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database, broker: Broker, data_dir: Path) -> AsyncIterator[Field]:
        settings = settings_for(database.url, broker.url, data_dir)
        connection = await connect(database.url, name="test")
        try:
            async with (
                running(settings, [build_registry, build_ingest, build_alerts]) as process,
                aiohttp.ClientSession() as http,
            ):
                field = cls(process, broker, connection, Api(http, process.url, OPS))
                await field._begin()
                try:
                    yield field
                    assert not process.failed.done()
                finally:
                    await field._stack.aclose()
        finally:
            await connection.close()

    async def _begin(self) -> None:
        await until(lambda: self.process.runtime.publisher.connected, AT_LEISURE_S, what="a line for what goes out")
        await until(self._listens, AT_LEISURE_S, what="every shard to have its session")
        await self.hub.start()
        self._stack.push_async_callback(self.hub.stop)
        body = {"name": "Clyde ARC", "channels": [self.hub.channel("clyde-arc") | {"verified": True}]}
        assert (await self.ops.put("/api/v1/hubs/clyde-arc", body)).status == 201
        routed = await self.ops.put("/api/v1/councils/glasgow-city/routing", {"hubs": ["clyde-arc"]})
        assert routed.status == 200, routed
        await self.model()

    async def model(self, paths: Sequence[str] = ("ethernet", "mobile"), triggers: Sequence[Occurrence] = ()) -> None:
        """What the model of the boxes here promises."""
        demands = [{"kind": each.kind, "peripheral_id": each.peripheral_id} for each in triggers or (PENDANT, SMOKE)]
        await self.database.execute("delete from registry.device_model where model = $1", MODEL)
        await self.database.execute(_QUICK, MODEL, list(paths), demands)

    async def _listens(self) -> bool:
        return bool(await self.database.fetchval("select bool_and(session_at is not null) from chassis.shard"))

    async def box(
        self,
        device_id: str,
        council: str = "glasgow-city",
        *,
        signal_dbm: int = -80,
        network: Network = "lte",
        interval_s: float = 1.0,
    ) -> Box:
        """A box that is switched on and connected, and on no register."""
        identity = DeviceIdentity(
            device_id=DeviceId(device_id),
            council_id=CouncilId(council),
            serial=f"SN-{device_id}",
            model=MODEL,
            network=network,
            postcode_district="G31",
            sim_operator="23410",
            installation_ref=f"INST-{device_id}",
        )
        config = FleetConfig(
            mqtt_url=self.broker.url,
            devices=[identity],
            timing=Timing(heartbeat_interval_s=interval_s),
            connect_over_s=0,
        )
        fleet = Fleet(config)
        box = fleet.boxes[identity.device_id]
        box.device.move(signal_dbm=signal_dbm)
        task = asyncio.create_task(fleet.run())

        async def stop() -> None:
            fleet.stop()
            await task

        self._stack.push_async_callback(stop)
        await until(lambda: fleet.totals().connected == 1, AT_LEISURE_S, what="the box to be connected")
        return box

    async def registered(self, device_id: str, *, model: str = MODEL, council: str = "glasgow-city") -> None:
        body = {"device_id": device_id, "council_id": council, "serial": f"SN-{device_id}", "model": model}
        answer = await self.ops.post("/api/v1/devices", body)
        assert answer.status == 201, answer

    async def move(self, device_id: str, *moves: str) -> None:
        """Each must be taken."""
        for move in moves:
            answer = await self.ops.post(f"/api/v1/devices/{device_id}/{move}")
            assert answer.status == 200, answer

    async def commissioning(self, device_id: str, *, model: str = MODEL) -> None:
        """On the register, and being commissioned."""
        await self.registered(device_id, model=model)
        await self.move(device_id, "claim", "install", "commission")

    async def checklist(self, device_id: str) -> dict[str, Any]:
        answer = await self.ops.get(f"/api/v1/devices/{device_id}/checklist")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.body
        return found

    async def item(self, device_id: str, key: str, state: str, timeout_s: float = AT_LEISURE_S) -> dict[str, Any]:
        """Wait until a line of the checklist is so."""

        async def line() -> dict[str, Any] | None:
            found = await self.checklist(device_id)
            lines = [each for each in found["items"] if each["key"] == key and each["state"] == state]
            return lines[0] if lines else None

        return await until(line, timeout_s, what=f"{key} of {device_id} to be {state}")

    async def says(self, device_id: str, key: str, words: str) -> None:
        """Wait until a line of the checklist says so."""

        async def line() -> bool:
            return any(
                each["key"] == key and words in each["say"] for each in (await self.checklist(device_id))["items"]
            )

        await until(line, AT_LEISURE_S, what=f"{key} of {device_id} to say {words!r}")

    async def try_out(self, box: Box) -> None:
        """What an engineer does to a box: pull the mains plug and put it back, try each path, set off each trigger in test mode.

        One thing after the other, each once the list has the one before, and not by the clock: a report that comes too late,
        since the machine or the service paused, has expired at the broker, and is the only one that told of it.
        """
        device_id = box.device.identity.device_id
        box.lose_mains()
        await self.says(device_id, "mains", "on its battery")
        box.restore_mains()
        usual = box.device.network
        for network, key in _PATHS:
            box.device.move(network=network)
            await self.item(device_id, key, "passed")
        box.device.move(network=usual)
        for trigger in (PENDANT, SMOKE):
            box.raise_alarm(replace(trigger, test=True))

    async def engineer(self, *councils: str, name: str = "Ewan") -> tuple[Api, str]:
        """The API as an engineer of these councils uses it, and the token."""
        now = self.process.runtime.clock.now()
        rights: dict[str, Any] = {"councils": list(councils)} if councils else {}
        token = await create_token(self.database, name=name, role="engineer", now=now, **rights)
        return self.ops.by(token), token

    async def post(self, path: str, body: object = None) -> Answer:
        return await self.ops.post(path, body)
