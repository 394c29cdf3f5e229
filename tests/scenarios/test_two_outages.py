"""A district without power while an operator is away: two outages at once, each by its own name, and nobody in both."""

import uuid
from collections.abc import Iterable

from contracts.condition import STREAM, ConditionChange, Turn
from contracts.ids import CouncilId, DeviceId, EventId
from services.chassis.event_log import LogEntry, append
from tests.scenarios.hours import LongStory, paged

_TWICE = """
select count(*) from (
    select m.device_id from alerts.outage_member m join alerts.outage o using (outage_id)
    where m.left_at is null group by m.device_id, o.condition having count(*) > 1) twice
"""
_NOT_LISTED = """
select count(*) from alerts.affected a left join alerts.outage_member m on m.outage_id = a.outage_id and m.device_id = a.device_id
    and m.left_at is null
where a.ended_at is null and m.device_id is null
"""


async def mains(hours: LongStory, homes: Iterable[str], turn: Turn, version: int) -> None:
    """As ingest tells of boxes that say they are on their batteries."""
    now = hours.clock.now()
    entries = []
    for home in homes:
        place = hours.homes.places[home]
        change = ConditionChange(
            change_id=EventId(str(uuid.uuid4())),
            device_id=DeviceId(home),
            council_id=CouncilId(place.council_id),
            condition="mains_lost",
            turn=turn,
            at=now,
            since=now,
            version=version,
            flapping=False,
            sim_operator=place.sim_operator,
            cell_id=place.cell_id,
            network=place.network,
            postcode_district=place.district,
        )
        entries.append(LogEntry(STREAM, home, 3, change.to_json()))
    async with hours.database.acquire() as connection:
        await append(connection, entries, now)
    await hours.settles()


async def test_a_districts_power_fails_while_an_operator_is_away_and_then_its_batteries(hours: LongStory) -> None:
    arc, homes = await hours.hub("clyde-arc", "glasgow-city"), hours.homes
    placed: dict[tuple[str, str], list[str]] = {}
    for district in ("G1", "G2", "G3", "G4"):
        for operator, number in (("23410", 30), ("23415", 15), ("23430", 15)):
            where = {"district": district, "cell_id": f"{district}-{operator}", "sim_operator": operator}
            placed[district, operator] = await homes.settle_in(number, **where)
    of_the_operator = [home for (_, operator), there in placed.items() if operator == "23410" for home in there]
    dark = placed["G3", "23415"] + placed["G3", "23430"]  # of the third operator's we hear nothing of their mains
    await hours.hours_pass(0.5)

    homes.fall_silent(of_the_operator)
    await hours.silence_is_found(of_the_operator)
    operator_away = ("silent", "sim_operator", "23410", len(of_the_operator))
    assert await hours.open() == [operator_away]

    await mains(hours, dark, "began", 1)
    power_cut = ("mains_lost", "postcode_district", "G3", len(dark))
    assert await hours.open() == [power_cut, operator_away]
    await partition(hours)

    homes.fall_silent(dark)  # their batteries are empty
    await hours.silence_is_found(dark)
    batteries_empty = ("silent", "postcode_district", "G3", len(dark))
    assert await hours.open() == sorted([power_cut, batteries_empty, operator_away])
    await partition(hours)
    assert await hours.singles() == []

    homes.are_back(of_the_operator)
    await hours.hours_pass(0.25)
    await hours.minutes_pass(2)
    assert await hours.open() == sorted([power_cut, batteries_empty])
    homes.are_back(dark)
    await hours.hours_pass(0.25)
    await mains(hours, dark, "ended", 2)
    await hours.minutes_pass(2)
    assert (await hours.open(), await hours.silent(), await hours.singles()) == ([], set(), [])
    assert await hours.count("select sum(members) from alerts.outage") == len(of_the_operator) + 2 * len(dark)
    names = [("outage.opened", name) for name in ("23410", "G3", "G3")] + [
        ("outage.closed", name) for name in ("23410", "G3", "G3")
    ]
    assert paged(arc, "outage.updated") == names
    assert await hours.count("select count(*) from alerts.alarm") == 0


async def partition(hours: LongStory) -> None:
    """Whoever is affected is listed in one outage, and in one only of each condition."""
    assert await hours.count(_TWICE) == 0
    assert await hours.count(_NOT_LISTED) == 0
