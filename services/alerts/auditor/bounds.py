"""What is audited, and how long it may be overdue. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class What(StrEnum):
    """What can be overdue."""

    ALARM_URGENT = "alarm_urgent"
    ALARM_OTHER = "alarm_other"
    ALARM_WITHOUT_FUTURE = "alarm_without_future"
    EVENT = "event"
    DELIVERY_URGENT = "delivery_urgent"
    DELIVERY_OTHER = "delivery_other"


@dataclass(frozen=True, slots=True)
class Bound:
    """`within`: for so long it may be overdue. `sentence`: what is wrong when it is for longer."""

    within: timedelta
    sentence: str


BOUNDS: Final = {
    What.ALARM_URGENT: Bound(timedelta(seconds=30), "an alarm of priority 1 or 2 is due and nobody looks at it again"),
    What.ALARM_OTHER: Bound(timedelta(seconds=120), "an alarm of priority 3 to 5 is due and nobody looks at it again"),
    What.ALARM_WITHOUT_FUTURE: Bound(timedelta(0), "an alarm is open and nobody will look at it again within a day"),
    What.EVENT: Bound(timedelta(seconds=30), "an event that was stored has not become an alarm"),
    What.DELIVERY_URGENT: Bound(
        timedelta(seconds=60), "a notification of priority 1 is due and nobody tries to send it"
    ),
    What.DELIVERY_OTHER: Bound(timedelta(seconds=600), "a notification is due and nobody tries to send it"),
}


@dataclass(frozen=True, slots=True)
class Overdue:
    """The worst of its kind: due since then, or None when nothing is due."""

    what: What
    since: datetime | None

    def is_violation(self, now: datetime) -> bool:
        """Whether it has been due for longer than it ever should. What has no future is wrong from the first."""
        if self.since is None:
            return False
        return self.what is What.ALARM_WITHOUT_FUTURE or now - self.since > BOUNDS[self.what].within
