"""Whether a device can still be heard. Pure: what is known of it, when we could hear, and now, in; a verdict, or none, out.

Silence is counted in time in which we could hear. Nobody is called silent while we are blind; after that each device first has
an interval of its own, and a part of another by which they do not all come at once. It has that a few times, and not for ever.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

State: TypeAlias = Literal["heard", "late", "silent", "flapping"]

FLAPPING_SILENCES: Final = 3
"""So many silences within `FLAPPING_WITHIN`: its alarm then stays until it is stable, and comes once."""
FLAPPING_WITHIN: Final = timedelta(days=1)
_STABLE_INTERVALS: Final = 4
_STABLE_MIN: Final = timedelta(minutes=10)
_GRACE: Final = timedelta(seconds=5)  # a heartbeat on its way, and clocks of devices
CHANCES: Final = 4
"""So often at most a device has its interval anew: lapses of seconds that recur in each would hide every silence for ever."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of a model (registry.model_directory)."""

    interval: timedelta
    late_after_missed: int
    silent_after: timedelta

    @property
    def late_after(self) -> timedelta:
        """Without a heartbeat for so long it is late; whatever it is told, never after it is silent."""
        return min(self.interval * self.late_after_missed + _GRACE, self.silent_after)

    @property
    def stable_after(self) -> timedelta:
        """Heard without a silence for so long, a device that flapped flaps no more."""
        return max(self.interval * _STABLE_INTERVALS, _STABLE_MIN)


@dataclass(frozen=True, slots=True)
class Lapse:
    """A time in which we could not hear; `ended_at` None: we still can't."""

    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is known of a device that should be heard.

    `heard_at`: by any message of its own making; None: never yet, and it counts from `watched_since`, when it was installed.
    `judged_at`: when it had last been heard as the last verdict was given. `silences` is the last verdicts': how many began within
    `FLAPPING_WITHIN` of `first_silence_at`, which is when the first of them did or, if that was longer ago, when it was over.
    `returned_at`: when a device that flaps, and is still counted as silent, was first heard again without a silence since.
    """

    device_id: str
    watched_since: datetime
    heard_at: datetime | None
    silent: bool = False
    judged_at: datetime | None = None
    returned_at: datetime | None = None
    silences: int = 0
    first_silence_at: datetime | None = None

    @property
    def counts_from(self) -> datetime:
        """What its silence is counted from."""
        return self.watched_since if self.heard_at is None else max(self.heard_at, self.watched_since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What changes of a device: it begins to be silent, is heard again, is heard but must prove itself first, or is gone again."""

    silent: bool
    returned_at: datetime | None
    silences: int
    first_silence_at: datetime | None

    @property
    def flapping(self) -> bool:
        return self.silences >= FLAPPING_SILENCES


def judge(device: Watched, thresholds: Thresholds, lapses: Sequence[Lapse], now: datetime) -> Verdict | None:
    """What has become of it by `now`; None: nothing new. `lapses`: those of its shard that may matter, in any order."""
    if device.silent:
        return _while_silent(device, thresholds, lapses, now)
    due_at = silent_at(device, thresholds, lapses)
    if due_at is None or due_at > now:
        return None
    return _begun(device, now)


def silent_at(device: Watched, thresholds: Thresholds, lapses: Sequence[Lapse]) -> datetime | None:
    """When it will be called silent if nothing more is heard of it, nor any new lapse begins. None while we are blind."""
    counts_from = device.counts_from
    if not lapses:
        return counts_from + thresholds.silent_after
    if any(each.ended_at is None for each in lapses):
        return None
    due_at = _listened(counts_from, thresholds.silent_after, lapses)
    ended = [each.ended_at for each in lapses if each.ended_at is not None and each.ended_at > counts_from]
    if ended:  # a fair chance: its own interval, and its part of another
        chance = thresholds.interval * (1 + stagger(device.device_id)) + _GRACE
        at_last = _listened(counts_from, thresholds.silent_after + CHANCES * chance, lapses)
        due_at = max(due_at, min(max(ended) + chance, at_last))
    return due_at


def _listened(since: datetime, for_: timedelta, lapses: Sequence[Lapse]) -> datetime:
    """When we will have listened for so long: time in which we could not hear is no silence."""
    at = since + for_
    for start, end in joined(lapses):  # each that began before then moves it on: so in order
        if end > since and start < at:
            at += end - max(start, since)
    return at


def state_of(device: Watched, thresholds: Thresholds, now: datetime) -> State:
    """For people to read. It may be late while we are blind: that is what is known of it, and no verdict."""
    if device.silent:
        return "flapping" if device.silences >= FLAPPING_SILENCES else "silent"
    return "late" if now - device.counts_from > thresholds.late_after else "heard"


def stagger(device_id: str) -> float:
    """Between 0 and 1, by the device's id: the same for ever, and for every process."""
    return zlib.crc32(device_id.encode()) / 2**32


def _begun(device: Watched, now: datetime) -> Verdict:
    silences, first = device.silences, device.first_silence_at
    if first is not None and now - first > FLAPPING_WITHIN:
        # The first is too long ago to count, but not yet the last before this one, until a day after it was heard again: else
        # three of which a day ends between the first and the second would be none.
        silences, first = (1, device.judged_at) if silences > 1 and _within(device.judged_at, now) else (0, None)
    return Verdict(
        silent=True, returned_at=None, silences=silences + 1, first_silence_at=now if first is None else first
    )


def _within(at: datetime | None, now: datetime) -> bool:
    return at is not None and now - at <= FLAPPING_WITHIN


def _while_silent(device: Watched, thresholds: Thresholds, lapses: Sequence[Lapse], now: datetime) -> Verdict | None:
    """Heard again: over at once, unless it flaps; then once it was heard without a silence for long enough."""
    heard_since = device.heard_at is not None and (device.judged_at is None or device.heard_at > device.judged_at)
    if device.silences < FLAPPING_SILENCES:
        return _verdict(device, silent=False, returned_at=None) if heard_since else None
    if device.returned_at is None:
        return _verdict(device, silent=True, returned_at=device.heard_at) if heard_since else None
    gone_at = silent_at(device, thresholds, lapses)
    if gone_at is not None and gone_at <= now:  # gone again: it has proved nothing
        return _verdict(device, silent=True, returned_at=None)
    stable = device.heard_at is not None and device.heard_at - device.returned_at >= thresholds.stable_after
    return _verdict(device, silent=False, returned_at=None) if stable else None


def _verdict(device: Watched, *, silent: bool, returned_at: datetime | None) -> Verdict:
    return Verdict(
        silent=silent, returned_at=returned_at, silences=device.silences, first_silence_at=device.first_silence_at
    )


def joined(lapses: Sequence[Lapse]) -> list[tuple[datetime, datetime]]:
    """As few as can be, in order."""
    whole: list[tuple[datetime, datetime]] = []
    for start, end in sorted((each.started_at, each.ended_at) for each in lapses if each.ended_at is not None):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((start, end))
    return whole
