"""Who falls silent is noticed within one look, once; who is heard again, too."""

import asyncio
from typing import Any

import pytest

from contracts.condition import ConditionChange
from services.ingest.liveness import verdicts
from tests.integration.ingest.liveness.watch import NOW, Watch


def turns(changes: list[ConditionChange]) -> list[tuple[str, str]]:
    return [(each.device_id, each.turn) for each in changes]


async def test_a_device_is_silent_when_its_model_says_so_and_over_when_it_is_heard_again(watch: Watch) -> None:
    await watch.register("TC-1", "TC-2")
    await watch.hear("TC-1", "TC-2", firmware="4.2.1", network="lte", cell_id="310-2231")
    watch.clock.move(seconds=599)
    await watch.hear("TC-2")
    assert await watch.look() == []
    watch.clock.move(seconds=2)
    [change] = await watch.look()
    assert (change.device_id, change.turn, change.condition, change.flapping) == ("TC-1", "began", "silent", False)
    assert (change.at, change.since) == (watch.clock.now(), NOW)
    assert (change.council_id, change.model) == ("glasgow-city", "Careline 3")
    assert (change.firmware, change.network, change.cell_id) == ("4.2.1", "lte", "310-2231")
    assert (change.sim_operator, change.postcode_district) == ("23410", "G12")
    assert await watch.look() == []
    watch.clock.move(seconds=30)
    await watch.hear("TC-1")
    [over] = await watch.look()
    assert (over.device_id, over.turn, over.version) == ("TC-1", "ended", change.version + 1)
    assert over.change_id != change.change_id
    assert await watch.look() == []


async def test_short_lapses_that_recur_in_each_interval_hide_nobody_for_ever(watch: Watch) -> None:
    """A broker that loses its sessions once a minute: six seconds of each, which nobody is told of, for they are too few."""
    await watch.register("TC-1", "TC-well")
    await watch.hear("TC-1", "TC-well")
    found_after_s = None
    for second in range(50, 1500, 50):
        watch.clock.move(seconds=50)
        await watch.hear("TC-well")
        await watch.deaf(lasted_s=6)
        watch.clock.move(seconds=2)
        if turns(await watch.look()) == [("TC-1", "began")]:
            found_after_s = second
            break
    assert found_after_s is not None
    assert 600 < found_after_s <= 600 + 4 * 125
    assert await watch.silent() == {"TC-1"}


async def test_whoever_is_looked_at_in_the_instant_in_which_it_is_due_is_silent_at_the_next_look(watch: Watch) -> None:
    await watch.register("TC-1")
    watch.clock.move(seconds=600)
    assert await watch.look() == []
    watch.clock.move(seconds=2)
    assert turns(await watch.look()) == [("TC-1", "began")]


async def test_a_device_that_was_never_heard_is_watched_from_its_installation(watch: Watch) -> None:
    await watch.register("TC-1", stage="registered")
    watch.clock.move(days=30)
    assert await watch.look() == []
    await watch.change("TC-1", stage="installed")
    watch.clock.move(seconds=599)
    assert await watch.look() == []
    watch.clock.move(seconds=2)
    [change] = await watch.look()
    assert (change.turn, change.since) == ("began", None)
    await watch.hear("TC-1")
    assert turns(await watch.look()) == [("TC-1", "ended")]


@pytest.mark.parametrize("stage", ["ordered", "registered", "claimed", "suspended", "withdrawn"])
async def test_nobody_waits_for_a_device_that_is_not_in_use(watch: Watch, stage: str) -> None:
    await watch.register("TC-1", stage=stage)
    await watch.hear("TC-1")
    watch.clock.move(days=2)
    assert await watch.look() == []


async def test_the_silence_of_a_device_that_is_suspended_is_over_and_begins_anew_when_it_is_resumed(
    watch: Watch,
) -> None:
    await watch.register("TC-1")
    watch.clock.move(seconds=601)
    assert turns(await watch.look()) == [("TC-1", "began")]
    await watch.change("TC-1", stage="suspended")
    [over] = await watch.look()
    assert (over.turn, over.watched) == ("ended", False)
    watch.clock.move(days=7)
    assert await watch.look() == []
    await watch.change("TC-1", stage="live")
    watch.clock.move(seconds=599)
    assert await watch.look() == []
    watch.clock.move(seconds=2)
    assert turns(await watch.look()) == [("TC-1", "began")]


