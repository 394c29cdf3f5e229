"""The non-volatile memory of a device: every alarm is in it, with its exact bytes, until a receipt for it arrives."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.device import Receipt
from contracts.ids import BootId
from services.simulator.occurrence import Occurrence


@dataclass(slots=True, eq=False)
class KeptAlarm:
    """One alarm as it was born, and when it is due to be sent (again)."""

    occurrence: Occurrence
    boot_id: BootId
    seq: int
    payload: bytes = field(repr=False)
    payload_sha256: str
    due_at: datetime
    repeat_s: float
    sent_count: int = 0

    def is_meant_by(self, receipt: Receipt) -> bool:
        """A digest tells exactly. An identity can mean only what has been sent: a later boot may bear it again."""
        if receipt.payload_sha256 is not None:
            return receipt.payload_sha256 == self.payload_sha256
        return self.sent_count > 0 and (receipt.boot_id, receipt.seq) == (self.boot_id, self.seq)


class AlarmMemory:
    """Unbounded on purpose: to forget a cry for help would be worse than to run out."""

    def __init__(self, *, repeat_max_s: float, jitter: float) -> None:
        self._repeat_max_s = repeat_max_s
        self._jitter = jitter
        self._alarms: list[KeptAlarm] = []

    def __len__(self) -> int:
        return len(self._alarms)

    def __iter__(self) -> Iterator[KeptAlarm]:
        return iter(self._alarms)

    @property
    def next_due_at(self) -> datetime | None:
        """When the next one is to be sent."""
        return min((alarm.due_at for alarm in self._alarms), default=None)

    def keep(self, alarm: KeptAlarm) -> None:
        """From now on it survives everything but its receipt."""
        self._alarms.append(alarm)

    def take_due(self, now: datetime, rng: random.Random) -> list[KeptAlarm]:
        """Those to send now, oldest first, each scheduled anew: the wait doubles to its maximum, give or take the jitter."""
        due = [alarm for alarm in self._alarms if alarm.due_at <= now]
        for alarm in due:
            spread = rng.uniform(1 - self._jitter, 1 + self._jitter)
            alarm.due_at = now + timedelta(seconds=alarm.repeat_s * spread)
            alarm.repeat_s = min(alarm.repeat_s * 2, self._repeat_max_s)
            alarm.sent_count += 1
        return due

    def restart(self, now: datetime, repeat_first_s: float) -> None:
        """After a boot everything kept is due at once, and the waits start over: only the alarms were non-volatile."""
        for alarm in self._alarms:
            alarm.due_at, alarm.repeat_s = now, repeat_first_s

    def release(self, receipt: Receipt) -> None:
        """Forget what this receipt is for."""
        self._alarms = [alarm for alarm in self._alarms if not alarm.is_meant_by(receipt)]
