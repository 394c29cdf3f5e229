"""A new connection rehearses an alarm: the first real one then finds everything planned, and of the rehearsal nothing is left."""

import asyncio
from typing import Any

from structlog.testing import capture_logs

from services.alerts.intake import STREAM, Intake
from services.alerts.store import QUERIES
from services.chassis.event_log import Consumer
from services.chassis.postgres.borrow import Line
from tests.integration.alerts.world import World
from tests.unit.alerts.build import event

_WRITTEN = ("alarm", "transition", "alarm_event", "notification", "delivery")
_KEPT_PLANS = "select statement from pg_prepared_statements where generic_plans > 0"


async def _rows(world: World) -> dict[str, int]:
    return {name: await world.database.fetchval(f"select count(*) from alerts.{name}") for name in _WRITTEN}


async def _somebody_falls(world: World) -> str:
    """One event in the log, of which nobody is told; returns whose it is."""
    happened = event("fall", received_at=world.clock.now())
    await world.tell(happened)
    return happened.device_id


async def test_what_stands_between_a_press_and_a_hub_is_planned_before_the_first_press(world: World) -> None:
    await world.hub("clyde-arc", "http://127.0.0.1:9/")
    intake, line = Intake(world.parts.alarms), Line(world.parts.pool)
    await line.rehearse(lambda connection: intake.rehearse(connection, world.clock.now()))
    planned = {row["statement"] for row in await line.fetch(_KEPT_PLANS)}
    assert {QUERIES[name] for name in ("facts", "write_transition")} <= planned
    assert set((await _rows(world)).values()) == {0}
    line.drop()


async def test_a_claimer_that_finds_nothing_rehearses_once_and_then_takes_what_comes(world: World) -> None:
    await world.hub("clyde-arc", "http://127.0.0.1:9/")
    rehearsals = 0
    intake = Intake(world.parts.alarms)

    async def rehearse(*arguments: Any) -> None:
        nonlocal rehearsals
        rehearsals += 1
        await intake.rehearse(*arguments)

    consumer = Consumer(
        STREAM, intake.handle, intake.handle_poison, world.parts.pool, world.clock, claimers=1, rehearse=rehearse
    )
    (claimer,) = consumer.loops()
    assert await claimer.run_once() == 0
    once = rehearsals
    assert once > 5
    assert await claimer.run_once() == 0
    device_id = await _somebody_falls(world)
    assert await claimer.run_once() == 1  # told by nobody: it looks all the same
    assert rehearsals == once
    assert await world.database.fetchval("select device_id from alerts.alarm") == device_id


async def test_a_rehearsal_that_fails_is_said_and_keeps_no_alarm_waiting(world: World) -> None:
    intake = Intake(world.parts.alarms)

    async def fail(*_: Any) -> None:
        raise RuntimeError("a fault of ours")

    consumer = Consumer(
        STREAM, intake.handle, intake.handle_poison, world.parts.pool, world.clock, claimers=1, rehearse=fail
    )
    (claimer,) = consumer.loops()
    with capture_logs() as logs:
        for _ in range(3):
            assert await claimer.run_once() == 0
    assert [each["event"] for each in logs] == ["rehearsal_failed"]
    await _somebody_falls(world)
    assert await claimer.run_once() == 1


async def test_rehearsals_side_by_side_wait_for_none_of_the_others(world: World) -> None:
    await world.hub("clyde-arc", "http://127.0.0.1:9/")
    intake, lines = Intake(world.parts.alarms), [Line(world.parts.pool) for _ in range(4)]

    gate = asyncio.Barrier(len(lines))

    async def play(connection: Any) -> None:
        await intake.rehearse(connection, world.clock.now())
        await gate.wait()  # each has written, and none has undone it

    async with asyncio.timeout(60):
        await asyncio.gather(*[line.rehearse(play) for line in lines])
    for line in lines:
        line.drop()


async def test_what_is_sent_is_leased_on_a_line_that_was_made_ready(world: World) -> None:
    await world.parts.dispatcher.send_due()
    await world.parts.dispatcher.settled()
    planned = {row["statement"] for row in await world.parts.dispatcher._line.fetch(_KEPT_PLANS)}
    assert QUERIES["lease_new"] in planned
