"""What a probe says about a channel, and when its episode of failing begins and ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

from contracts.ids import HubId, NotificationId
from services.alerts.domain.delivery import DeliveryKind

PROBE_EVERY: Final = timedelta(minutes=5)
PROBE_EXPIRES: Final = timedelta(minutes=4)
"""A probe that has not arrived by then has failed; the next one begins after that."""
FAILURES_MAX: Final = 3
"""So many in a row raise an alarm: a hub that restarts its server is not worth one."""

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)  # any instant: probes are on a grid that begins there

Turn: TypeAlias = Literal["activated", "restored"]
"""What a hub's people are told: an episode of failing has begun, or is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One channel; the fields are the columns of `alerts.channel_health`."""

    channel_id: UUID
    hub_id: HubId
    kind: DeliveryKind
    look_at: datetime
    probed_at: datetime | None = None
    probe_id: NotificationId | None = None
    failures: int = 0
    failing_since: datetime | None = None
    last_error: str | None = None
    last_alive_at: datetime | None = None
    alarm_at: datetime | None = None

    @property
    def is_failing(self) -> bool:
        """Whether people were told that it is dead."""
        return self.alarm_at is not None


def next_probe_at(channel_id: UUID, now: datetime) -> datetime:
    """The first instant after `now` of the channel's own five-minute grid: spread evenly, whatever was down or late before."""
    every_s = int(PROBE_EVERY.total_seconds())
    phase_s = channel_id.int % every_s
    elapsed_s = (now - _EPOCH).total_seconds() - phase_s
    return _EPOCH + timedelta(seconds=phase_s + (elapsed_s // every_s + 1) * every_s)


def begun(health: Health, probe_id: NotificationId | None, look_at: datetime, now: datetime) -> Health:
    """A probe is on its way (`probe_id` None: one that is answered while we wait); look again at `look_at`."""
    return replace(health, probed_at=now, probe_id=probe_id, look_at=look_at)


def alive(health: Health, at: datetime, now: datetime) -> tuple[Health, Turn | None]:
    """Something was delivered to it `at` that time: whatever failed before is over."""
    well = replace(
        health,
        probe_id=None,
        look_at=next_probe_at(health.channel_id, now),
        failures=0,
        failing_since=None,
        last_error=None,
        last_alive_at=at,
        alarm_at=None,
    )
    return well, "restored" if health.is_failing else None


def failed(health: Health, reason: str, now: datetime) -> tuple[Health, Turn | None]:
    """A probe did not arrive. The third in a row begins an episode; those after it say nothing new."""
    failures = health.failures + 1
    begins = failures >= FAILURES_MAX and not health.is_failing
    ill = replace(
        health,
        probe_id=None,
        look_at=next_probe_at(health.channel_id, now),
        failures=failures,
        failing_since=health.failing_since or health.probed_at or now,
        last_error=reason,
        alarm_at=now if begins else health.alarm_at,
    )
    return ill, "activated" if begins else None


def untried(health: Health, now: datetime) -> Health:
    """We had no time to send the probe, so it says nothing of the channel. What failed before has still failed."""
    return replace(health, probe_id=None, look_at=next_probe_at(health.channel_id, now))
