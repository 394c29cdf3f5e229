"""The retained `status` topic and the will: hints, never life."""

from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, cast

from contracts.device import DeviceStatus
from contracts.ids import BootId, CouncilId, DeviceId
from contracts.topics import parse_device_topic
from services.ingest.domain.quarantine import Quarantined, QuarantineReason, fault_of_frame, quarantined
from services.ingest.domain.salvage import in_utc

_REASONS: Final[dict[str, QuarantineReason]] = {
    "state": "bad_state",
    "boot_id": "bad_boot_id",
    "sent_at": "bad_sent_at",
}
_validate = DeviceStatus.__pydantic_validator__.validate_json


class StatusHint(NamedTuple):
    """What a device, or its will, last said of its connection. `sent_at` is in UTC, by the device's clock."""

    device_id: DeviceId
    council_id: CouncilId
    state: Literal["online", "offline"]
    boot_id: BootId
    sent_at: datetime
    received_at: datetime


def decode_status(topic: str, payload: bytes, received_at: datetime) -> StatusHint | Quarantined:
    """Read a status message. Total."""
    parts = parse_device_topic(topic)
    if parts is None or fault_of_frame(topic, payload):
        return quarantined(topic, payload, received_at, "bad_topic")
    try:
        status = _validate(payload)
    except ValueError as error:
        return quarantined(topic, payload, received_at, _reason(error))
    sent_at = in_utc(status.sent_at)
    if sent_at is None:
        return quarantined(topic, payload, received_at, "bad_sent_at")
    device_id, council_id = DeviceId(parts.device), CouncilId(parts.council)
    return StatusHint(device_id, council_id, status.state, BootId(status.boot_id), sent_at, received_at)


def _reason(error: ValueError) -> QuarantineReason:
    """Which field was at fault first; `unreadable` when none in particular."""
    location = cast(Any, error).errors(include_url=False)[0]["loc"]
    return _REASONS.get(location[0], "unreadable") if location else "unreadable"
