"""What could not be identified is kept, raw, with its reason: still a sign of life of the device its topic names."""

from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from contracts.ids import CouncilId, DeviceId
from contracts.topics import parse_device_topic
from services.ingest.domain.salvage import PAYLOAD_BYTES_MAX, storable_topic

QuarantineReason: TypeAlias = Literal[
    "bad_topic",
    "bad_council_id",
    "bad_device_id",
    "too_large",
    "unreadable",
    "bad_boot_id",
    "bad_seq",
    "bad_sent_at",
    "bad_state",
    "refused_by_database",  # by none of the rules here: what PostgreSQL would not have, all the same
]


class Quarantined(NamedTuple):
    """A message set aside. The ids are the topic's where they are well-formed; of the payload the first 16 KiB are kept."""

    topic: str
    device_id: DeviceId | None
    council_id: CouncilId | None
    reason: QuarantineReason
    payload: bytes
    received_at: datetime


def quarantined(topic: str, payload: bytes, received_at: datetime, reason: QuarantineReason) -> Quarantined:
    """Set a message aside for `reason`, or for its topic or its size where these are at fault to begin with."""
    parts = parse_device_topic(topic)
    return Quarantined(
        topic=storable_topic(topic),
        device_id=parts.device_id if parts else None,
        council_id=parts.council_id if parts else None,
        reason=fault_of_frame(topic, payload) or reason,
        payload=payload[:PAYLOAD_BYTES_MAX],
        received_at=received_at,
    )


def fault_of_frame(topic: str, payload: bytes) -> QuarantineReason | None:
    """What is wrong with a message before its payload is read, if anything."""
    parts = parse_device_topic(topic)
    if parts is None:
        return "bad_topic"
    if parts.device_id is None:
        return "bad_device_id"
    if parts.council_id is None:
        return "bad_council_id"
    return "too_large" if len(payload) > PAYLOAD_BYTES_MAX else None
