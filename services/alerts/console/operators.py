"""What a session is to an alarm."""

from __future__ import annotations

from services.alerts.domain.alarm import Alarm
from services.chassis.pages import Session


def may_act(session: Session) -> bool:
    """Operators of a hub, and ops; others look."""
    return session.who.role in {"hub", "ops"}


def has(session: Session, alarm: Alarm) -> bool:
    """Whether this operator has taken it. Somebody of the same name at another hub is somebody else."""
    return (alarm.acknowledged_by, alarm.acknowledged_hub) == (session.operator, session.who.hub_id)
