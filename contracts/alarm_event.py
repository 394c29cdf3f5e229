"""What ingest tells alerts through the event log: one event of a device, as far as it could be read."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Self

from pydantic import TypeAdapter

from contracts.ids import BootId, CouncilId, DeviceId, EventId
from contracts.vocabulary import Priority, Status, priority_of

IDENTITY_REUSED: Final = "identity_reused"
"""The mark of an event that bears the identity of another, with other bytes."""

OF_NO_HOME: Final = "of_no_home"
"""The mark of an event of ours that is of no device: nobody is unprotected by it, and nobody forgot to register it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Of an event of our own: what a device's heartbeats say is so, once for as long as it is so.

    `begun_as`: the status with which it began; its end ends no alarm of another. `rises_at`: from then on, left alone, it is
    more urgent by one: a battery without mains will be empty.
    """

    begun_as: Status = "activated"
    rises_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmEvent:
    """One alarm event. Every string in it is storable: valid UTF-8 without NUL, within its length.

    `event_id` is derived from the topic and the bytes, so a redelivery or a repeat, byte for byte, has the same one.
    `boot_id` and `seq` are both known or both None. `device_id` is the topic's; where that segment is malformed, a
    short form of it that no other segment shares. `marks` name the reasons why the event isn't simply what was sent.
    `observed`: no device sent it, we saw it.
    """

    event_id: EventId
    device_id: DeviceId
    council_id: CouncilId | None
    topic: str
    boot_id: BootId | None
    seq: int | None
    sent_at: datetime | None
    received_at: datetime
    kind: str
    status: Status
    peripheral_id: str | None
    location: str | None
    text: str | None = field(repr=False)  # free text of a home: never in a log
    test: bool
    marks: tuple[str, ...]
    payload_sha256: str
    observed: Observed | None = None

    @property
    def urgency(self) -> Priority:
        """Its priority when nothing is known of the device: for ordering work, not for judging the alarm."""
        return priority_of(self.kind, self.status, test=self.test, sole_trigger=None)

    def marked(self, mark: str) -> Self:
        """The same event with one more mark."""
        return self if mark in self.marks else replace(self, marks=(*self.marks, mark))

    def to_json(self) -> str:
        """As the event log keeps it."""
        return _adapter.dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> "AlarmEvent":
        """The event that `to_json` wrote. Raises ValueError on anything else."""
        return _adapter.validate_json(text)


_adapter: Final = TypeAdapter(AlarmEvent)
