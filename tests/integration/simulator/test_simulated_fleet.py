import asyncio
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from contracts.device import Heartbeat
from services.simulator.box import Box
from services.simulator.flaws import FlawMix
from services.simulator.fleet import Fleet, FleetConfig
from services.simulator.misbehaviour import Flapping, Misbehaviour, OperatorOutage, PowerCut
from services.simulator.occurrence import Occurrence
from services.simulator.population import Population
from services.simulator.timing import Timing
from tests.integration.simulator.conftest import QUICK, FleetMaker
from tests.integration.simulator.counterpart import Counterpart
from tests.support.servers import Broker, until

PRESS = Occurrence(kind="personal_trigger", peripheral_id="pendant-1", location="bathroom")


@dataclass
class When:
    """It befalls a fleet when the test says so: whoever is to lose something must have it first."""

    what: Misbehaviour
    begins: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, boxes: Sequence[Box], rng: random.Random) -> None:
        await self.begins.wait()
        await self.what.run(boxes, rng)


@dataclass(frozen=True)
class MainsAreBack:
    district: str

    async def run(self, boxes: Sequence[Box], _rng: random.Random) -> None:
        for box in boxes:
            if box.device.identity.postcode_district == self.district:
                box.restore_mains()


def online(fleet: Fleet, boxes: int = 1) -> "asyncio.Future[None]":
    return asyncio.ensure_future(fleet.until(lambda: fleet.totals().connected == boxes))


def press(fleet: Fleet, box: int = 0, occurrence: Occurrence = PRESS) -> "object":
    return list(fleet.boxes.values())[box].raise_alarm(occurrence)


async def test_boxes_come_online_and_send_heartbeats_that_expire(
    run_fleet: FleetMaker, counterpart: Counterpart
) -> None:
    fleet = run_fleet(5, timing=Timing(heartbeat_interval_s=1.0))
    await online(fleet, 5)
    await until(lambda: len({heard.device for heard in counterpart.heard("heartbeat")}) == 5)
    heartbeats = counterpart.heard("heartbeat")
    for heard in heartbeats:
        Heartbeat.model_validate_json(heard.payload)
    assert {heard.qos for heard in heartbeats} == {1}
    # A broker takes off what it has kept a message for, and counts in whole seconds: one that crossed a second has one less.
    await until(lambda: max(heard.expiry_s or 0 for heard in counterpart.heard("heartbeat")) == 2)
    assert [status.body["state"] for status in counterpart.heard("status")] == ["online"] * 5


async def test_the_trace_of_an_alarm_tells_when_each_receipt_came(
    run_fleet: FleetMaker, counterpart: Counterpart
) -> None:
    counterpart.answer = lambda _: ["stored", "notified", "acknowledged", "closed"]
    fleet = run_fleet()
    await online(fleet)
    trace = fleet.raise_alarm(Population(1)[0].device_id, PRESS)
    assert trace is not None
    await fleet.until(lambda: trace.closed_at is not None)
    instants = [trace.born_at, trace.sent_at, trace.stored_at, trace.notified_at, trace.acknowledged_at]
    assert instants == sorted(instants)  # type: ignore[type-var]
    assert trace.alarm_id == "a-1"
    assert trace.is_settled
    totals = fleet.totals()
    assert (totals.alarms, totals.stored, totals.notified, totals.acknowledged, totals.closed) == (1, 1, 1, 1, 1)


async def test_an_alarm_without_a_receipt_is_sent_again_byte_for_byte(
    run_fleet: FleetMaker, counterpart: Counterpart
) -> None:
    counterpart.answer = lambda _: []
    fleet = run_fleet()
    press(fleet)
    await until(lambda: len(counterpart.heard("alarm")) >= 3)
    assert len({heard.payload for heard in counterpart.heard("alarm")}) == 1
    counterpart.receipt(counterpart.heard("alarm")[0], "stored")
    await fleet.stored()
    assert fleet.totals().repeats >= 2


