"""More moves at once than one run makes: nobody is told of what is half done, and nobody waits for an end that does not come."""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest

from services.alerts.outages import detector, store
from tests.integration.alerts.outages.conftest import Scotland

DISTRICTS: Final = 66  # more than one run makes moves
OF_EACH: Final = 8
HIT: Final = 5
SUSPICIOUS: Final = 8  # of those elsewhere


class Fife(NamedTuple):
    """Of one operator and one model. A third of the devices is in districts of a few."""

    districts: list[list[str]]
    elsewhere: list[str]

    @property
    def hit(self) -> list[str]:
        """So many of each district that it is an outage, and so few of the operator that it is none yet, but suspected."""
        return [device for district in self.districts for device in district[:HIT]] + self.elsewhere[:SUSPICIOUS]


@pytest.fixture
async def fife(scotland: Scotland) -> Fife:
    homes = scotland.homes
    await scotland.world.route("fife", "highland-arc")
    alike = {"sim_operator": "23430", "council_id": "fife", "model": "Hub K"}
    districts = [list(await homes.register(OF_EACH, postcode_district=f"KW{n}", **alike)) for n in range(DISTRICTS)]
    rest = await homes.register(2 * DISTRICTS * OF_EACH, postcode_district="EH1", **alike)
    return Fife(districts, list(rest))


async def taken(scotland: Scotland, devices: list[str]) -> None:
    """Ingest's verdicts are taken, the fleet is counted, and nothing is decided yet."""
    room = scotland.world.parts.outages
    await scotland.homes.change(devices)
    while await room.intake.run_once():
        pass
    await room.fleet.count()


async def test_of_an_operator_that_takes_more_moves_than_one_run_makes_nobody_is_told_before_it_is_one_outage(
    scotland: Scotland, fife: Fife
) -> None:
    homes, run = scotland.homes, scotland.world.parts.outages.detector.run_once
    await taken(scotland, fife.hit)
    await run()
    assert len(await homes.open()) == detector._MOVES_MAX
    assert await homes.told() == []
    await run()
    assert len(await homes.open()) == DISTRICTS
    assert await homes.told() == []  # they may be one that is only beginning
    scotland.world.clock.move(30)
    await taken(scotland, fife.elsewhere[SUSPICIOUS:300])
    await run()
    assert 1 < len(await homes.open()) < DISTRICTS
    assert await homes.told() == []
    await run()
    assert await homes.open() == [("sim_operator", "23430", DISTRICTS * HIT + 300)]
    assert await homes.told() == [("highland-arc", "outage.opened")]
    await homes.after(30)
    assert await homes.singles() == []


async def test_of_moves_that_find_no_end_people_are_told_as_it_stands_after_twenty_runs(
    scotland: Scotland, fife: Fife, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "_MOVES_MAX", 1)
    homes, run = scotland.homes, scotland.world.parts.outages.detector.run_once
    await taken(scotland, fife.hit)
    for _ in range(19):
        await run()
    assert await homes.told() == []
    await run()
    assert await homes.told() == [("highland-arc", "outage.opened")] * 20


async def test_whoever_is_told_of_an_outage_while_it_fills_is_told_of_no_other_that_may_be_part_of_a_wider_one(
    scotland: Scotland, fife: Fife, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = scotland.homes
    await homes.fall_silent([*fife.districts[0], *fife.elsewhere[:SUSPICIOUS]])
    assert await homes.open() == [("postcode_district", "KW0", OF_EACH)]
    assert await homes.told() == []
    monkeypatch.setattr(store, "MOVED_AT_ONCE_MAX", 7)
    monkeypatch.setattr(detector, "_TELL_AFTER_S", 0.0)
    await homes.fall_silent(scotland.glasgow)
    assert ("council_id", "glasgow-city", 240) in await homes.open()
    assert sorted(set(await homes.told())) == [("clyde-arc", "outage.opened"), ("forth-arc", "outage.opened")]


async def test_the_same_failure_again_makes_the_outage_grow_that_was_nearly_over(scotland: Scotland) -> None:
    """It comes district by district, and each has more devices than what was left."""
    homes = scotland.homes
    await scotland.world.route("fife", "highland-arc")
    alike = {"sim_operator": "23430", "council_id": "fife", "model": "Hub K"}
    districts = [list(await homes.register(40, postcode_district=f"KW{n}", **alike)) for n in range(4)]
    await homes.fall_silent([device for each in districts for device in each])
    await homes.after(7200)
    await homes.return_([device for each in districts for device in each[5:]])
    assert await homes.open() == [("sim_operator", "23430", 20)]
    for each in districts[:3]:
        await homes.fall_silent(each[5:])
        await homes.after(30)
    assert await homes.open() == [("sim_operator", "23430", 125)]
    (first, *_) = await homes.outages()
    assert first["closed_at"] is None