async def test_a_box_that_was_replaced_is_watched_until_the_one_in_its_place_is_live(watch: Watch) -> None:
    await watch.register("TC-old")
    await watch.register("TC-new", stage="registered")
    await watch.database.execute("update registry.device set generation = 1 where device_id = 'TC-new'")
    await watch.database.execute(
        "update registry.device set stage = 'withdrawn', replaced_by = 'TC-new', changed_at = $1 where device_id = 'TC-old'",
        watch.clock.now(),
    )
    await watch.learn()
    watch.clock.move(seconds=601)
    assert turns(await watch.look()) == [("TC-old", "began")]
    await watch.change("TC-new", stage="live")
    await watch.hear("TC-new")
    assert turns(await watch.look()) == [("TC-old", "ended")]


async def test_new_thresholds_take_effect_at_the_next_look(watch: Watch) -> None:
    await watch.register("TC-1", model="Careline 3")
    await watch.register("TC-2", model="Other")
    watch.clock.move(seconds=130)
    assert await watch.look() == []
    await watch.model("CARELINE 3", interval_s=30, silent_s=120)
    assert turns(await watch.look()) == [("TC-1", "began")]
    await watch.model("default", interval_s=30, silent_s=120)
    assert turns(await watch.look()) == [("TC-2", "began")]


async def test_each_model_has_its_own_time(watch: Watch) -> None:
    await watch.model("Daily", interval_s=86400, late_after=1, silent_s=90000)
    await watch.register("TC-1", model="daily")
    await watch.register("TC-2", model="Minutely")
    watch.clock.move(seconds=601)
    assert turns(await watch.look()) == [("TC-2", "began")]
    watch.clock.move(seconds=90000 - 602)
    assert await watch.look() == []
    watch.clock.move(seconds=2)
    assert turns(await watch.look()) == [("TC-1", "began")]


async def test_a_device_that_comes_and_goes_has_one_alarm_that_stays_until_it_is_stable(watch: Watch) -> None:
    await watch.register("TC-1")
    seen: list[tuple[str, bool]] = []
    for _ in range(6):
        await watch.hear("TC-1")
        seen += [(each.turn, each.flapping) for each in await watch.look()]
        watch.clock.move(seconds=601)
        seen += [(each.turn, each.flapping) for each in await watch.look()]
        await watch.sweep.release()
        other = watch.sweeper()
        assert await watch.look(other) == []  # nor does another process tell it again
        await other.release()
    twice_silent = [("began", False), ("ended", False), ("began", False), ("ended", False)]
    assert seen == [*twice_silent, *[("began", True)] * 4]  # each time that it is gone again, and no end of it
    for _ in range(9):
        await watch.hear("TC-1")
        assert await watch.look() == []
        watch.clock.move(seconds=60)
    await watch.hear("TC-1")
    assert await watch.look() == []
    watch.clock.move(seconds=60)
    await watch.hear("TC-1")
    assert turns(await watch.look()) == [("TC-1", "ended")]


