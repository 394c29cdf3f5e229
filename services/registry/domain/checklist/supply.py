"""Mains pulled, seen to be gone, put back, and seen to be back."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.registry.domain.checklist.evidence import Evidence
from services.registry.domain.checklist.heartbeats import pace_s
from services.registry.domain.checklist.item import Item

_UNTOLD_AFTER: Final = 3
_REPORT_S: Final = 360
"""By alarm it is told late: real boxes wait five minutes, for a flicker is nobody's alarm."""
_TOLD: Final = {"activated": False, "restored": True}


def mains(evidence: Evidence) -> Item:
    """Gone, then back, and back still: who leaves must not leave the plug out."""
    key, title = "mains", "Mains pulled and put back"
    told = _told(evidence)
    wait_s = pace_s(evidence) + 5
    if told and not told[-1]:
        say = "The box says that it is on its battery."
        return Item(key, title, "waiting", say, "Put the mains plug back now.", wait_s=wait_s)
    if False in told:
        return Item(key, title, "passed", "The box said that mains was gone, and that it is back.")
    do = "Pull the mains plug of the box and leave it out until this line says so."
    beats = evidence.in_order
    if not told and len(beats) >= _UNTOLD_AFTER:
        say = "The heartbeats of this box do not tell of mains: it tells by an alarm, some minutes after."
        return Item(key, title, "waiting", say, do, wait_s=_REPORT_S)
    return Item(key, title, "waiting", "Not tried yet.", do, wait_s=wait_s)


def _told(evidence: Evidence) -> list[bool]:
    """What it said of its mains, in the order in which it said so: a repeated alarm may come long after."""
    began: dict[str, datetime] = {}
    said: list[tuple[str, int, datetime, bool]] = []
    for beat in evidence.in_order:
        began.setdefault(beat.boot_id, beat.received_at)
        if beat.mains is not None:
            said.append((beat.boot_id, beat.seq, beat.received_at, beat.mains))
    for event in evidence.proofs:
        if (
            event.kind == "power_supply"
            and event.status in _TOLD
            and event.boot_id is not None
            and event.seq is not None
        ):
            began[event.boot_id] = min(began.get(event.boot_id, event.received_at), event.received_at)
            said.append((event.boot_id, event.seq, event.received_at, _TOLD[event.status]))
    return [is_on for *_, is_on in sorted(said, key=lambda one: (began[one[0]], one[0], one[1], one[2]))]
