"""A batch of the heartbeat lane, decoded and dealt out to the transactions that store it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from contracts.ids import CouncilId, DeviceId
from services.chassis.mqtt import Message
from services.ingest.domain.decode import HeartbeatRow, Quarantined, StatusHint, decode_heartbeat, decode_status
from services.ingest.domain.quarantine import quarantined

STATUS_ENDING = "/status"


@dataclass(slots=True)
class Part:
    """What is stored in one transaction. Everything but `rows` is rare."""

    rows: list[HeartbeatRow] = field(default_factory=list)
    replayed: list[HeartbeatRow] = field(default_factory=list)  # retained heartbeats: data, but no life
    quarantined: list[tuple[str, Quarantined]] = field(default_factory=list)  # each with its lane
    heard: dict[DeviceId, CouncilId] = field(default_factory=dict)  # signs of life that are no heartbeat
    hinted: set[DeviceId] = field(default_factory=set)  # spoken of, not heard

    def __bool__(self) -> bool:
        return bool(self.rows or self.replayed or self.quarantined or self.heard or self.hinted)

    @property
    def size(self) -> int:
        """Heartbeats in it."""
        return len(self.rows) + len(self.replayed)

    def set_aside(self, lane: str, message: Quarantined, *, retained: bool) -> None:
        """Quarantine it; it is a sign of life of the device that its topic names."""
        self.quarantined.append((lane, message))
        if message.device_id is not None and message.council_id is not None and not retained:
            self.heard[message.device_id] = message.council_id

    def halves(self) -> "tuple[Part, Part]":
        """The same in two, to find the row that is at fault; neither is all of it, of two rows or more."""
        if self.rows and self.replayed:
            return Part(replayed=self.replayed), replace(self, replayed=[])
        rows, replayed = len(self.rows) // 2, len(self.replayed) // 2
        return (
            Part(self.rows[:rows], self.replayed[:replayed]),
            replace(self, rows=self.rows[rows:], replayed=self.replayed[replayed:]),
        )

    def without_rows(self, refused: Callable[[HeartbeatRow], Quarantined]) -> "Part":
        """The same with its rows set aside."""
        part = Part(quarantined=[*self.quarantined], heard={**self.heard}, hinted=self.hinted)
        for row in self.rows:
            part.set_aside("heartbeat", refused(row), retained=False)
        for row in self.replayed:
            part.set_aside("heartbeat", refused(row), retained=True)
        return part


@dataclass(slots=True)
class Batch:
    """Messages in the order of arrival, and what becomes of them, by part: all of one device is in one part."""

    messages: Sequence[Message]
    received_at: datetime
    parts: Sequence[Part]
    statuses: int = 0
    quarantined_heartbeats: int = 0
    quarantined_statuses: int = 0

    @property
    def heartbeats(self) -> int:
        return len(self.messages) - self.statuses

    def decode(self, start: int, end: int) -> None:
        """Decode some of the messages. The hot path: no call but the one that a heartbeat needs."""
        parts, received_at, count = self.parts, self.received_at, len(self.parts)
        for message in self.messages[start:end]:
            topic = message.topic
            if topic.endswith(STATUS_ENDING):
                self._add_status(message)
                continue
            row = decode_heartbeat(topic, message.payload, received_at)
            if isinstance(row, Quarantined):
                self._add_quarantined(message, row)
            elif message.retain:
                parts[hash(row[0]) % count].replayed.append(row)
            else:
                parts[hash(row[0]) % count].rows.append(row)

    def refused(self, row: HeartbeatRow) -> Quarantined:
        """The message that `row` was read from, to be set aside for what PostgreSQL would not have."""
        for message in self.messages:
            if decode_heartbeat(message.topic, message.payload, self.received_at) == row:
                return quarantined(message.topic, message.payload, self.received_at, "refused_by_database")
        raise LookupError("a row that came from none of the batch's messages")

    def _add_quarantined(self, message: Message, aside: Quarantined) -> None:
        self.quarantined_heartbeats += 1
        self._part_of(aside.device_id).set_aside("heartbeat", aside, retained=message.retain)

    def _add_status(self, message: Message) -> None:
        self.statuses += 1
        status = decode_status(message.topic, message.payload, self.received_at)
        part = self._part_of(status.device_id)
        if isinstance(status, Quarantined):
            self.quarantined_statuses += 1
            part.set_aside("status", status, retained=message.retain)
        elif _is_life(status, message):
            part.heard[status.device_id] = status.council_id
        else:
            part.hinted.add(status.device_id)

    def _part_of(self, device_id: DeviceId | None) -> Part:
        return self.parts[hash(device_id) % len(self.parts)]


def _is_life(status: StatusHint, message: Message) -> bool:
    """Not what the broker retained, and not a will: that is the broker speaking of a device it has lost."""
    return status.state == "online" and not message.retain


def slices(length: int, size: int) -> Iterable[tuple[int, int]]:
    """Where to cut so many into pieces of at most `size`."""
    return ((start, min(start + size, length)) for start in range(0, length, size))
