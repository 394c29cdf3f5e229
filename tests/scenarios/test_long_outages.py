"""Networks and databases that are away for hours: what people pressed meanwhile is kept, and all of it arrives."""

import asyncio
import itertools
import random
from pathlib import Path

from contracts.ids import CouncilId
from services.simulator import FleetConfig, Occurrence, OperatorOutage, Population, Timing
from tests.scenarios.people import AT_LEISURE_S, SIDE_BY_SIDE
from tests.scenarios.story import Story
from tests.support.servers import Broker, Database, DatabaseServer, until

PRESS = Occurrence(kind="personal_trigger", peripheral_id="pendant-1")
FALL = Occurrence(kind="fall", peripheral_id="wrist-1")
LOW = Occurrence(kind="power_supply", status="battery_low")
BOXES = 200
LOW_BATTERIES = 50


async def test_sweden_an_operators_link_is_lost_for_eight_hours_and_on_its_return_life_comes_before_flat_batteries(
    story: Story,
) -> None:
    """There, eight hours were lost, and then came a flood. The hub is behind the same link, and the last to come back."""
    clyde = await story.hub("clyde-arc", "glasgow-city")
    on_that_link = (each for each in Population(10_000) if each.sim_operator == "23410" and each.network != "ethernet")
    fleet = await story.fleet(
        FleetConfig(
            mqtt_url=story.broker.url,
            devices=[*itertools.islice(on_that_link, BOXES)],
            timing=Timing(heartbeat_interval_s=3600),
            connect_over_s=0,
            reconnect_first_s=0.1,
        )
    )
    boxes = [*fleet.boxes.values()]
    await OperatorOutage(sim_operator="23410").run(boxes, random.Random(1))
    await until(lambda: fleet.totals().connected == 0, AT_LEISURE_S, what="the link to be lost")
    await clyde.go_down()
    for box in boxes[:LOW_BATTERIES]:
        box.raise_alarm(LOW)
    for box in boxes:
        box.raise_alarm(PRESS)
    await story.minutes_pass(8 * 60)
    assert await story.count("select count(*) from ingest.alarm_event") == 0

    for box in boxes:
        box.regain_network()
    async with asyncio.timeout(3 * AT_LEISURE_S):
        await fleet.stored()
    await story.settles()
    await clyde.go_up()
    await story.minutes_pass(1)

    raised = clyde.heard_of_homes("alarm.raised")
    pressed = [each.data["device_id"] for each in raised if each.data["priority"] == 1]
    assert sorted(pressed) == sorted(fleet.boxes)
    assert len(raised) == BOXES + LOW_BATTERIES
    first_battery = [each.data["priority"] for each in raised].index(4)
    assert first_battery > BOXES - SIDE_BY_SIDE
    assert (clyde.logbook.broken_promises, clyde.refused) == ([], 0)


async def test_the_database_is_away_for_hours_and_what_was_pressed_meanwhile_is_kept_by_boxes_and_broker(
    own_postgres: DatabaseServer, own_database: Database, broker: Broker, tmp_path: Path
) -> None:
    async with Story.begin(own_database.url, broker, tmp_path) as story:
        clyde = await story.hub("clyde-arc", "glasgow-city")
        fleet = await story.fleet(
            FleetConfig(
                mqtt_url=broker.url,
                devices=Population(20, councils=[CouncilId("glasgow-city")]),
                timing=Timing(heartbeat_interval_s=3600, repeat_first_s=1, repeat_max_s=2),
                connect_over_s=0,
            )
        )
        once = await story.box("TC-SAYS-IT-ONCE")
        await asyncio.to_thread(own_postgres.stop)

        sent = once.press("fall")
        for box in fleet.boxes.values():
            box.raise_alarm(PRESS)
            box.raise_alarm(FALL)
        await until(
            lambda: all(trace.sent_count > 1 for trace in fleet.traces), AT_LEISURE_S, what="every box to repeat itself"
        )
        story.moves(5 * 3600)
        answer = await story.readiness()
        assert (answer.status, "database" in str(answer.body["failing"])) == (503, True)
        stored = [each for each in fleet.traces if each.stored_at]
        assert (once.receipts(), stored, clyde.heard_of_homes("alarm.raised")) == ([], [], [])

        await asyncio.to_thread(own_postgres.start)
        await once.receipt(sent, "notified", timeout_s=AT_LEISURE_S, insists=False)
        async with asyncio.timeout(2 * AT_LEISURE_S):
            await fleet.stored()
        await story.settles()
        heard = [(each.data["device_id"], each.data["kind"]) for each in clyde.heard_of_homes("alarm.raised")]
        assert sorted(heard) == sorted(
            [(box, kind) for box in fleet.boxes for kind in ("fall", "personal_trigger")] + [(once.device_id, "fall")]
        )
        assert clyde.heard_of_homes("alarm.repeated") == []
        await story.is_ready()