async def test_an_alarm_survives_a_reboot_and_a_broker_that_was_away(
    broker: Broker, run_fleet: FleetMaker, counterpart: Counterpart
) -> None:
    counterpart.answer = lambda _: []
    fleet = run_fleet()
    await online(fleet)
    press(fleet)
    await until(lambda: counterpart.heard("alarm"))
    first = counterpart.heard("alarm")[0]
    (box,) = fleet.boxes.values()
    box.reboot()
    await until(lambda: len(counterpart.heard("status")) >= 3)
    assert [heard.body["state"] for heard in counterpart.heard("status")] == ["online", "offline", "online"]
    broker.kill()
    await fleet.until(lambda: fleet.totals().connected == 0)
    broker.start()
    counterpart.answer = lambda _: ["stored"]
    await fleet.until(lambda: fleet.totals().stored == 1)
    again = counterpart.heard("alarm")[-1]
    assert again.payload == first.payload
    assert again.body["boot_id"] != box.device.boot_id


async def test_a_receipt_waits_at_the_broker_for_a_box_that_is_away(
    run_fleet: FleetMaker, counterpart: Counterpart
) -> None:
    counterpart.answer = lambda _: []
    fleet = run_fleet(timing=Timing(repeat_first_s=600))
    await online(fleet)
    press(fleet)
    await until(lambda: counterpart.heard("alarm"))
    (box,) = fleet.boxes.values()
    box.lose_network()
    await fleet.until(lambda: fleet.totals().connected == 0)
    counterpart.receipt(counterpart.heard("alarm")[0], "stored")
    box.regain_network()
    await fleet.until(lambda: fleet.totals().stored == 1)


async def test_a_command_brings_a_heartbeat_at_once(run_fleet: FleetMaker, counterpart: Counterpart) -> None:
    fleet = run_fleet(timing=Timing(heartbeat_interval_s=600))
    await online(fleet)
    await until(lambda: len(counterpart.heard("heartbeat")) == 1)
    counterpart.command(counterpart.heard("heartbeat")[0].topic, "report_now")
    await until(lambda: len(counterpart.heard("heartbeat")) == 2)


async def test_a_fleet_that_stops_says_goodbye_and_leaves_nothing_behind(
    run_fleet: FleetMaker, broker: Broker, counterpart: Counterpart
) -> None:
    tasks = asyncio.all_tasks()
    fleet = Fleet(FleetConfig(mqtt_url=broker.url, devices=Population(10), timing=QUICK, connect_over_s=0.0))
    running = asyncio.create_task(fleet.run())
    await until(lambda: len(counterpart.heard("status")) == 10)  # a box is connected before it says that it is
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        fleet.stop()
        await running
    await until(lambda: len(counterpart.heard("status")) == 20)
    assert {heard.body["state"] for heard in counterpart.heard("status")[10:]} == {"offline"}
    await until(lambda: asyncio.all_tasks() <= tasks)
    assert fleet.totals().connected == 0


