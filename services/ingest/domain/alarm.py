"""Alarms: no alarm is refused. Whatever the bytes, an event comes out, and its marks say what was made of them."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple, cast
from uuid import UUID, uuid5

from contracts.alarm_event import AlarmEvent
from contracts.fields import parse_time
from contracts.ids import SEQ_MAX, BootId, CouncilId, DeviceId, EventId, is_boot_id
from contracts.topics import parse_device_topic
from contracts.vocabulary import STATUSES, UNKNOWN_KIND, UNREADABLE, Status
from services.ingest.domain.salvage import (
    PAYLOAD_BYTES_MAX,
    in_utc,
    is_plausible,
    read_object,
    storable,
    storable_topic,
    unmistakable,
)

KIND_LENGTH_MAX: Final = 64
PERIPHERAL_ID_LENGTH_MAX: Final = 32
LOCATION_LENGTH_MAX: Final = 64
TEXT_LENGTH_MAX: Final = 128
_DIGEST_LENGTH: Final = 17  # what `unmistakable` adds
_EVENTS: Final = UUID("5f2b7c1e-64a0-5d3c-9a57-0d9f3c1b8e42")


class DecodedAlarm(NamedTuple):
    """An event, and the raw bytes (the first 16 KiB) wherever the event doesn't say all that they did."""

    event: AlarmEvent
    raw: bytes | None


def decode_alarm(topic: str, payload: bytes, received_at: datetime) -> DecodedAlarm:
    """Read an alarm. Total.

    Bytes that hold no JSON object are an alarm of kind `unreadable`. An object without a usable kind is one of kind
    `unknown`, and keeps what else it says. Either has priority 1.
    """
    digest = sha256(payload).hexdigest()
    sent, marks = read_object(payload)
    reading = _Reading(sent or {}, [*marks])
    if len(payload) > PAYLOAD_BYTES_MAX:
        reading.marks.append("oversized")
    council_id, device_id = _sender(topic, reading.marks)
    known_topic = storable_topic(topic)
    boot_id, seq = reading.identity() if sent is not None else (None, None)
    event = AlarmEvent(
        event_id=EventId(str(uuid5(_EVENTS, f"{known_topic}\n{digest}"))),
        device_id=device_id,
        council_id=council_id,
        topic=known_topic,
        boot_id=boot_id,
        seq=seq,
        sent_at=reading.sent_at() if sent is not None else None,
        received_at=received_at,
        kind=reading.kind() if sent is not None else reading.nothing(),
        status=reading.status(),
        peripheral_id=reading.key("peripheral_id", PERIPHERAL_ID_LENGTH_MAX),
        location=reading.prose("location", LOCATION_LENGTH_MAX),
        text=reading.prose("text", TEXT_LENGTH_MAX),
        test=reading.test(),
        marks=tuple(reading.marks),
        payload_sha256=digest,
    )
    return DecodedAlarm(event, payload[:PAYLOAD_BYTES_MAX] if event.marks else None)


def _sender(topic: str, marks: list[str]) -> tuple[CouncilId | None, DeviceId]:
    """Whom the topic names. A name that is none stays distinct from every other, so that no two homes share an alarm."""
    parts = parse_device_topic(topic)
    if parts is None:
        marks.append("bad_topic")
        return None, DeviceId(unmistakable(topic, 40))
    if parts.council_id is None:
        marks.append("bad_council_id")
    if parts.device_id is None:
        marks.append("bad_device_id")
    return parts.council_id, parts.device_id or DeviceId(unmistakable(parts.device, 40, within=f"{parts.council}/"))


@dataclass(slots=True)
class _Reading:
    """The fields of an alarm, each read by itself, marking what it had to change, cut or leave out."""

    sent: dict[str, Any]
    marks: list[str] = field(default_factory=list)

    def identity(self) -> tuple[BootId, int] | tuple[None, None]:
        """Both or neither: half an identity names nothing."""
        boot_id, seq = self.sent.get("boot_id"), self.sent.get("seq")
        boot_is_good = isinstance(boot_id, str) and is_boot_id(boot_id)
        seq_is_good = type(seq) is int and 0 <= seq <= SEQ_MAX  # not isinstance: a bool is an int
        if not boot_is_good:
            self.marks.append("bad_boot_id")
        if not seq_is_good:
            self.marks.append("bad_seq")
        return (BootId(cast(str, boot_id)), cast(int, seq)) if boot_is_good and seq_is_good else (None, None)

    def sent_at(self) -> datetime | None:
        """The device's clock, in UTC."""
        told = self.sent.get("sent_at")
        time = parse_time(told) if isinstance(told, str) else None
        utc = in_utc(time) if time else None
        if utc is None:
            self.marks.append("bad_sent_at")
        elif not is_plausible(utc):
            self.marks.append("absurd_sent_at")
        return utc

    def kind(self) -> str:
        """As given, known or not."""
        kind = self.key("kind", KIND_LENGTH_MAX)
        if kind:
            return kind
        if "bad_kind" not in self.marks:
            self.marks.append("bad_kind")
        return UNKNOWN_KIND

    def nothing(self) -> str:
        """The kind of what can't be read."""
        self.marks.append("unreadable")
        return UNREADABLE

    def status(self) -> Status:
        """A status that nobody knows counts as `activated`: better a call too many."""
        status = self.sent.get("status")
        if isinstance(status, str) and status in STATUSES:
            return cast(Status, status)
        if status is not None:
            self.marks.append("unknown_status" if isinstance(status, str) else "bad_status")
        return "activated"

    def test(self) -> bool:
        """Only `true` itself makes a test: a `"true"` may be a person."""
        test = self.sent.get("test")
        if test is not None and not isinstance(test, bool):
            self.marks.append("bad_test")
        return test is True

    def key(self, name: str, length_max: int) -> str | None:
        """Text by which events join an alarm: shortened so that no two become one."""
        text = self._text(name)
        if text is None or len(text) <= length_max:
            return text
        self.marks.append(f"{name}_truncated")
        return unmistakable(cast(str, self.sent[name]), length_max - _DIGEST_LENGTH)

    def prose(self, name: str, length_max: int) -> str | None:
        """Text for people: cut to its length."""
        text = self._text(name)
        if text is None or len(text) <= length_max:
            return text
        self.marks.append(f"{name}_truncated")
        return text[:length_max]

    def _text(self, name: str) -> str | None:
        text = self.sent.get(name)
        if text is None:
            return None
        clean = storable(text) if isinstance(text, str) else None
        if clean != text:
            self.marks.append(f"bad_{name}")
        return clean
