"""A box that is being tried, as ingest and alerts know of it: everything proved, for a test to spoil one thing of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.registry.domain.checklist import Beat, Checklist, Demands, Event, Evidence, Item, Trigger, checklist

BEGAN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
DEMANDS = Demands(
    heartbeat_interval_s=60,
    signal_dbm_min=-100,
    paths=("ethernet", "mobile"),
    triggers=(Trigger("personal_trigger", "pendant-1"), Trigger("smoke")),
)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def beat(seq: int, at_s: float, **fields: object) -> Beat:
    return replace(
        Beat("boot-a", seq, after(at_s), mains=True, signal_dbm=-80, network="lte"),
        **fields,  # type: ignore[arg-type]
    )


def a_test(kind: str, seq: int, at_s: float, **fields: object) -> Event:
    """A test that a hub has, with a receipt that the broker took."""
    event = Event(
        kind=kind,
        status="activated",
        peripheral_id="pendant-1" if kind == "personal_trigger" else None,
        received_at=after(at_s),
        boot_id="boot-a",
        seq=seq,
        proof=True,
        decided=True,
        told_at=after(at_s),
        hubs=1,
        hub="Clyde ARC",
        reached_at=after(at_s + 1),
        receipt="taken",
    )
    return replace(event, **fields)  # type: ignore[arg-type]


def proved() -> Evidence:
    """Ten heartbeats 15 s apart, one of them on the battery and two by cable, and a test of each trigger between them."""
    beats = [beat(seq, 15 * seq) for seq in (0, 1, 2, 4, 6, 7, 8, 9, 10, 11)]
    beats[1] = replace(beats[1], mains=False)
    beats[5] = replace(beats[5], network="ethernet", signal_dbm=None)
    return Evidence(
        began_at=BEGAN,
        demands=DEMANDS,
        beats=beats,
        events=[a_test("personal_trigger", 3, 40), a_test("smoke", 5, 70)],
        heard_at=beats[-1].received_at,
        asked_interval_s=15,
    )


NOW = after(15 * 11 + 2)


def item(found: Checklist, key: str) -> Item:
    (only,) = [each for each in found.items if each.key == key]
    return only


def judged(evidence: Evidence, key: str, now: datetime = NOW) -> Item:
    return item(checklist(evidence, now), key)
