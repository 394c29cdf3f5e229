"""Alarm events into the database: the rows, what alerts is told of them, and that their devices live, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.alarm_event import IDENTITY_REUSED, AlarmEvent
from contracts.ids import EventId
from services.chassis.postgres import Pool
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
    """Stores on one connection of its own, one batch at a time."""

    def __init__(self, pool: Pool) -> None:
        self._line = Line(pool)

    async def store(self, arrivals: Sequence[Arrival], now: datetime) -> set[EventId]:
        """Commit them all, and return which are new; the others are repeats.

        Raises what the database raises; then none of them is stored.
        """
        rows = await self._line.fetch(QUERIES["store_alarms"], *_columns(arrivals), now)
        return {EventId(str(row["event_id"])) for row in rows}

    def close(self) -> None:
        self._line.drop()


def _columns(arrivals: Sequence[Arrival]) -> list[object]:
    """The parameters of `store_alarms` but the last, an array of each field."""
    before, after = zip(*map(_row, arrivals), strict=True), zip(*map(_told, arrivals), strict=True)
    return [*map(list, before), IDENTITY_REUSED, *map(list, after)]


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
        ",".join(event.marks),  # words of our own: an array of arrays of different lengths is none
        arrival.decoded.raw,
        arrival.qos,
        event.to_json(),
    )


def _told(arrival: Arrival) -> tuple[object, ...]:
    return int(arrival.event.urgency), arrival.retained
