"""A time of blindness in a long story: the database stands still, and for all that is remembered it was longer."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from tests.scenarios.hours import LongStory
from tests.scenarios.people import AT_LEISURE_S, Hub
from tests.support.servers import DatabaseServer, until

_LAPSES: Final = """
select count(distinct shard) from chassis.hearing_lapse where ended_at > $1 and shard in ('alarms', 'heartbeats-0')
"""


async def blind_for(
    away: timedelta, hours: LongStory, postgres: DatabaseServer, hub: Hub, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Return once all know that nobody was heard for so long; the hub is told while it lasts, and then `meanwhile` happens."""
    await hours.watches_the_hearing()  # and so knows by which ways to tell
    postgres.pause()
    paused_at = hours.clock.now()
    try:
        await until(lambda: hub.heard("alarm.raised"), AT_LEISURE_S, what="the hub to be told from memory")
        meanwhile()
    finally:
        postgres.resume()
    await until(lambda: _is_known(hours, paused_at), AT_LEISURE_S, what="both shards to know how long they were blind")
    passed = hours.clock.now() - paused_at
    await hours.longer_ago(away - passed, before=paused_at)
    await hours.settles()


async def it_is_over(hours: LongStory, hub: Hub) -> None:
    """Somebody has taken it, and all are told that the devices are heard again."""
    (told,) = hub.heard("alarm.raised")
    assert (told.data["device_id"], told.data["kind"], told.data["priority"]) == (
        "monitoring",
        "monitoring_impaired",
        1,
    )
    morag = await hours.operator("Morag", hub)
    assert (await morag.takes(told.data)).status == 200
    await hours.counted("select count(*) from alerts.blindness where heard_since is not null", 1)
    await hours.minutes_pass(1)
    await hours.watches_the_hearing()
    await until(lambda: hub.heard("alarm.restored"), AT_LEISURE_S, what="the hub to know that it is over")


async def by_the_minute(hours: LongStory, dead: list[str], step: float, for_: timedelta) -> dict[float, int]:
    """How many fell silent by how many minutes after we heard again, looked at each `step`. All others report all the time.

    Until we have heard `for_` so long: did this machine pause meanwhile, each device has its interval again, and that begins anew.
    """
    fell: dict[float, int] = {}
    known = 0
    while await _hear_for(hours) < for_:
        await hours.minutes_pass(step)
        await hours.homes.report()
        await hours.settles()
        silent = await hours.silent()
        assert silent <= set(dead)
        if len(silent) > known:
            fell[await _hear_for(hours) / timedelta(minutes=1)] = len(silent) - known
        known = len(silent)
    return fell


async def _hear_for(hours: LongStory) -> timedelta:
    since: datetime = await hours.database.fetchval("select max(ended_at) from chassis.hearing_lapse")
    return hours.clock.now() - since


async def _is_known(hours: LongStory, since: datetime) -> bool:
    return bool(await hours.database.fetchval(_LAPSES, since) == 2)
