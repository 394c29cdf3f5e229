"""What the tests of alarms are made of."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.alarm_event import AlarmEvent
from contracts.ids import BootId, CouncilId, DeviceId, EventId
from services.alerts.domain.alarm import Alarm
from services.alerts.domain.decide import decide
from services.alerts.domain.decision import Circumstances, Decision
from services.alerts.domain.triggers import EventArrived, KnownDevice, Trigger

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GLASGOW = CouncilId("glasgow-city")
KNOWN = KnownDevice(council_id=GLASGOW, installation_ref="GLA-4711", sole_trigger=None)
ORDINARY = Circumstances()
"""The default policy, and no silence."""


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def event(kind: str = "fall", status: str = "activated", **fields: Any) -> AlarmEvent:
    """One event of a device; each call is another event unless `event_id` says otherwise."""
    device_id = fields.get("device_id", "TC-000123")
    values: dict[str, Any] = {
        "event_id": EventId(str(uuid.uuid4())),
        "device_id": DeviceId(device_id),
        "council_id": GLASGOW,
        "topic": f"telecare/v1/devices/glasgow-city/{device_id}/alarm",
        "boot_id": BootId("b-1"),
        "seq": 7,
        "sent_at": NOON - seconds(2),
        "received_at": NOON,
        "kind": kind,
        "status": status,
        "peripheral_id": "pendant-1",
        "location": "bathroom",
        "text": None,
        "test": False,
        "marks": (),
        "payload_sha256": hashlib.sha256(b"bytes").hexdigest(),
    }
    return AlarmEvent(**(values | fields))


def arrives(
    alarm: Alarm | None, happened: AlarmEvent, at: datetime = NOON, around: Circumstances = ORDINARY
) -> Decision:
    """The decision on an event of a registered device."""
    return decided(alarm, EventArrived(happened, KNOWN), at, around)


def decided(alarm: Alarm | None, trigger: Trigger, at: datetime = NOON, around: Circumstances = ORDINARY) -> Decision:
    """A decision that must not be a refusal."""
    decision = decide(alarm, trigger, at, around)
    assert isinstance(decision, Decision), decision
    return decision
