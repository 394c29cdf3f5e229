"""What a hub is told of a transition: written once, when it happens, and never changed."""

from datetime import datetime

from contracts.alarm import EventView
from contracts.alarm_event import AlarmEvent
from contracts.ids import NotificationId
from contracts.notification import AlarmData, AlarmNotificationType, Notification
from services.alerts.domain.alarm import Alarm


def notification(
    id_: NotificationId, type_: AlarmNotificationType, alarm: Alarm, event: AlarmEvent | None, now: datetime
) -> Notification:
    """Tells of `alarm` as it stands after the transition, with the device's latest event (None: it never sent one)."""
    data = AlarmData(**alarm.view().model_dump(), event=EventView.of(event) if event else None)
    return Notification(id=id_, type=type_, timestamp=now, data=data)
