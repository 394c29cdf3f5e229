"""What alerts itself writes, as it happens, is what the figures count."""

from datetime import timedelta

from contracts.ids import HubId
from services.alerts.domain.kpis import Excluded, Month, Report
from services.alerts.domain.triggers import Acknowledge, Close, Release
from services.alerts.http.asker import Scope
from services.alerts.kpis.store import read_month
from services.alerts.people import People
from tests.integration.alerts.world import World
from tests.unit.alerts.build import event

LASTS_S = 200


async def act(world: World, what: Acknowledge | Release | Close, hub_id: str) -> None:
    """An operator of this hub does it to the alarm that was raised last."""
    *_, alarm = [each for each in await world.alarms() if each["state"] != "closed" and each["priority"] == 1]
    async with world.parts.pool.acquire() as connection, connection.transaction():
        people = People(world.parts.alarms)
        _, after_commit = await people.act(connection, alarm["alarm_id"], what, HubId(hub_id), world.clock.now())
    assert after_commit is not None
    after_commit()
    await world.settle()


async def figures(world: World) -> Report:
    now = world.clock.now()
    async with world.parts.reading.acquire() as connection:
        return await read_month(connection, Month.of(now), Scope(None, None), now)


async def test_an_evening_in_glasgow(glasgow: World) -> None:
    now = glasgow.clock.now()
    if Month.of(now) != Month.of(now + timedelta(seconds=LASTS_S)):
        glasgow.clock.move(-LASTS_S)  # the evening is of one month

    await glasgow.press("fall")
    await glasgow.after(20)
    await act(glasgow, Acknowledge("morag"), "clyde-arc")
    await glasgow.after(20)
    await glasgow.press("fall")  # morag has it: it waits again
    await glasgow.after(10)
    await glasgow.press("fall")  # a second press
    await glasgow.after(60)
    await act(glasgow, Close("hamish", "attended"), "forth-arc")
    await glasgow.press("smoke")
    await glasgow.after(5)
    await act(glasgow, Acknowledge("morag"), "clyde-arc")
    await act(glasgow, Release("morag"), "clyde-arc")  # nobody takes it
    await glasgow.press("fall", "battery_low")
    await glasgow.press("power_supply")
    await glasgow.press("power_supply", "restored")
    await glasgow.press("fall", test=True)
    await glasgow.press("door", "cancelled")

    report = await figures(glasgow)
    first, last = report.total.within
    assert (report.total.calls, report.total.waiting, first.answered, last.answered) == (3, 1, 2, 3)
    assert report.total.percentiles_s == {"p50": 20.0, "p90": 70.0, "p95": 70.0, "p99": 70.0, "max": 70.0}
    assert {each.key: (each.figures.calls, each.figures.waiting) for each in report.hubs} == {
        "clyde-arc": (2, 1),
        "forth-arc": (1, 0),
    }
    assert report.excluded == Excluded(tests=1, repeats=1, priority_3=0, priority_4=2, priority_5=1)


async def test_a_press_that_lay_with_us_has_waited_all_the_time(glasgow: World) -> None:
    """Alerts were away for 70 s. Whoever takes it then, at once, has taken it after 70 s, in each figure."""
    await glasgow.tell(event("fall", device_id="TC-000123", received_at=glasgow.clock.now()))
    await glasgow.after(70)
    await act(glasgow, Acknowledge("morag"), "clyde-arc")
    first, last = (await figures(glasgow)).total.within
    assert (first.answered, last.answered) == (0, 1)
    assert glasgow.metric("telecare_alarm_acknowledge_seconds_sum", priority="1") == 70
