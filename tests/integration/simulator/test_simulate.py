import asyncio

import pytest

from services.simulator.fleet import Fleet
from services.simulator.occurrence import Occurrence
from services.simulator.simulate import SimulateOptions, simulate
from tests.integration.simulator.counterpart import Counterpart
from tests.support.servers import Broker, until


async def test_a_short_run_with_everything_going_wrong_ends_by_itself_with_a_summary(
    broker: Broker, counterpart: Counterpart
) -> None:
    counterpart.answer = lambda _: ["stored", "notified", "acknowledged"]
    lines: list[str] = []
    options = SimulateOptions(
        mqtt_url=broker.url,
        boxes=20,
        for_s=3.0,
        heartbeat_interval_s=0.5,
        alarms_every_s=0.1,
        power_cut="DD2",
        operator_outage="23410",
        flapping=0.1,
        malformed=0.1,
        duplicate=0.1,
        clock_skew=0.1,
        no_entropy=0.1,
        qos_0=0.1,
        settle_s=60.0,  # what the broker never had is sent again after ten seconds, and what it never had twice after twenty more
    )
    summary = await simulate(options, lines.append)
    totals = summary.totals
    assert summary.is_good, lines
    assert totals.alarms == totals.stored > 15
    assert totals.heartbeats > 20  # a box that stood still does not send old ones
    assert any(f"{totals.stored:,} stored" in line for line in lines)


async def test_alarms_that_nobody_takes_in_are_said_to_be_without_receipt(
    broker: Broker, counterpart: Counterpart
) -> None:
    counterpart.answer = lambda _: []
    lines: list[str] = []
    options = SimulateOptions(mqtt_url=broker.url, boxes=5, for_s=1.5, alarms_every_s=0.2, settle_s=0.1)
    summary = await simulate(options, lines.append)
    assert not summary.is_good
    assert "telecare ingest" in lines[-1]


async def test_an_alarm_that_is_raised_late_is_waited_for_like_the_others(
    broker: Broker, counterpart: Counterpart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever plays them has a clock of his own: on a machine that stood still he is behind ours."""

    async def late(_beats: object, fleet: Fleet, *, for_s: float | None) -> None:
        await fleet.until(lambda: fleet.totals().heartbeats > 0)
        assert fleet.raise_alarm(next(iter(fleet.boxes)), Occurrence(kind="fall")) is not None

    monkeypatch.setattr("services.simulator.simulate.play", late)
    summary = await simulate(SimulateOptions(mqtt_url=broker.url, boxes=1, for_s=0.0), lambda _: None)
    assert (summary.totals.alarms, summary.totals.stored) == (1, 1)


async def test_without_a_broker_it_says_so(broker: Broker) -> None:
    broker.kill()
    lines: list[str] = []
    summary = await simulate(
        SimulateOptions(mqtt_url=broker.url, boxes=2, for_s=3.0, alarms_every_s=None), lines.append
    )
    assert not summary.is_good
    assert "refused" in lines[-1]


async def test_a_run_without_end_is_ended_by_cancelling_it_and_still_tells_its_summary(
    broker: Broker, counterpart: Counterpart
) -> None:
    lines: list[str] = []
    options = SimulateOptions(mqtt_url=broker.url, boxes=3, for_s=None, heartbeat_interval_s=0.2)
    running = asyncio.create_task(simulate(options, lines.append))
    await until(lambda: len({heard.device for heard in counterpart.heard("heartbeat")}) == 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert lines[0].startswith("3 boxes")
    await until(lambda: len(counterpart.heard("status")) == 6)
    assert [heard.body["state"] for heard in counterpart.heard("status")] == ["online"] * 3 + ["offline"] * 3


async def test_the_password_of_the_broker_shows_nowhere() -> None:
    options = SimulateOptions(mqtt_url="mqtt://box:hunter2@127.0.0.1:1")
    assert "hunter2" not in repr(options)
