"""A Swedish operator's link is lost for eight hours, and then all that was kept comes at once."""

import asyncio
import random
from datetime import timedelta

import pytest

from contracts.ids import CouncilId, DeviceId
from services.simulator import Fleet, FleetConfig, Occurrence, OperatorOutage, Timing
from services.simulator.population import DeviceIdentity
from tests.scenarios.homes import MODEL
from tests.scenarios.hours import LongStory, paged
from tests.scenarios.people import AT_LEISURE_S, SIDE_BY_SIDE
from tests.support.servers import until

PRESS = Occurrence(kind="personal_trigger", peripheral_id="pendant-1")
LOW = Occurrence(kind="power_supply", status="battery_low")
OPERATOR = "23410"
LOW_BATTERIES = 30
HALF_AN_HOUR = timedelta(minutes=30)
_NOBODY_IS_LEFT = "select count(*) from alerts.outage where closed_at is null and members_now = 0"
_TRIED_JUST_NOW = """
with tried as (
    update alerts.delivery set due_at = now() + interval '1 minute'
    where state = 'pending' and due_at < now() + interval '30 seconds' returning 1)
select (select count(*) from tried) + (select count(*) from alerts.delivery where lease_token is not null)
"""


async def boxes_of(hours: LongStory, homes: list[str]) -> Fleet:
    """The boxes of these homes as such, each with a connection and a memory of its own."""
    devices = [
        DeviceIdentity(
            device_id=DeviceId(home),
            council_id=CouncilId(hours.homes.places[home].council_id),
            serial=home,
            model=MODEL,
            network="lte",
            postcode_district=hours.homes.places[home].district,
            sim_operator=hours.homes.places[home].sim_operator,
            installation_ref=f"INST-{home}",
        )
        for home in homes
    ]
    timing = Timing(heartbeat_interval_s=3600)
    return await hours.switch_on(
        FleetConfig(mqtt_url=hours.broker.url, devices=devices, timing=timing, connect_over_s=0, reconnect_first_s=0.1)
    )


# Beside others' tests the silence of its three cells was found seconds apart, and the first was told of as an outage of its own.
@pytest.mark.alone
async def test_an_operators_boxes_are_away_for_eight_hours_and_all_that_they_kept_arrives_life_first(
    hours: LongStory,
) -> None:
    arc, homes = await hours.hub("clyde-arc", "glasgow-city"), hours.homes
    away = await homes.settle_three_districts(OPERATOR)
    await hours.hours_pass(0.25)
    fleet = await boxes_of(hours, away)
    boxes = [*fleet.boxes.values()]

    await OperatorOutage(sim_operator=OPERATOR).run(boxes, random.Random(1))
    await until(lambda: fleet.totals().connected == 0, AT_LEISURE_S, what="the link to be lost")
    homes.fall_silent(away)
    await hours.hours_pass(4, every=HALF_AN_HOUR)
    await hours.silence_is_found(away)  # they are silent by now, but on a machine that kept the service from hearing
    assert await hours.open() == [("silent", "sim_operator", OPERATOR, len(away))]
    for box in boxes[:LOW_BATTERIES]:
        box.raise_alarm(LOW)
    for box in boxes:
        box.raise_alarm(PRESS)
    await hours.hours_pass(4, every=HALF_AN_HOUR)
    assert await hours.open() == [("silent", "sim_operator", OPERATOR, len(away))]
    # It may have been told of before all had joined, and then again with all of them. Nobody came back for six hours, and so a
    # person was called for all who are left.
    ((outage_id,),) = await hours.database.fetch("select outage_id from alerts.outage")
    told = paged(arc, "outage.updated")
    assert [each for each in told if each[1] != f"outage-{outage_id}"] == [("outage.opened", OPERATOR)]
    assert ("alarm.raised", f"outage-{outage_id}") in told

    await arc.go_down()  # it is behind the same link, and the last to come back
    for box in boxes:
        box.regain_network()
    homes.are_back(away)
    async with asyncio.timeout(2 * AT_LEISURE_S):
        await asyncio.gather(fleet.stored(), homes.report())
    await hours.counted(
        "select count(*) from alerts.alarm where state = 'open' and kind <> 'device_silent'", len(away) + LOW_BATTERIES
    )
    await hours.counted(_NOBODY_IS_LEFT, 1)  # and a minute later it is over
    await hours.counted(_TRIED_JUST_NOW, 0)
    await arc.go_up()
    await hours.minutes_pass(2, halting=False)  # so all are due at the same instant
    assert await hours.silent() == set()

    raised = [each for each in arc.heard_of_homes("alarm.raised") if each.data["device_id"] != f"outage-{outage_id}"]
    pressed = [each.data["device_id"] for each in raised if each.data["priority"] == 1]
    assert sorted(pressed) == sorted(away)
    assert len(raised) == len(away) + LOW_BATTERIES
    first_battery = [each.data["priority"] for each in raised].index(4)
    assert first_battery > len(away) - SIDE_BY_SIDE
    assert (await hours.open(), await hours.singles("device_silent")) == ([], [])
    assert {each.data["device_id"] for each in arc.heard("alarm.restored")} <= {f"outage-{outage_id}"}
    assert [each.data["members_now"] for each in arc.heard("outage.closed")] == [0]
    assert (arc.logbook.broken_promises, arc.refused) == ([], 0)