async def test_a_heartbeat_that_comes_between_the_look_and_the_verdict_prevents_it(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watch.register("TC-1", "TC-2")
    watch.clock.move(seconds=601)
    store = verdicts.store

    async def store_late(*arguments: Any) -> Any:
        await watch.hear("TC-1")
        return await store(*arguments)

    monkeypatch.setattr(verdicts, "store", store_late)
    assert turns(await watch.look()) == [("TC-2", "began")]
    assert await watch.silent() == {"TC-2"}


async def test_a_verdict_waits_for_no_heartbeat_and_no_heartbeat_for_a_verdict(watch: Watch) -> None:
    await watch.register("TC-1", "TC-2")
    watch.clock.move(seconds=601)
    await watch.database.execute("update chassis.shard set heard_until = $1", watch.clock.now())
    storing = watch.database.transaction()
    await storing.start()
    await watch.database.execute(
        "update ingest.liveness set last_heard_at = $1 where device_id = 'TC-1'", watch.clock.now()
    )
    await asyncio.wait_for(watch.sweep.run_once(), timeout=60)
    await storing.commit()
    assert turns(await watch.told()) == [("TC-2", "began")]
    assert await watch.look() == []


async def test_a_clock_that_is_put_back_hides_nobodys_silence(watch: Watch) -> None:
    await watch.register("TC-1", "TC-2")
    watch.clock.move(hours=3)
    await watch.hear("TC-1", "TC-2")
    assert await watch.look() == []
    watch.clock.move(hours=-2)
    assert await watch.look() == []
    watch.clock.move(seconds=300)
    await watch.hear("TC-2")
    assert (await watch.row("TC-2"))["last_heard_at"] == watch.clock.now()
    watch.clock.move(seconds=302)
    assert turns(await watch.look()) == [("TC-1", "began")]


async def test_a_clock_that_is_put_forward_makes_nobody_silent(watch: Watch) -> None:
    """To whoever keeps the time of hearing, it looks like a time of deafness."""
    await watch.register("TC-1", "TC-2")
    await watch.hear("TC-1", "TC-2")
    assert await watch.look() == []
    watch.clock.move(hours=2)
    await watch.sweep.run_once()  # nobody has heard anything since, by that clock
    assert await watch.told() == []
    await watch.deaf(lasted_s=7200)
    assert await watch.look() == []
    watch.clock.move(seconds=59)
    await watch.hear("TC-1")
    assert await watch.look() == []
    watch.clock.move(seconds=75)
    assert await watch.look() == []  # the two hours are no silence, so what is missing of ten minutes is still to come
    watch.clock.move(seconds=480)
    assert turns(await watch.look()) == [("TC-2", "began")]


async def test_metrics_tell_of_passes_and_verdicts(watch: Watch) -> None:
    await watch.register("TC-1")
    watch.clock.move(seconds=601)
    await watch.look()
    value = watch.metrics.get_sample_value
    assert value("telecare_liveness_pass_seconds_count") == 1
    assert value("telecare_liveness_verdicts_total", {"condition": "silent", "turn": "began"}) == 1
    assert 0 < (value("telecare_liveness_pass_seconds_sum") or 0) < 60


@pytest.mark.parametrize("others", [(), ("TC-2",)], ids=["alone", "among others"])
async def test_a_silent_device_is_heard_again_at_once_though_the_clock_was_put_back(
    watch: Watch, others: tuple[str, ...]
) -> None:
    await watch.register("TC-1", *others)
    await watch.hear("TC-1", *others)
    watch.clock.move(seconds=601)
    await watch.hear(*others)
    assert turns(await watch.look()) == [("TC-1", "began")]
    watch.clock.move(hours=-1)
    assert await watch.look() == []
    watch.clock.move(seconds=30)
    await watch.hear("TC-1", *others)
    [over] = await watch.look()
    assert (over.device_id, over.turn, over.watched) == ("TC-1", "ended", True)


async def test_a_device_that_flaps_is_stable_in_its_time_though_the_clock_was_put_back(watch: Watch) -> None:
    await watch.register("TC-1")
    for _ in range(3):
        await watch.hear("TC-1")
        await watch.look()
        watch.clock.move(seconds=601)
        await watch.look()
    await watch.hear("TC-1")
    assert await watch.look() == []
    watch.clock.move(hours=-1)
    assert await watch.look() == []
    for _ in range(11):
        watch.clock.move(seconds=60)
        await watch.hear("TC-1")
    assert turns(await watch.look()) == [("TC-1", "ended")]


async def test_a_device_installed_before_the_clock_was_put_back_is_silent_in_its_time(watch: Watch) -> None:
    await watch.register("TC-1")
    await watch.look()
    watch.clock.move(hours=-1)
    await watch.look()
    watch.clock.move(seconds=601)
    assert turns(await watch.look()) == [("TC-1", "began")]


async def test_a_verdict_that_passed_over_a_row_which_somebody_held_is_given_by_the_next_look(watch: Watch) -> None:
    """Whoever holds it need not have heard the device: its will says that it is gone, say."""
    await watch.register("TC-1")
    await watch.hear("TC-1")
    await watch.look()
    watch.clock.move(seconds=601)
    async with watch.pool.acquire() as other:
        held = other.transaction()
        await held.start()
        await other.execute("update ingest.liveness set reported_at = $1", watch.clock.now())
        assert await watch.look() == []
        await held.commit()
    watch.clock.move(seconds=2)
    assert turns(await watch.look()) == [("TC-1", "began")]
