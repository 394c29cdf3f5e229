"""Outside of the service: boxes whose people call, and hubs whose operators take and close what comes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from contracts.vocabulary import Outcome
from services.chassis.postgres.pool import connect
from services.registry.tokens import create_token
from services.simulator.box import Box
from services.simulator.desk import Answer, HubActions, HubConfig
from services.simulator.flaws import FlawMix
from services.simulator.fleet import Fleet, FleetConfig
from services.simulator.hub import HttpActions, SimulatedHub
from services.simulator.hub_mqtt import MqttHub
from services.simulator.logbook import Logbook
from services.simulator.occurrence import Occurrence
from services.simulator.population import DISTRICTS, Population
from services.simulator.script import play, story
from services.simulator.timing import Timing
from services.simulator.traces import AlarmTrace, FleetEvent
from tests.soak.house import House
from tests.soak.plan import Plan
from tests.support.servers import until

WEBHOOK_HUBS: Final = ("clyde-arc", "forth-arc")
MQTT_HUB: Final = "moray-arc"
_PRESS: Final = Occurrence(kind="personal_trigger", peripheral_id="pendant-1")
_FLAWS: Final = FlawMix(duplicate=0.02, lost_receipts=0.05, clock_skew=0.1, malformed=0.01)
_CONNECTIONS: Final = 4
_READY_S: Final = 60.0

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

    fleet: Fleet
    webhook_hubs: Sequence[SimulatedHub]
    mqtt_hub: MqttHub
    traces: list[AlarmTrace] = field(default_factory=list)
    """Of all alarms: the fleet itself forgets those that are settled."""

    def __post_init__(self) -> None:
        self.fleet.watch(self._note)

    @property
    def boxes(self) -> list[Box]:
        """Those that can call."""
        return list(self.fleet.boxes.values())

    def press(self, box: Box) -> None:
        box.raise_alarm(_PRESS)

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

    async def live(self, plan: Plan, for_s: float) -> None:
        """People call, for so long."""
        pause_s = (0.5 * plan.press_every_s, 1.5 * plan.press_every_s)
        await play(story(boxes=len(self.fleet.boxes), seed=plan.seed, pause_s=pause_s), self.fleet, for_s=for_s)

    def _note(self, event: FleetEvent) -> None:
        if event.name == "born" and event.trace is not None:
            self.traces.append(event.trace)


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
        people = People(_fleet(house, plan), hubs, mqtt_hub)
        tasks = [asyncio.create_task(mqtt_hub.run()), asyncio.create_task(people.fleet.run())]
        try:
            async with asyncio.timeout(60):
                await mqtt_hub.online.wait()
                await people.fleet.until(lambda: people.fleet.totals().connected >= plan.boxes_with_lines)
            yield people
        finally:
            people.fleet.stop()
            tasks[0].cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome


def _fleet(house: House, plan: Plan) -> Fleet:
    timing = Timing(heartbeat_interval_s=plan.heartbeat_interval_s, repeat_max_s=plan.repeat_max_s)
    return Fleet(
        FleetConfig(
            mqtt_url=house.broker.url,
            devices=Population(plan.boxes),
            timing=timing,
            flaws=_FLAWS,
            multiplex=_CONNECTIONS if plan.boxes > plan.boxes_with_lines else None,
            own_connections_max=plan.boxes_with_lines,
            connect_over_s=1.0,
            reconnect_max_s=plan.reconnect_max_s,
        )
    )
