"""A mast lets through a third of what most of its boxes send: told once, by its name and no other, and once that it is over."""

from datetime import timedelta

from tests.scenarios.homes import MODEL
from tests.scenarios.hours import LongStory, paged

HALF_A_MINUTE = 0.5
MAST = "234-10-4711"


async def test_a_mast_that_lets_through_a_third_is_told_once_and_neither_its_operator_nor_its_council(
    hours: LongStory,
) -> None:
    arc, homes = await hours.hub("clyde-arc", "glasgow-city"), hours.homes
    # Boxes that report each minute, and are silent after ten.
    promise = "update registry.device_model set heartbeat_interval_s = 60, silent_after_s = 600 where model = $1"
    await hours.database.execute(promise, MODEL)
    of_the_mast = await homes.settle_in(60, cell_id=MAST, district="G12", sim_operator="23410")
    elsewhere = await homes.settle_in(15, cell_id="234-10-1", district="G1", sim_operator="23410")
    elsewhere += await homes.settle_in(60, cell_id="234-15-1", district="G2", sim_operator="23415")
    bad = of_the_mast[:40]
    half_minutes, began_at = 0, hours.clock.now()

    async def pass_on(every: int) -> None:
        """Half a minute. Each box reports every other one, by turns; the bad ones every `every`-th."""
        nonlocal half_minutes, began_at
        half_minutes += 1
        took = (hours.clock.now() - began_at) / timedelta(minutes=1)  # by this machine, since the last one began
        await hours.minutes_pass(max(0.0, HALF_A_MINUTE - took), halting=False)
        began_at = hours.clock.now()
        slow = [home for n, home in enumerate(bad) if (half_minutes + n) % every == 0]
        others = [home for n, home in enumerate(of_the_mast[40:] + elsewhere) if (half_minutes + n) % 2 == 0]
        await homes.report(slow + others)
        await hours.counts_who_is_heard()

    await homes.report()
    for _ in range(6):
        await pass_on(every=2)
    assert paged(arc) == []

    for _ in range(14):
        await pass_on(every=6)
    names = "select distinct attribute from alerts.degraded_hearing where low_since < now() - interval '2 minutes'"
    low = {row["attribute"] for row in await hours.database.fetch(names)}
    assert low >= {"cell", "postcode_district", "sim_operator"}  # each for long enough to be told
    assert paged(arc) == [("alarm.raised", "monitoring")]
    (alarm,) = (each.data for each in arc.logbook if each.type == "alarm.raised")
    assert alarm["peripheral_id"] == f"cell {MAST}"
    assert f"of 60 devices of mobile cell {MAST} are heard" in alarm["event"]["text"]

    for _ in range(5):
        await pass_on(every=2)
    assert paged(arc) == [("alarm.raised", "monitoring"), ("alarm.restored", "monitoring")]
    assert (await hours.silent(), await hours.open()) == (set(), [])
    assert await hours.count("select count(*) from alerts.alarm") == 1
