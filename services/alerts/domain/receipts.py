"""What a device is told of what became of its event."""

from datetime import datetime

from contracts.alarm_event import AlarmEvent
from contracts.device import Receipt, ReceiptState
from contracts.ids import AlarmId
from contracts.topics import reply_topic


def receipt(event: AlarmEvent, state: ReceiptState, alarm_id: AlarmId, now: datetime) -> Receipt:
    """Names the event as its device knows it: by boot_id and seq, or, where those can't be read, by its payload's digest."""
    return Receipt(
        boot_id=event.boot_id,
        seq=event.seq,
        payload_sha256=event.payload_sha256 if event.boot_id is None else None,
        state=state,
        alarm_id=alarm_id,
        at=now,
    )


def receipt_topic(event: AlarmEvent) -> str | None:
    """Where its device listens; None when nothing may be published there."""
    return reply_topic(event.topic, "receipt")
