"""By whom devices are heard, and when they could not be. Pure: shards and their lapses in.

A device's council is here that of the topic by which it is heard: the register may have it in another, and a shard does not ask.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.ingest.domain.liveness import CHANCES, Lapse, joined

_BLIND: Final = Lapse(datetime.min.replace(tzinfo=UTC), None)


@dataclass(frozen=True, slots=True)
class Newly:
    """Whose heartbeats a shard was newly subscribed to (None: everybody's), and the time for which it was not."""

    councils: frozenset[str] | None
    lapse: Lapse


@dataclass(frozen=True, slots=True)
class Ear:
    """A shard of the heartbeat lane: whose heartbeats come by it (None: everybody's), and when it heard nothing.

    It hears a council from when the broker has granted it on, and as long as its filters let it through.
    """

    shard: str
    councils: frozenset[str] | None
    lapses: tuple[Lapse, ...] = ()
    newly: tuple[Newly, ...] = ()

    @property
    def blind(self) -> bool:
        """Now."""
        return any(each.ended_at is None for each in self.lapses)

    def hears(self, council_id: str) -> bool:
        return self.councils is None or council_id in self.councils

    def lapses_of(self, council_id: str) -> tuple[Lapse, ...]:
        """When it could not hear those."""
        newly = (each.lapse for each in self.newly if each.councils is None or council_id in each.councils)
        return (*self.lapses, *newly)

    def newly_heard(self, now: datetime, within: timedelta) -> frozenset[str] | None:
        """Councils that it was not subscribed to before; None: all."""
        recent = [each.councils for each in self.newly if _recent(each.lapse, now, within)]
        return None if None in recent else frozenset[str]().union(*(each or () for each in recent))

    def deaf(self, now: datetime, at_least: timedelta) -> bool:
        """Whether nobody can be due: it hears nothing, or did not until less than the shortest interval ago.

        Not so when lapses have followed each other for as long as a device may have its interval anew: then it may be due
        at any time.
        """
        return _too_soon(self.lapses, now, at_least)


class Hearing:
    """All ears together."""

    def __init__(self, ears: Sequence[Ear]) -> None:
        self.ears = ears
        self._lapses: dict[str, tuple[list[Lapse], list[datetime]]] = {}

    def lapses(self, council_id: str, since: datetime) -> Sequence[Lapse]:
        """Those that may matter for a device of the council, heard at `since`. Whom no ear hears we are blind for."""
        if council_id not in self._lapses:
            self._lapses[council_id] = self._of(council_id)
        all_, ends = self._lapses[council_id]
        return all_[bisect_right(ends, since) :] if ends else all_

    def listening(self, council_id: str, now: datetime, at_least: timedelta) -> str | None:
        """By which shard it is heard, if it was for so long without a lapse; else nobody can say who is not heard.

        Or with lapses, if these have recurred for as long as is waited for anybody: else nobody is ever counted there.
        """
        ears = [ear for ear in self.ears if ear.hears(council_id)]
        if not ears or any(_too_soon(ear.lapses_of(council_id), now, at_least) for ear in ears):
            return None
        return ears[0].shard

    def shard(self, council_id: str) -> str | None:
        """By which it is heard, or would be if that were not deaf; None: its topics are let through by none."""
        return next((ear.shard for ear in self.ears if ear.hears(council_id)), None)

    def deaf(self, now: datetime, at_least: timedelta) -> frozenset[str] | None:
        """Councils of which nobody can be due; None: that is so of all."""
        deaf = [ear.councils if ear.deaf(now, at_least) else ear.newly_heard(now, at_least) for ear in self.ears]
        if not deaf or None in deaf:
            return None
        return frozenset(council for councils in deaf for council in councils or ())

    def _of(self, council_id: str) -> tuple[list[Lapse], list[datetime]]:
        ears = [ear for ear in self.ears if ear.hears(council_id)]
        if not ears or any(ear.blind for ear in ears):
            return [_BLIND], []
        found = sorted((each for ear in ears for each in ear.lapses_of(council_id)), key=_ended)
        return found, [_ended(each) for each in found]


def _too_soon(lapses: Sequence[Lapse], now: datetime, at_least: timedelta) -> bool:
    """Whether so long has not passed since the last lapse. If they recur: nor for each chance, in all."""
    if not any(_recent(each, now, at_least) for each in lapses):
        return False
    if any(each.ended_at is None for each in lapses):
        return True
    listened, began_at = timedelta(), now
    for start, end in reversed(joined(lapses)):
        if began_at - end >= 2 * at_least:
            break
        listened, began_at = listened + (began_at - end), start
    return listened < (CHANCES + 1) * at_least


def _recent(lapse: Lapse, now: datetime, within: timedelta) -> bool:
    return lapse.ended_at is None or now < lapse.ended_at + within


def _ended(lapse: Lapse) -> datetime:
    if lapse.ended_at is None:
        raise ValueError("a lapse that has not ended")
    return lapse.ended_at
