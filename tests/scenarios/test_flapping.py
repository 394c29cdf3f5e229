"""A twentieth of the fleet comes and goes for a day: people are told of each box, not of each time."""

from collections import Counter
from datetime import timedelta

from tests.scenarios.hours import LongStory, paged

HOMES = 240
HALF_HOURS = 2 * 24


async def test_a_twentieth_of_the_fleet_flaps_for_a_day(hours: LongStory) -> None:
    arc, homes = await hours.hub("clyde-arc", "glasgow-city"), hours.homes
    morag = await hours.operator("Morag", arc)
    for operator in ("23410", "23415"):
        for cell in range(4):
            where = {"district": f"G{cell}", "cell_id": f"{operator}-{cell}", "sim_operator": operator}
            await homes.settle_in(HOMES // 8, **where)
    flapping = list(homes.places)[::20]
    await homes.report()
    for half_hour in range(HALF_HOURS):
        for number, home in enumerate(flapping):  # an hour away, half an hour there; each at its own time
            away = (half_hour + number) % 3 < 2
            (homes.fall_silent if away else homes.are_back)([home])
        await hours.hours_pass(0.5, every=timedelta(minutes=30), halting=False)
        assert await hours.count(_MORE_THAN_ONE) == 0

    raised = Counter(await hours.singles())
    assert set(raised) == set(flapping)
    assert max(raised.values()) <= 3  # twice by itself; from the third on it flaps, and has one alarm that stays
    assert await hours.count(_OPEN) == len(flapping)
    assert await hours.count("select count(*) from ingest.liveness where silences >= 3") == len(flapping)
    assert await hours.outages() == []
    told = Counter(type_ for type_, _ in paged(arc))
    assert told["alarm.raised"] == sum(raised.values())
    assert told["alarm.restored"] <= 2 * len(flapping)

    # Of one people say that it is dealt with, while it is heard; when it is gone again they are told of it once more.
    dies = flapping[0]
    homes.are_back([dies])
    await hours.hours_pass(0.5, every=timedelta(minutes=30), halting=False)
    (alarm,) = [each for each in await hours.alarms() if each["device_id"] == dies and each["state"] != "closed"]
    assert (await morag.closes(alarm, "equipment_fault")).status == 200
    homes.fall_silent([dies])
    await hours.hours_pass(1.5, every=timedelta(minutes=30), halting=False)
    assert await hours.count(f"{_OPEN} and device_id = $1", dies) == 1
    assert await hours.count(_MORE_THAN_ONE) == 0

    homes.are_back(flapping)
    await hours.hours_pass(1.5, halting=False)
    assert await hours.silent() == set()
    assert await hours.count("select count(*) from alerts.alarm where state <> 'closed'") == 0


_OPEN = "select count(*) from alerts.alarm where kind = 'device_silent' and state <> 'closed'"
_MORE_THAN_ONE = """
select count(*) from (
    select 1 from alerts.alarm where kind = 'device_silent' and state <> 'closed' group by device_id having count(*) > 1) twice
"""
