"""Outside of the service: boxes whose people call, and hubs whose operators take and close what comes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from contracts.vocabulary import Outcome
from services.chassis.postgres.pool import connect
from services.registry.tokens import create_token
from services.simulator.desk import Answer, HubActions, HubConfig
from services.simulator.hub import HttpActions, SimulatedHub
from services.simulator.hub_mqtt import MqttHub
from services.simulator.logbook import Logbook
from services.simulator.population import DISTRICTS, Population
from tests.soak.homes import Homes, open_homes
from tests.soak.house import House
from tests.soak.plan import Plan
from tests.support.servers import until

WEBHOOK_HUBS: Final = ("clyde-arc", "forth-arc")
MQTT_HUB: Final = "moray-arc"
_READY_S: Final = 120.0

# Straight onto the register, live and watched, as thousands of requests of engineers would leave them.
_REGISTER: Final = """
insert into registry.device (device_id, council_id, serial, model, postcode_district, sim_operator, installation_ref, stage,
    registered_at, changed_at, live_at, watched_since)
select device_id, council_id, serial, model, district, sim_operator, installation_ref, 'live', now(), now(), now(), now()
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    as d (device_id, council_id, serial, model, district, sim_operator, installation_ref)"""
_MODELS: Final = """
insert into ingest.model (name) select min(model) from registry.watch_directory group by lower(model) on conflict do nothing"""
_GIVE_LIVENESS: Final = """
insert into ingest.liveness (device_id, council_id, last_heard_at, watched_since, model_id, postcode_district, sim_registered)
select w.device_id, w.council_id, now(), w.watched_since, m.model_id, w.postcode_district, w.sim_operator
from registry.watch_directory w join ingest.model m on lower(m.name) = lower(w.model)"""


@dataclass
class People:
    """Those at home, and those who answer."""

    homes: Homes
    webhook_hubs: Sequence[SimulatedHub]
    mqtt_hub: MqttHub

    @property
    def logbooks(self) -> dict[str, Logbook]:
        """What each hub was told."""
        books = {hub.config.hub_id: hub.logbook for hub in self.webhook_hubs}
        return {**books, self.mqtt_hub.config.hub_id: self.mqtt_hub.logbook}

    @property
    def refused(self) -> int:
        """Requests and actions that a hub or the service refused: none should be."""
        desks = [*(hub.desk for hub in self.webhook_hubs), self.mqtt_hub.desk]
        return sum(hub.refused for hub in self.webhook_hubs) + sum(len(desk.refused) for desk in desks if desk)


class Either:
    """A hub's software, which has the addresses of both."""

    def __init__(self, *ways: HubActions) -> None:
        self._ways = list(ways)

    async def acknowledge(self, alarm_id: str, operator: str) -> Answer:
        return await self._ask(lambda way: way.acknowledge(alarm_id, operator))

    async def close(self, alarm_id: str, operator: str, outcome: Outcome) -> Answer:
        return await self._ask(lambda way: way.close(alarm_id, operator, outcome))

    async def _ask(self, act: Callable[[HubActions], Awaitable[Answer]]) -> Answer:
        for way in tuple(self._ways):
            answer = await act(way)
            if answer != "unavailable":
                return answer
            self._ways.append(self._ways.pop(0))
        return "unavailable"


async def register(house: House, plan: Plan) -> None:
    """Boxes on the register, hubs, and every council's alarms to all of them, each time in another order."""
    devices = list(Population(plan.boxes))
    columns = [
        [each.device_id for each in devices],
        [each.council_id for each in devices],
        [each.serial for each in devices],
        [each.model for each in devices],
        [each.postcode_district for each in devices],
        [each.sim_operator for each in devices],
        [each.installation_ref for each in devices],
    ]
    async with house.connection() as connection, connection.transaction():
        await connection.execute(_REGISTER, *columns)
        await connection.execute(_MODELS)
        await connection.execute(_GIVE_LIVENESS)


async def _make_hubs(house: House, hubs: Sequence[SimulatedHub]) -> None:
    channels: dict[str, dict[str, object]] = {
        hub.config.hub_id: {"kind": "webhook", "url": hub.url, "secret": hub.secret, "verified": True} for hub in hubs
    }
    channels[MQTT_HUB] = {"kind": "mqtt", "verified": True}
    for hub_id, channel in channels.items():
        made = await house.ops.put(f"/api/v1/hubs/{hub_id}", {"name": hub_id, "channels": [channel]})
        assert made.status in {200, 201}, made
    order = deque(channels)
    for council in DISTRICTS:
        routed = await house.ops.put(f"/api/v1/councils/{council}/routing", {"hubs": list(order)})
        assert routed.status == 200, routed
        order.rotate(1)


async def _token(house: House, hub_id: str) -> str:
    connection = await connect(house.database_url, name="soak")
    try:
        return await create_token(connection, name=hub_id, role="hub", now=datetime.now(UTC), hub_id=hub_id)
    finally:
        await connection.close()


@asynccontextmanager
async def open_people(house: House, plan: Plan) -> AsyncIterator[People]:
    """Hubs that are staffed, and boxes that come online once the service listens: the registry must answer."""
    async with AsyncExitStack() as stack:
        hubs = [
            await stack.enter_async_context(SimulatedHub(HubConfig(hub_id=hub_id, seed=plan.seed)))
            for hub_id in WEBHOOK_HUBS
        ]
        await _make_hubs(house, hubs)
        for hub in hubs:
            token = await _token(house, hub.config.hub_id)
            apis = [HttpActions(each.api.url, token) for each in house.of_kind("alerts")]
            for api in apis:
                await stack.enter_async_context(api)
            hub.staff(Either(*apis))
        await until(house.all_ready, _READY_S, what="all processes to be ready")
        mqtt_hub = MqttHub(house.broker.url, HubConfig(hub_id=MQTT_HUB, seed=plan.seed))
        answering = asyncio.create_task(mqtt_hub.run())
        try:
            async with open_homes(house.broker.url, plan) as homes:
                async with asyncio.timeout(60 + plan.connect_over_s):
                    await mqtt_hub.online.wait()
                    await homes.online()
                yield People(homes, hubs, mqtt_hub)
        finally:
            answering.cancel()
            outcome = (await asyncio.gather(answering, return_exceptions=True))[0]
        if isinstance(outcome, Exception):
            raise outcome
