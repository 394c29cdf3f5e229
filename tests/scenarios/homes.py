"""A fleet of homes whose boxes share one connection, and report when the story says so."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Self

from contracts.ids import CouncilId, DeviceId
from contracts.topics import device_topic
from services.chassis.mqtt import MqttUrl
from services.chassis.postgres import Connection
from services.simulator.messages import encode
from services.simulator.trunk import Trunk
from tests.scenarios.people import AT_LEISURE_S
from tests.support.servers import until

MODEL: Final = "hearth-quarter"
"""A model that reports each quarter of an hour, and is silent after three."""
INTERVAL: Final = timedelta(minutes=15)
SILENT_AFTER: Final = timedelta(minutes=45)
_IN_FLIGHT_MAX: Final = 1_000

_PROMISE: Final = """
insert into registry.device_model
    (model, heartbeat_interval_s, late_after_missed, silent_after_s, signal_dbm_min, changed_at, changed_by)
values ($1, $2, 2, $3, -110, now(), 'test')
"""
_REGISTER: Final = """
insert into registry.device (device_id, council_id, serial, model, sim_operator, postcode_district, installation_ref,
    stage, live_at, registered_at, changed_at)
select device_id, council_id, device_id, $5, sim_operator, district, 'INST-' || device_id, 'live', now(), now(), now()
from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as home (device_id, council_id, sim_operator, district)
"""
_TELL: Final = """
insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
select 'devices', device_id, 5, '{}', now(), now() from unnest($1::text[]) as home (device_id)
"""
_STORED: Final = """
select count(*) from unnest($1::text[], $2::bigint[]) as told (device_id, seq)
where exists (
    select from ingest.heartbeat h
    where h.device_id = told.device_id and h.boot_id = 'boot-' || told.device_id and h.seq = told.seq)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a home's box has in common with others."""

    council_id: str = "glasgow-city"
    district: str = "G12"
    sim_operator: str = "23410"
    cell_id: str = "G12-1"
    network: str = "lte"


@dataclass(slots=True)
class Homes:
    """`places`: every home. `quiet`: those whose reports get nowhere just now."""

    database: Connection
    url: str
    places: dict[str, Place] = field(default_factory=dict)
    quiet: set[str] = field(default_factory=set)
    _trunk: Trunk | None = None
    _seq: dict[str, int] = field(default_factory=dict)
    _cast: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        interval_s, silent_s = int(INTERVAL.total_seconds()), int(SILENT_AFTER.total_seconds())
        await self.database.execute(_PROMISE, MODEL, interval_s, silent_s)
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cast.aclose()

    async def settle_in(self, number: int, **alike: str) -> list[str]:
        """So many homes in one place, on the register and live; their boxes have not reported yet."""
        place = Place(**alike)
        start = len(self.places)
        new = [f"TC-{start + n:05d}" for n in range(number)]
        self.places |= dict.fromkeys(new, place)
        operators, districts = [place.sim_operator] * number, [place.district] * number
        await self.database.execute(_REGISTER, new, [place.council_id] * number, operators, districts, MODEL)
        await self.database.execute(_TELL, new)
        return new

    async def settle_three_districts(self, operator: str) -> list[str]:
        """In each forty homes of this operator, and forty of each of two others. Returns those of this one."""
        of_operator: list[str] = []
        for district in ("G1", "G2", "G3"):
            for sim_operator in (operator, "23415", "23430"):
                where = {"district": district, "cell_id": f"{district}-{sim_operator}", "sim_operator": sim_operator}
                settled = await self.settle_in(40, **where)
                of_operator += settled if sim_operator == operator else []
        return of_operator

    def move(self, home: str, **elsewhere: str) -> None:
        """Its box roams: it reports by another cell, network or operator from now on."""
        self.places[home] = replace(self.places[home], **elsewhere)

    @property
    def audible(self) -> list[str]:
        return [home for home in self.places if home not in self.quiet]

    def fall_silent(self, homes: Iterable[str]) -> None:
        """Nothing of theirs gets through from now on."""
        self.quiet |= set(homes)

    def are_back(self, homes: Iterable[str]) -> None:
        """They report again, from their next report on."""
        self.quiet -= set(homes)

    async def report(self, homes: Sequence[str] | None = None, **readings: Any) -> None:
        """A heartbeat of each, or of all who get through; return once all are stored. `sent_at` is by the box's own clock."""
        homes = self.audible if homes is None else homes
        sent_at = await self.database.fetchval("select clock_timestamp()")
        for home in homes:
            place = self.places[home]
            self._seq[home] = self._seq.get(home, 0) + 1
            told = {
                "boot_id": f"boot-{home}",
                "seq": self._seq[home],
                "sent_at": sent_at,
                "network": place.network,
                "sim_operator": place.sim_operator,
                "cell_id": place.cell_id,
                "firmware": "4.2.1",
            }
            await self._publish(home, encode(**told | readings))
        self._line.flush()
        await until(
            lambda: self._are_stored(homes), AT_LEISURE_S, what=f"the reports of {len(homes)} homes to be stored"
        )

    async def _are_stored(self, homes: Sequence[str]) -> bool:
        numbers = [self._seq[home] for home in homes]
        return bool(await self.database.fetchval(_STORED, homes, numbers) == len(homes))

    async def _publish(self, home: str, payload: bytes) -> None:
        if not self._line.has_room:
            await self._line.room()
        topic = device_topic(CouncilId(self.places[home].council_id), DeviceId(home), "heartbeat")
        self._line.publish(topic, payload, expiry_s=None)

    async def _connect(self) -> None:
        self._trunk = Trunk(f"homes-{secrets.token_hex(4)}", _IN_FLIGHT_MAX, lambda _: None)
        self._cast.push_async_callback(self._trunk.close)
        await self._trunk.open(MqttUrl.parse(self.url))

    @property
    def _line(self) -> Trunk:
        assert self._trunk is not None
        return self._trunk