async def test_a_cancelled_fleet_hangs_up_first(broker: Broker, counterpart: Counterpart) -> None:
    fleet = Fleet(FleetConfig(mqtt_url=broker.url, devices=Population(3), connect_over_s=0.0))
    running = asyncio.create_task(fleet.run())
    await online(fleet, 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert fleet.totals().connected == 0


async def test_a_fleet_without_a_broker_says_why_and_still_stops(broker: Broker) -> None:
    broker.kill()
    fleet = Fleet(FleetConfig(mqtt_url=broker.url, devices=Population(3), connect_over_s=0.0))
    running = asyncio.create_task(fleet.run())
    await until(lambda: fleet.trouble)
    assert "refused" in str(fleet.trouble)
    fleet.stop()
    await running


async def test_watchers_and_followers_are_told_the_same(run_fleet: FleetMaker, counterpart: Counterpart) -> None:
    fleet = run_fleet()
    watched: list[str] = []
    fleet.watch(lambda event: watched.append(event.name))

    async def follow() -> list[str]:
        return [event.name async for event in fleet.events()]

    following = asyncio.create_task(follow())
    await online(fleet)
    press(fleet)
    await fleet.until(lambda: fleet.totals().stored == 1)
    fleet.stop()
    followed = await following
    assert followed == watched[: len(followed)]
    assert {"connected", "born", "sent", "stored"} <= set(followed)


async def test_in_a_power_cut_a_district_falls_silent_and_comes_back(
    run_fleet: FleetMaker, counterpart: Counterpart
) -> None:
    in_g31 = {device.device_id for device in Population(30) if device.postcode_district == "G31"}
    cut, back = When(PowerCut(district="G31")), When(MainsAreBack(district="G31"))  # when all batteries are empty
    fleet = run_fleet(
        30,
        timing=Timing(battery_life_s=0.6, mains_report_delay_s=0.1, heartbeat_interval_s=0.2),
        misbehaviours=[cut, back],
    )
    off: set[str] = set()
    fleet.watch(lambda event: off.add(event.device.device_id) if event.name == "switched_off" else None)
    await online(fleet, 30)
    cut.begins.set()
    await until(lambda: off == in_g31, what="the batteries of G31 are empty")
    back.begins.set()
    await fleet.until(lambda: fleet.totals().connected == 30)
    expected = {(device, status) for device in in_g31 for status in ("activated", "battery_low", "restored")}
    reports: set[tuple[str, str]] = set()

    def all_reported() -> bool:
        reports.update((heard.device, heard.body["status"]) for heard in counterpart.heard("alarm"))
        return len(reports) >= len(expected)

    await until(all_reported)
    assert reports == expected

    def wills() -> set[str]:
        """Published by the broker once it knows that a line has ended, and not before the box can be back."""
        return {heard.device for heard in counterpart.heard("status") if heard.body["state"] == "offline"}

    await until(lambda: wills() == in_g31, what="the wills of G31, and of nobody else")


async def test_in_an_operators_outage_its_boxes_are_away_and_come_back_with_their_backlog(
    run_fleet: FleetMaker, counterpart: Counterpart
) -> None:
    devices = Population(12)
    affected = [d for d in devices if d.sim_operator == "23410" and d.network != "ethernet"]
    outage = When(OperatorOutage(sim_operator="23410", for_s=3.0, return_spread_s=0.2))
    fleet = run_fleet(12, misbehaviours=[outage])
    await online(fleet, 12)
    outage.begins.set()
    await fleet.until(lambda: fleet.totals().connected == 12 - len(affected))
    for device in affected:
        fleet.raise_alarm(device.device_id, PRESS)
    await fleet.until(lambda: fleet.totals().stored == len(affected) > 0)
    assert fleet.totals().connected > 12 - len(affected)


async def test_a_flapping_box_comes_and_goes(run_fleet: FleetMaker, counterpart: Counterpart) -> None:
    fleet = run_fleet(1, misbehaviours=[Flapping(share=1.0, up_s=0.2, down_s=0.1)])
    names: list[str] = []
    fleet.watch(lambda event: names.append(event.name))
    await until(lambda: names.count("disconnected") >= 2)
    assert names.count("connected") >= 2


async def test_every_flaw_together_and_still_each_alarm_is_receipted(
    run_fleet: FleetMaker, counterpart: Counterpart
) -> None:
    fleet = run_fleet(
        8,
        flaws=FlawMix(malformed=0.3, duplicate=0.3, lost_receipts=0.3, clock_skew=0.5, no_entropy=0.5, qos_0=0.5),
    )
    await online(fleet, 8)
    for box in range(8):
        press(fleet, box)
        press(fleet, box, Occurrence(kind="fall"))
    await fleet.until(lambda: fleet.totals().stored == 16)


async def test_a_delivery_that_happens_twice_is_the_same_bytes(run_fleet: FleetMaker, counterpart: Counterpart) -> None:
    fleet = run_fleet(timing=Timing(repeat_first_s=600))  # not a third time, for want of a quick receipt
    press(fleet, 0, Occurrence(kind="fall", sent_twice=True))
    await until(lambda: len(counterpart.heard("alarm")) == 2)
    first, second = counterpart.heard("alarm")
    assert first.payload == second.payload


async def test_more_boxes_than_connections_are_refused_unless_they_share(broker: Broker) -> None:
    with pytest.raises(ValueError, match="multiplex"):
        Fleet(FleetConfig(mqtt_url=broker.url, devices=Population(5), own_connections_max=4))


async def test_boxes_that_share_connections_send_heartbeats_beside_those_with_their_own(
    run_fleet: FleetMaker, counterpart: Counterpart
) -> None:
    fleet = run_fleet(300, own_connections_max=2, multiplex=3, timing=Timing(heartbeat_interval_s=1.0))
    await until(lambda: len({heard.device for heard in counterpart.heard("heartbeat")}) == 300)
    assert len(fleet.boxes) == 2
    assert fleet.totals().connected == 300
    for heard in counterpart.heard("heartbeat"):
        Heartbeat.model_validate_json(heard.payload)
