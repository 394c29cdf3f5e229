"""What a hub is told of a transition: written once, when it happens, and never changed."""

import uuid
from datetime import datetime
from typing import Final

from contracts.alarm import EventView
from contracts.alarm_event import AlarmEvent
from contracts.ids import EventId, NotificationId
from contracts.notification import AlarmData, AlarmNotificationType, Notification
from services.alerts.domain.alarm import Alarm

_NAMESPACE: Final = uuid.UUID("d2a9c8a0-0f5b-4a53-9d0d-3a7b0f6b9a2e")  # any constant of our own


def notification(
    type_: AlarmNotificationType, alarm: Alarm, cause: AlarmEvent | None, shown: AlarmEvent | None, now: datetime
) -> Notification:
    """Tells of `alarm` as it stands after the transition, with the device's latest event (None: it never sent one).

    What an event caused follows from that event alone, its id and its time too: decided again, because a crash of the database
    took the decision back, it is the same notification to a hub that has it already.
    """
    data = AlarmData(**alarm.view().model_dump(), event=EventView.of(shown) if shown else None)
    id_ = NotificationId(f"msg_{uuid.uuid4().hex}") if cause is None else notification_id_of(cause.event_id)
    at = now if cause is None else cause.received_at
    return Notification(id=id_, type=type_, timestamp=at, data=data)


def notification_id_of(event_id: EventId) -> NotificationId:
    """The id of what hubs are told of an event."""
    return NotificationId(f"msg_{uuid.uuid5(_NAMESPACE, event_id).hex}")
