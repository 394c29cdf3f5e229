"""A firmware, or model, whose devices fall silent one by one, as one alarm for whoever looks after the equipment."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import structlog

from contracts.alarm_event import OF_NO_HOME, AlarmEvent
from contracts.ids import CouncilId, DeviceId, EventId
from services.alerts.domain.outages.census import Census, Trait
from services.alerts.domain.outages.decay import decaying
from services.alerts.intake import STREAM
from services.alerts.outages.fleet import FleetCount
from services.alerts.outages.sql import QUERIES
from services.chassis.clock import Clock
from services.chassis.event_log import LogEntry, append
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import borrow

_log = structlog.get_logger(__name__)

EVERY_S: Final = 60.0
_NO_ID: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Decay:
    """`run_once` is a loop's. People are told when it begins, and when a week has passed without enough of it."""

    pool: Pool
    clock: Clock
    fleet: FleetCount

    async def run_once(self) -> int:
        """Look at the last count of the fleet. Returns 0: there is never more to do at once."""
        if not self.fleet.counted:
            return 0  # a process that has just begun knows of nobody: all would be well again, and fall silent anew a minute later
        now, fleet = self.clock.now(), self.fleet.latest
        async with borrow(self.pool) as connection, connection.transaction():
            known = {
                Trait(row["attribute"], row["value"]): CouncilId(row["council_id"])
                for row in await connection.fetch(QUERIES["decaying"])
            }
            found = frozenset(decaying(fleet.singles.get("silent", Census()), fleet.population, known))
            await self._begin(connection, found - known.keys(), now)
            for trait in known.keys() - found:
                if await connection.fetchval(QUERIES["decay_ends"], trait.attribute, trait.value):
                    await _tell(connection, trait, known[trait], "restored", now)
        return 0

    async def _begin(self, connection: Connection, new: AbstractSet[Trait], now: datetime) -> None:
        for trait in new:
            council = await connection.fetchval(QUERIES["decay_council"], *trait)
            if council and await connection.fetchval(QUERIES["decay_begins"], *trait, now, council):
                await _tell(connection, trait, CouncilId(council), "activated", now)


async def _tell(
    connection: Connection,
    trait: Trait,
    council: CouncilId,
    turn: Literal["activated", "restored"],
    now: datetime,
) -> None:
    event = decay_event(trait, council, turn, now)
    await append(connection, [LogEntry(STREAM, event.device_id, int(event.urgency), event.to_json())], now)
    _log.warning("decay_began" if turn == "activated" else "decay_ended", attribute=trait.attribute, value=trait.value)


def decay_event(trait: Trait, council: CouncilId, turn: Literal["activated", "restored"], now: datetime) -> AlarmEvent:
    """Of the firmware as if it were a device; told to the council that has most of them."""
    event_id = str(uuid.uuid4())
    words = (
        "fall silent one after the other, five times as often as others" if turn == "activated" else "are well again"
    )
    return AlarmEvent(
        event_id=EventId(event_id),
        device_id=DeviceId(_NO_ID.sub("-", f"{trait.attribute}-{trait.value}")[:64]),
        council_id=council,
        topic="",
        boot_id=None,
        seq=None,
        sent_at=None,
        received_at=now,
        kind="system_monitor",
        status=turn,
        peripheral_id=trait.value[:32],
        location=None,
        text=f"Devices with {trait.attribute} {trait.value[:40]} {words}"[:128],
        test=False,
        marks=(OF_NO_HOME,),
        payload_sha256=hashlib.sha256(event_id.encode()).hexdigest(),
    )
