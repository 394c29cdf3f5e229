"""What a device puts on the wire."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.ids import BootId
from contracts.topics import DeviceLane
from services.simulator.memory import KeptAlarm
from services.simulator.occurrence import Occurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One publish. `alarm` is what it carries, if it carries one; `expiry_s` counts on MQTT 5 only."""

    lane: DeviceLane
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    alarm: KeptAlarm | None = None


def encode(**fields: Any) -> bytes:
    """Compact JSON; times in RFC 3339; what is None is left out, as boxes do to save airtime."""
    present = {name: _plain(value) for name, value in fields.items() if value is not None}
    return json.dumps(present, separators=(",", ":"), ensure_ascii=False).encode()


def alarm_payload(occurrence: Occurrence, boot_id: BootId, seq: int, sent_at: datetime) -> bytes:
    """The event that a device makes of what happened."""
    return encode(
        boot_id=boot_id,
        seq=seq,
        sent_at=sent_at,
        kind=occurrence.kind,
        status=occurrence.status,
        peripheral_id=occurrence.peripheral_id,
        location=occurrence.location,
        text=occurrence.text,
        test=occurrence.test or None,
    )


def status_message(state: str, boot_id: BootId, sent_at: datetime) -> Outgoing:
    """`online`, `offline`, or the will; retained, so that whoever asks later is told."""
    return Outgoing(lane="status", payload=encode(state=state, boot_id=boot_id, sent_at=sent_at), retain=True)


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
