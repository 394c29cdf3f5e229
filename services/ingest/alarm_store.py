"""Alarm events into the database: the rows, what alerts is told of them, and that their devices live, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.alarm_event import IDENTITY_REUSED, AlarmEvent
from contracts.ids import EventId
from services.chassis.postgres import Connection, Pool
from services.chassis.postgres.borrow import Line
from services.ingest.domain.alarm import DecodedAlarm
from services.ingest.domain.identity import identity_of
from services.ingest.sql import QUERIES


@dataclass(frozen=True, slots=True)
class Arrival:
    """An alarm as it arrived: what it says, its raw bytes where that isn't all, and its quality of service.

    `retained`: the broker tells of it anew, its device said it some time ago.
    """

    decoded: DecodedAlarm
    qos: int
    retained: bool

    @property
    def event(self) -> AlarmEvent:
        return self.decoded.event


class AlarmStore:
    """Stores on one connection of its own, one transaction at a time."""

    def __init__(self, pool: Pool) -> None:
        self._line = Line(pool)

    async def store(self, arrivals: Sequence[Arrival], now: datetime) -> set[EventId]:
        """Commit them all, and return which are new; the others are repeats.

        Raises what the database raises; then none of them is stored.
        """
        async with self._line.transaction() as connection:
            rows = await connection.fetchmany(QUERIES["store_alarm"], [_row(each) for each in arrivals])
            new = _new_events(arrivals, {row["event_id"]: row["reused"] for row in rows})
            if new:
                await self._tell(connection, new, now)
            await self._touch(connection, arrivals, now)
        return {event.event_id for event in new}

    def close(self) -> None:
        self._line.drop()

    async def _tell(self, connection: Connection, new: Sequence[AlarmEvent], now: datetime) -> None:
        await connection.execute(
            QUERIES["tell_of_alarms"],
            [event.device_id for event in new],
            [event.urgency for event in new],
            [event.to_json() for event in new],
            now,
        )

    async def _touch(self, connection: Connection, arrivals: Sequence[Arrival], now: datetime) -> None:
        heard = [each.event.device_id for each in arrivals if not each.retained]
        if heard:
            await connection.execute(QUERIES["touch_liveness"], heard, now)


def _new_events(arrivals: Sequence[Arrival], reused: dict[UUID, bool]) -> list[AlarmEvent]:
    new = []
    for arrival in arrivals:
        # popped, for the same bytes may be in one batch twice
        mark = reused.pop(UUID(arrival.event.event_id), None)
        if mark is not None:
            new.append(arrival.event.marked(IDENTITY_REUSED) if mark else arrival.event)
    return new


def _row(arrival: Arrival) -> tuple[object, ...]:
    event = arrival.event
    return (
        event.event_id,
        identity_of(event),
        bytes.fromhex(event.payload_sha256),
        event.topic,
        event.council_id,
        event.device_id,
        event.boot_id,
        event.seq,
        event.sent_at,
        event.received_at,
        event.kind,
        event.status,
        event.peripheral_id,
        event.location,
        event.text,
        event.test,
        list(event.marks),
        IDENTITY_REUSED,
        arrival.decoded.raw,
        arrival.qos,
    )
