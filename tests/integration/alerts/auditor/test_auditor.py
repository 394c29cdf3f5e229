"""The auditor notices what those who should have seen to it cannot: that they have stopped."""

import asyncio
import re
from typing import Any

import pytest

from contracts.alarm_event import AlarmEvent
from tests.blackbox.hub import Misbehaviour, Receiver
from tests.integration.alerts.world import World
from tests.unit.alerts.build import event


@pytest.fixture
async def glasgow(glasgow: World, receiver: Receiver) -> World:
    receiver.clock = glasgow.clock.now
    return glasgow


def press(world: World, kind: str = "fall", device_id: str = "TC-000123") -> AlarmEvent:
    return event(kind, device_id=device_id, received_at=world.clock.now())


async def violations(world: World) -> set[str]:
    """What an audit finds; readiness and the metrics say the same."""
    await world.parts.auditor.run_once()
    found = {str(what) for what in world.parts.auditor.violations}
    assert world.metric("telecare_audit_violations") == len(found)
    assert (await world.parts.auditor.check() is None) == (not found)
    return found


async def claim(world: World) -> None:
    """The claimers work, and nobody else."""
    while await world.parts.consumer.run_once():
        pass
    await world.parts.dispatcher.settled()


async def send(world: World) -> None:
    """The dispatcher works, and nobody else."""
    while await world.parts.dispatcher.run_once():
        await world.parts.dispatcher.settled()


async def wake(world: World) -> None:
    """The wakers work, and nobody else."""
    while await world.parts.waker.run_once():
        pass


async def test_nothing_waits_in_a_healthy_world(glasgow: World) -> None:
    assert await violations(glasgow) == set()
    await glasgow.press()
    await glasgow.after(3600)
    assert await violations(glasgow) == set()


@pytest.mark.parametrize(
    ("kind", "ladder_s", "bound_s", "what"),
    [
        ("fall", 60, 30, "alarm_urgent"),
        ("bed", 180, 30, "alarm_urgent"),
        ("tamper", 8 * 3600, 120, "alarm_other"),
    ],
)
async def test_an_alarm_that_nobody_looks_at_again_though_it_is_due(
    glasgow: World, kind: str, ladder_s: int, bound_s: int, what: str
) -> None:
    await glasgow.press(kind)
    glasgow.clock.move(ladder_s + bound_s - 1)
    await send(glasgow)  # the wakers have stopped
    assert await violations(glasgow) == set()
    glasgow.clock.move(2)
    await send(glasgow)
    assert await violations(glasgow) == {what}
    assert glasgow.metric("telecare_audit_overdue_seconds", what=what) == bound_s + 1
    await glasgow.settle()
    assert await violations(glasgow) == set()
    assert glasgow.metric("telecare_audit_overdue_seconds", what=what) == 0


async def test_an_event_that_becomes_no_alarm(glasgow: World) -> None:
    await glasgow.tell(press(glasgow))  # the claimers have stopped
    glasgow.clock.move(29)
    assert await violations(glasgow) == set()
    glasgow.clock.move(2)
    assert await violations(glasgow) == {"event"}
    await glasgow.settle()
    assert await violations(glasgow) == set()


async def test_an_event_that_fails_again_and_again_and_its_emergency_exit_too(glasgow: World) -> None:
    await glasgow.database.execute("alter table alerts.alarm add constraint a_fault check (kind is null) not valid")
    await glasgow.tell(press(glasgow))
    for _ in range(12):
        await glasgow.after(4)
    assert await violations(glasgow) == {"event"}
    await glasgow.database.execute("alter table alerts.alarm drop constraint a_fault")
    await glasgow.after(11)
    assert await violations(glasgow) == set()


async def test_a_code_that_nobody_sends(glasgow: World) -> None:
    await glasgow.database.execute(
        "insert into chassis.event_log (stream, key, urgency, body, created_at, not_before) "
        "values ('verifications', 'a channel', 2, '{}', $1, $1)",
        glasgow.clock.now(),
    )
    glasgow.clock.move(31)
    assert await violations(glasgow) == {"event"}


@pytest.mark.parametrize(("kind", "bound_s", "what"), [("fall", 60, "delivery_urgent"), ("bed", 600, "delivery_other")])
async def test_a_notification_that_nobody_tries_to_send(glasgow: World, kind: str, bound_s: int, what: str) -> None:
    sends, glasgow.parts.alarms.send = glasgow.parts.alarms.send, lambda _: None  # the dispatcher has stopped
    await glasgow.tell(press(glasgow, kind))
    await claim(glasgow)
    glasgow.clock.move(bound_s - 1)
    await wake(glasgow)
    assert await violations(glasgow) == set()
    glasgow.clock.move(2)
    await wake(glasgow)
    assert await violations(glasgow) == {what}
    glasgow.parts.alarms.send = sends
    await glasgow.settle()
    assert await violations(glasgow) == set()


