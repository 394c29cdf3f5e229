"""A registered fleet in the database, of which ingest tells what it found; and whatever alerts makes of it at once."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from contracts.condition import STREAM, Condition, ConditionChange, Turn
from contracts.ids import CouncilId, DeviceId, EventId
from services.chassis.event_log import LogEntry, append
from tests.integration.alerts.world import World

# As ingest knows them once the registry has told it.
_WATCHED = """
with models as (
    insert into ingest.model (name) select distinct model from registry.watch_directory where device_id = any ($1::text[])
    on conflict do nothing
    returning model_id, name
), known as (
    select model_id, name from models union all select model_id, name from ingest.model
)
insert into ingest.liveness (device_id, council_id, registered, watched_since, model_id, postcode_district, sim_registered)
select w.device_id, w.council_id, true, w.watched_since, k.model_id, w.postcode_district, w.sim_operator
from registry.watch_directory w join known k on lower(k.name) = lower(w.model)
where w.device_id = any ($1::text[])
"""


@dataclass(frozen=True, slots=True)
class Home:
    """One registered device."""

    device_id: str
    council_id: str = "highland"
    sim_operator: str | None = "23410"
    postcode_district: str | None = "IV1"
    model: str = "Hub A"


@dataclass(slots=True)
class Homes:
    """Many of them, and what is told of them."""

    world: World
    homes: dict[str, Home] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    async def register(self, number: int, **alike: Any) -> Sequence[str]:
        """So many devices that are alike, live."""
        start = len(self.homes)
        new = [Home(f"TC-{start + n:06d}", **alike) for n in range(number)]
        self.homes |= {each.device_id: each for each in new}
        await self.world.database.executemany(
            "insert into registry.device (device_id, council_id, serial, model, sim_operator, postcode_district, installation_ref, "
            "stage, live_at, registered_at, changed_at) values ($1, $2, $1, $3, $4, $5, $6, 'live', now(), now(), now())",
            [
                (
                    each.device_id,
                    each.council_id,
                    each.model,
                    each.sim_operator,
                    each.postcode_district,
                    f"REF-{each.device_id}",
                )
                for each in new
            ],
        )
        await self.world.database.execute(_WATCHED, [each.device_id for each in new])
        return [each.device_id for each in new]

    async def change(
        self,
        devices: Iterable[str],
        turn: Turn = "began",
        condition: Condition = "silent",
        *,
        since: datetime | None = None,
        flapping: bool = False,
        **others: Any,
    ) -> None:
        """Ingest's verdicts, appended as it does; nothing is done about them yet."""
        now = self.world.clock.now()
        entries = [
            LogEntry(STREAM, each, 3, self._told(each, turn, condition, since, now, flapping, others).to_json())
            for each in devices
        ]
        async with self.world.database.acquire() as connection:
            await append(connection, entries, now)

    def _told(
        self,
        device_id: str,
        turn: Turn,
        condition: Condition,
        since: datetime | None,
        now: datetime,
        flapping: bool,
        others: dict[str, Any],
    ) -> ConditionChange:
        home = self.homes[device_id]
        version = self.versions[device_id, condition] = self.versions[device_id, condition] + 1
        values: dict[str, Any] = {
            "change_id": EventId(str(uuid.uuid4())),
            "device_id": DeviceId(device_id),
            "council_id": CouncilId(home.council_id),
            "condition": condition,
            "turn": turn,
            "at": now,
            "since": since or now - timedelta(minutes=10),
            "version": version,
            "flapping": flapping,
            "model": home.model,
            "sim_operator": home.sim_operator,
            "postcode_district": home.postcode_district,
        }
        return ConditionChange(**(values | others))

    async def fall_silent(self, devices: Iterable[str], **others: Any) -> None:
        await self.change(devices, **others)
        await self.settle()

    async def return_(self, devices: Iterable[str], condition: Condition = "silent") -> None:
        await self.change(devices, "ended", condition)
        await self.settle()

    async def settle(self) -> None:
        """Everything that is to be done now, is."""
        room = self.world.parts.outages
        while await room.intake.run_once():
            pass
        await room.fleet.count()
        while await room.detector.run_once():
            pass
        await self.world.settle()

    async def after(self, seconds: float) -> None:
        """Time moves on, a minute at a time, and everything that is due by then is done."""
        while seconds > 0:
            self.world.clock.move(min(seconds, 60))
            seconds -= 60
            await self.settle()

    # -- what came of it ---------------------------------------------------------------------------------------------

    async def outages(self, **wanted: Any) -> list[dict[str, Any]]:
        """Every outage, oldest first."""
        rows = await self.world.database.fetch("select * from alerts.outage order by opened_at, outage_id")
        return [dict(row) for row in rows if all(row[name] == value for name, value in wanted.items())]

    async def open(self) -> list[tuple[str, str, int]]:
        """What is open: attribute, value, members."""
        rows = await self.world.database.fetch(
            "select attribute, value, members_now from alerts.outage where closed_at is null order by attribute, value"
        )
        return [tuple(row) for row in rows]

    async def singles(self) -> list[str]:
        """Devices with an alarm of being affected, of any state."""
        rows = await self.world.database.fetch(
            "select device_id from alerts.alarm where kind in ('device_silent', 'power_supply') and device_id not like 'outage-%' "
            "order by device_id"
        )
        return [row["device_id"] for row in rows]

    async def calls(self) -> list[tuple[str, str, str]]:
        """Alarms about those who are left of an outage: council, state, and what was said last."""
        rows = await self.world.database.fetch(
            "select a.council_id, a.state, (select e.body ->> 'text' from alerts.alarm_event e where e.alarm_id = a.alarm_id "
            "order by e.transition_id desc limit 1) from alerts.alarm a where a.device_id like 'outage-%' order by a.opened_at, 1"
        )
        return [tuple(row) for row in rows]

    async def told(self) -> list[tuple[str, str]]:
        """Which hub was to be told what news of outages, in order."""
        rows = await self.world.database.fetch(
            "select d.hub_id, n.type from alerts.delivery d join alerts.notification n using (notification_id) "
            "where n.outage_id is not null order by d.delivery_id"
        )
        return [tuple(row) for row in rows]
