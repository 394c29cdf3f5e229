"""What a device is told while it is being tried: to report often, for a bounded time, and as usual again afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

OFTEN_S: Final = 15
"""So often it reports while somebody stands beside it."""
OFTEN_FOR: Final = timedelta(minutes=30)
"""Then it goes back by itself, whatever becomes of us. Whoever is not done asks again."""
COMMAND_LIVES: Final = timedelta(minutes=2)
RESTORE_LIVES: Final = timedelta(hours=1)
_PATIENCE: Final = timedelta(seconds=2.5 * OFTEN_S)
_APART: Final = timedelta(seconds=30)

CommandName: TypeAlias = Literal["report_now", "set_heartbeat_interval"]


@dataclass(frozen=True, slots=True)
class Order:
    """A command to send. Its id is its maker's."""

    name: CommandName
    args: dict[str, int]
    lives: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """How a commissioning stands. `told_at` is when the device was last told anything, `heard_at` its last heartbeat.

    `booted_at`: the first heartbeat of its present boot. `usual_s`: how often its model reports.
    """

    asked_at: datetime
    usual_s: int
    told_at: datetime | None
    heard_at: datetime | None
    booted_at: datetime | None = None


def often_until(asked_at: datetime) -> datetime:
    """Until when the device is kept reporting often."""
    return asked_at + OFTEN_FOR


def orders(session: Session, now: datetime) -> list[Order]:
    """What to tell it now: also again, when it does not report as often as it was told, for it may have restarted."""
    left_s = int((often_until(session.asked_at) - now).total_seconds())
    if left_s <= OFTEN_S:
        return []
    often = Order("set_heartbeat_interval", {"interval_s": OFTEN_S, "for_s": left_s}, COMMAND_LIVES)
    seldom = session.usual_s > OFTEN_S
    if session.told_at is None or session.told_at < session.asked_at:
        return [*([often] if seldom else []), Order("report_now", {}, COMMAND_LIVES)]
    if seldom and session.booted_at is not None and session.booted_at > session.told_at:
        return [often]  # it knows nothing of it
    heeds = not seldom or (session.heard_at is not None and session.heard_at >= now - _PATIENCE)
    return [] if heeds or session.told_at > now - _APART else [often]


def restoring(asked_at: datetime, usual_s: int, now: datetime) -> list[Order]:
    """What to tell it when its commissioning has ended: nothing, where it has gone back by itself."""
    if often_until(asked_at) <= now or usual_s <= OFTEN_S:
        return []
    return [Order("set_heartbeat_interval", {"interval_s": usual_s}, RESTORE_LIVES)]