async def test_a_hub_that_hangs_holds_up_what_waits_behind_it_and_that_is_its_channels_failure(
    glasgow: World, receiver: Receiver
) -> None:
    glasgow.parts.ways.webhooks._timeout_s = 600.0  # and not ten: they are to hang still when the audit comes
    receiver.break_down("clyde-arc", Misbehaviour.HANG)
    receiver.break_down("forth-arc", Misbehaviour.HANG)
    await glasgow.tell(*(press(glasgow, device_id=f"TC-{number}") for number in range(20)))
    while await glasgow.parts.consumer.run_once():
        pass
    await glasgow.parts.dispatcher.run_once()
    glasgow.clock.move(29)
    await wake(glasgow)
    glasgow.clock.move(40)
    await wake(glasgow)
    due = "select count(*) from alerts.delivery where state = 'pending' and due_at < $1 and leased_until is null"
    assert await glasgow.database.fetchval(due, glasgow.clock.now()) >= 20
    # However long all that took by the database's clock, which the test does not move.
    being_sent = (
        "update alerts.delivery set leased_until = clock_timestamp() + interval '50 s' where leased_until is not null"
    )
    await glasgow.database.execute(being_sent)
    assert await violations(glasgow) == set()
    await receiver.stop()
    await glasgow.parts.dispatcher.settled()


async def test_an_alarm_that_a_fast_clock_has_put_off_for_days(glasgow: World) -> None:
    glasgow.clock.move(3 * 86_400)
    await glasgow.press("tamper")
    glasgow.clock.move(-3 * 86_400)
    assert await violations(glasgow) == {"alarm_without_future"}
    assert "within a day" in str(await glasgow.parts.auditor.check())


async def test_an_alarm_that_nobody_will_ever_look_at_again(glasgow: World) -> None:
    await glasgow.press()
    for (name,) in await glasgow.database.fetch(
        "select conname from pg_constraint where conrelid = 'alerts.alarm'::regclass and contype = 'c' "
        "and pg_get_constraintdef(oid) like '%wake_at IS NULL%'"
    ):
        await glasgow.database.execute(f"alter table alerts.alarm drop constraint {name}")
    await glasgow.database.execute("update alerts.alarm set wake_at = null")
    assert await violations(glasgow) == {"alarm_without_future"}


async def test_it_is_said_once_when_it_begins_and_once_when_it_is_over(
    glasgow: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await glasgow.tell(press(glasgow))
    glasgow.clock.move(31)
    for _ in range(3):
        await violations(glasgow)
    said = str(await glasgow.parts.auditor.check())
    assert "an event that was stored has not become an alarm (since " in said
    await glasgow.settle()
    for _ in range(3):
        await violations(glasgow)
    out = capsys.readouterr().out
    assert (out.count("audit_violation "), out.count("audit_violation_over")) == (1, 1)


async def test_an_audit_that_cannot_be_made_is_a_finding(glasgow: World) -> None:
    auditor = glasgow.parts.auditor
    await auditor.run_once()
    assert await auditor.check() is None
    auditor._audited_at_s -= 31  # it has failed since
    said = re.search(r"the audit has not run for (\d+) s", str(await auditor.check()))
    assert said is not None
    assert 31 <= int(said[1]) < 60  # a machine may pause here
    assert (glasgow.metric("telecare_audit_age_seconds") or 0) > 31
    await auditor.run_once()
    assert await auditor.check() is None


async def test_it_looks_even_when_all_other_connections_are_taken(glasgow: World) -> None:
    held = [await glasgow.parts.pool.acquire() for _ in range(glasgow.parts.pool.get_max_size())]
    try:
        await glasgow.tell(press(glasgow))
        glasgow.clock.move(31)
        assert await violations(glasgow) == {"event"}
    finally:
        for connection in held:
            await glasgow.parts.pool.release(connection)


@pytest.fixture
async def busy(glasgow: World, receiver: Receiver) -> World:
    """Forty homes, of which every other has pressed a button that matters, and the first hub refuses everything."""
    receiver.break_down("clyde-arc")
    kinds = ("fall", "bed", "tamper", "smoke", "power_supply")
    await glasgow.tell(*(press(glasgow, kinds[n % 5], f"TC-{n}") for n in range(40)))
    return glasgow


async def test_a_loaded_world_with_a_dead_hub_has_none_at_any_moment(busy: World) -> None:
    found: list[Any] = []
    for _ in range(24):
        found.append(await violations(busy))  # before what has come due is seen to, and after
        await busy.settle()
        found.append(await violations(busy))
        busy.clock.move(10)
    assert found == [set()] * 48
    assert len(await busy.alarms()) == 40
    assert {hub for hub, _ in await busy.told()} == {"clyde-arc", "forth-arc"}  # there was something to be late with


async def test_audits_at_once_get_in_nobodys_way(busy: World) -> None:
    await asyncio.gather(busy.settle(), *(busy.parts.auditor.run_once() for _ in range(5)))
    assert await violations(busy) == set()
