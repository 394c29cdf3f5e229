"""Whether the device is heard: the first heartbeat, several without a gap, by each path, loud enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Final

from services.registry.domain.checklist.evidence import Beat, Evidence
from services.registry.domain.checklist.item import Item

STEADY: Final = 5
"""So many heartbeats in a row, of one boot, none missing."""
MISSED_MAX: Final = 3
"""Longer than so many intervals without a heartbeat, and it is not heard any more."""
_SLACK_S: Final = 10
READINGS: Final = 5
_READINGS_MIN: Final = 3
_NARROW_DB: Final = 6
"""So little above the threshold is worth a better place."""

_LOUDER: Final = (
    "Move the box: nearer to a window or an outside wall, higher up, away from metal and other electronics; then wait for "
    "three heartbeats. If that does not help, try a SIM of another operator, or an outside aerial."
)
_PATHS: Final[Mapping[str, tuple[str, str]]] = {
    "ethernet": ("network cable", "Plug the network cable in, at the box and at the router."),
    "wifi": ("wifi", "Join the box to the home’s wifi, and pull the network cable if there is one."),
    "mobile": (
        "mobile network",
        "Pull the network cable, or switch the home’s wifi off: the box must go on by its SIM.",
    ),
}


def pace_s(evidence: Evidence) -> int:
    """How often heartbeats are to be expected: as asked for, unless the device shows that it did not heed that."""
    usual, asked = evidence.demands.heartbeat_interval_s, evidence.asked_interval_s
    if asked is None or asked >= usual:
        return usual
    beats = evidence.in_order
    if len(beats) < 2:
        return asked
    apart_s = (beats[-1].received_at - beats[-2].received_at).total_seconds()
    return asked if apart_s <= 2 * asked + _SLACK_S else usual


def is_heard(evidence: Evidence, now: datetime) -> bool:
    """Whether its last heartbeat is of now, and not of some time ago."""
    beats = evidence.in_order
    return bool(beats) and (now - beats[-1].received_at).total_seconds() <= MISSED_MAX * pace_s(evidence) + _SLACK_S


def run_length(beats: Sequence[Beat], event_seqs: Mapping[str, frozenset[int]]) -> int:
    """How many of the last heartbeats are of one boot and follow each other, with nothing missing in between."""
    run, last = 0, None
    for beat in beats:
        if last is not None and (beat.boot_id, beat.seq) == (last.boot_id, last.seq):
            continue
        run = run + 1 if last is not None and _follows(last, beat, event_seqs.get(beat.boot_id, frozenset())) else 1
        last = beat
    return run


def _follows(last: Beat, beat: Beat, alarms: frozenset[int]) -> bool:
    between = beat.seq - last.seq - 1
    if beat.boot_id != last.boot_id or between < 0 or between > len(alarms):
        return False
    return all(seq in alarms for seq in range(last.seq + 1, beat.seq))


def first(evidence: Evidence, now: datetime) -> Item:
    """Any heartbeat at all since commissioning began."""
    key, title = "first_heartbeat", "First heartbeat"
    if evidence.in_order:
        return Item(key, title, "passed", "The box has been heard.")
    waited_s = int((now - evidence.began_at).total_seconds())
    expected_s = evidence.demands.heartbeat_interval_s
    if evidence.heard_at is not None and evidence.heard_at >= evidence.began_at:
        say = "Something of the box is heard, but no heartbeat of today: its clock is wrong, or it sends what cannot be read."
        return Item(
            key, title, "failed", say, "Restart the box, so that it sets its clock. If that does not help, exchange it."
        )
    if waited_s <= 2 * expected_s + _SLACK_S:
        say = "Nothing heard since commissioning began."
        return Item(key, title, "waiting", say, "Switch the box on and leave it.", wait_s=max(5, expected_s - waited_s))
    do = (
        "Is it switched on, is its SIM in, does it show that it is connected? Is its id the one on this page? A box under "
        "another id stands under “Heard, not registered”."
    )
    return Item(key, title, "failed", "The box should have been heard by now, and is not.", do)


def steady(evidence: Evidence, now: datetime) -> Item:
    """The last few, without a gap, and of now: a box that fell silent after five is not heard."""
    key, title = "steady_heartbeats", f"{STEADY} heartbeats in a row"
    beats = evidence.in_order
    run = min(run_length(beats, evidence.event_seqs), STEADY)
    if beats and not is_heard(evidence, now):
        silent_s = int((now - beats[-1].received_at).total_seconds())
        say = f"The box has fallen silent: nothing for {span(silent_s)}."
        return Item(key, title, "failed", say, "Look whether it has power and is connected.", count=run, of=STEADY)
    if run == STEADY:
        return Item(key, title, "passed", f"{STEADY} in a row, none missing.", count=run, of=STEADY)
    wait_s = (STEADY - run) * pace_s(evidence)
    say = f"{run} of {STEADY} so far."
    if len(beats) > run:
        say = f"One went missing, or the box restarted: counted again, {run} of {STEADY} so far."
    return Item(key, title, "waiting", say, wait_s=wait_s, count=run, of=STEADY)


def signal(evidence: Evidence) -> Item | None:
    """Loud enough, by the median of the last readings. None where the model asks for none, or has no mobile path."""
    floor, paths = evidence.demands.signal_dbm_min, evidence.demands.paths
    if floor is None or (paths and "mobile" not in paths):
        return None
    key, title = "signal", "Mobile signal"
    beats = evidence.in_order
    readings = [beat.signal_dbm for beat in beats if beat.signal_dbm is not None][-READINGS:]
    if len(readings) < _READINGS_MIN:
        return _no_reading(evidence, beats, len(readings))
    level = round(median(readings))
    if level < floor:
        return Item(key, title, "failed", f"Too weak: {level} dBm, and {floor} is needed.", _LOUDER)
    if level < floor + _NARROW_DB:
        return Item(
            key,
            title,
            "advice",
            f"Just enough: {level} dBm, where {floor} is needed. On a wet day it may not do.",
            _LOUDER,
        )
    return Item(key, title, "passed", f"{level} dBm, where {floor} is needed.")


def _no_reading(evidence: Evidence, beats: Sequence[Beat], count: int) -> Item:
    key, title = "signal", "Mobile signal"
    wired = len(beats) >= STEADY and all(beat.network in {"ethernet", "wifi"} for beat in beats) and count == 0
    if wired and not evidence.demands.paths:
        say = "The box is on the home’s own network and tells of no mobile signal."
        return Item(key, title, "advice", say, "If it has a SIM, pull the network cable for a minute and see.")
    do = "Pull the network cable: the signal is told while the box is on its SIM." if wired else None
    wait_s = None if wired else (_READINGS_MIN - count) * pace_s(evidence)
    return Item(key, title, "waiting", "Not enough readings yet.", do, wait_s=wait_s, count=count, of=_READINGS_MIN)


def paths(evidence: Evidence) -> list[Item]:
    """Each path, where the model has two: a second one that was never tried is none."""
    wanted = evidence.demands.paths
    if len(wanted) < 2:
        return []
    seen = {beat.path for beat in evidence.in_order}
    return [_path(path, path in seen, pace_s(evidence)) for path in wanted]


def _path(path: str, seen: bool, interval_s: int) -> Item:
    name, do = _PATHS[path]
    title = f"By {name}"
    if seen:
        return Item(f"path:{path}", title, "passed", f"A heartbeat came by the {name}.")
    return Item(f"path:{path}", title, "waiting", f"No heartbeat by the {name} yet.", do, wait_s=60 + interval_s)


def span(seconds: int) -> str:
    """`50 s`, `4 min`, `3 h`."""
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
