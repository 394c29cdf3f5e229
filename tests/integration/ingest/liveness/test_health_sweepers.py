"""Whoever judges the devices' health, and however often it is killed: every verdict once."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from services.ingest.liveness.health import look, verdicts
from tests.integration.ingest.liveness.test_health import alarms
from tests.integration.ingest.liveness.test_sweepers import COUNT, a_crowd, sweeper, two_at_once
from tests.integration.ingest.liveness.watch import Watch
from tests.support.servers import Database


async def a_power_cut(watch: Watch) -> None:
    """Nobody has had mains for five minutes, and every battery is low."""
    await a_crowd(watch)
    await watch.hear(*(f"TC-{n}" for n in range(1, COUNT + 1)), mains=False, battery_pct=15)
    watch.clock.move(minutes=5)
    await watch.database.execute("update chassis.shard set heard_until = $1", watch.clock.now())


async def news(watch: Watch) -> Counter[tuple[str, str]]:
    """What is told of whom; taken off the log."""
    changes, events = await watch.told(), await alarms(watch)
    assert len({each.change_id for each in changes} | {each.event_id for each in events}) == len(changes) + len(events)
    return Counter([(each.device_id, each.condition) for each in changes]) + Counter(
        [(each.device_id, each.status) for each in events]
    )


ALL = Counter({(f"TC-{n}", what): 1 for n in range(1, COUNT + 1) for what in ("mains_lost", "battery_low")})


async def test_a_look_that_loses_its_power_in_the_middle_is_carried_on_by_the_next(
    watch: Watch, database: Database
) -> None:
    await a_power_cut(watch)
    seen: Counter[tuple[str, str]] = Counter()
    for batches in (3, 1, 2):
        assert await sweeper(database, watch, dies_after=batches) == -signal.SIGKILL
        some = await news(watch)
        assert 0 < len(some) < len(ALL) / 2
        seen += some
        await watch.database.execute("update ingest.sweep set held_until = held_until - interval '5 seconds'")
    assert await sweeper(database, watch, dies_after=0) == 0
    assert seen + await news(watch) == ALL


async def test_two_that_both_believe_to_be_the_one_store_each_verdict_on_health_once(watch: Watch) -> None:
    """As when the first was stopped for so long that its lease went to another."""
    await a_power_cut(watch)
    await two_at_once(watch, verdicts)
    assert await news(watch) == ALL


async def test_what_is_too_much_for_one_pass_is_told_by_the_next_ones(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that silence is looked at in between."""
    monkeypatch.setattr(look, "BATCH_MAX", 50)
    monkeypatch.setattr(look, "FOUND_MAX", 200)
    await a_power_cut(watch)
    passes = list[Counter[tuple[str, str]]]()
    for _ in range(6):
        await watch.sweep.run_once()
        passes.append(await news(watch))
    assert sum(passes, Counter()) == ALL
    assert max(len(each) for each in passes) < 2 * (200 + 50)
    await watch.sweep.run_once()
    assert await news(watch) == Counter()
