"""What a device is told of what became of its event."""

from datetime import datetime

from contracts.alarm_event import AlarmEvent
from contracts.device import Receipt, ReceiptState
from contracts.ids import AlarmId
from contracts.topics import reply_topic


def receipt(event: AlarmEvent, state: ReceiptState, alarm_id: AlarmId, now: datetime) -> Receipt:
    """Names the event as its device knows it."""
    return Receipt.of(event, state, alarm_id, now)


def receipt_topic(event: AlarmEvent) -> str | None:
    """Where its device listens; None when nothing may be published there."""
    return reply_topic(event.topic, "receipt")
