"""The two rules, on the same month: when each would have said that a device is silent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from services.ingest.domain.liveness import Lapse, Thresholds, Watched, judge, silent_at
from services.ingest.domain.liveness import Verdict as Judged
from tests.bench.liveness.trace import MONTH_S, Device, Gap, Month

PASS_EVERY_S: Final = 2.0
"""Both rules look that often: what is compared is what they know, not how often they look."""
_NOTICED_S: Final = 5.0  # a shorter blindness is none
_EPOCH: Final = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A device was called silent at `at`, over this gap; `until` when that was taken back."""

    gap: Gap
    at: float
    until: float


def plain(device: Device) -> Iterator[Verdict]:
    """Last heartbeat seen, and a time-out."""
    for gap in device.heartbeat_gaps:
        at = _next_pass(gap.heard_at + device.kind.silent_after_s)
        if at < gap.again_at:
            yield Verdict(gap, at, gap.again_at)


def _next_pass(at: float) -> float:
    return -(-at // PASS_EVERY_S) * PASS_EVERY_S


def ours(device: Device, month: Month) -> Iterator[Verdict]:
    """The service's own rule (`services.ingest.domain.liveness.judge`), pass by pass, as ingest's sweep asks it."""
    lapses = [Lapse(_at(each.start), _at(each.end)) for each in month.blind if each.length > _NOTICED_S]
    kind = device.kind
    thresholds = Thresholds(timedelta(seconds=kind.interval_s), 3, timedelta(seconds=kind.silent_after_s))
    known = Watched(device_id=device.device_id, watched_since=_at(0), heard_at=_at(0))
    began: tuple[Gap, float] | None = None
    for gap in device.gaps:
        if began is not None:  # it was heard since the last gap: does it count as heard again?
            ended_at, known = _heard_until(known, thresholds, lapses, began[0].again_at, gap.heard_at)
            if ended_at is not None:
                yield Verdict(*began, until=ended_at)
                began = None
        known = replace(known, heard_at=_at(gap.heard_at))
        at, known = _not_heard(known, thresholds, lapses, gap)
        if at is not None and began is None:
            began = gap, at
        elif began is not None:
            began = gap, began[1]
    if began is not None:
        yield Verdict(*began, until=MONTH_S)


def _not_heard(
    known: Watched, thresholds: Thresholds, lapses: Sequence[Lapse], gap: Gap
) -> tuple[float | None, Watched]:
    """The verdict over a gap, if one falls into it, and what is known of the device after it."""
    if known.silent and known.returned_at is None:
        return None, known
    so_far: list[Lapse] = []  # at any instant only what has begun by then is known
    while True:
        due_at = silent_at(known, thresholds, so_far)
        assert due_at is not None, "every lapse of the month has an end"
        at = _next_pass((due_at - _at(0)).total_seconds())
        begun = [each for each in lapses if each.started_at < _at(at)]
        if len(begun) == len(so_far):
            break
        so_far = begun
    if at >= gap.again_at:
        return None, known
    verdict = judge(known, thresholds, so_far, _at(at))
    return (at, _after(known, verdict, at)) if verdict else (None, known)


def _heard_until(
    known: Watched, thresholds: Thresholds, lapses: Sequence[Lapse], start: float, end: float
) -> tuple[float | None, Watched]:
    """When it counts as heard again, if that is before `end`: heard from `start` on, at its interval."""
    at = _next_pass(start)
    while at <= end and known.silent:
        heard = start + (at - start) // thresholds.interval.total_seconds() * thresholds.interval.total_seconds()
        known = replace(known, heard_at=_at(heard))
        verdict = judge(known, thresholds, lapses, _at(at))
        if verdict is not None:
            known = _after(known, verdict, at)
        at += thresholds.interval.total_seconds()
    return (None if known.silent else at), known


def _after(known: Watched, verdict: Judged, at: float) -> Watched:
    return replace(
        known,
        silent=verdict.silent,
        judged_at=_at(at),
        returned_at=verdict.returned_at,
        silences=verdict.silences,
        first_silence_at=verdict.first_silence_at,
    )


def _at(seconds: float) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
