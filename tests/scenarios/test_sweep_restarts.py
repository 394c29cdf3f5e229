"""Ingest loses its power in the middle of a sweep, and again: nobody is forgotten, and nobody is told of twice."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

from services.alerts.service import build as build_alerts
from services.registry.service import build as build_registry
from tests.scenarios.hours import LongStory, paged
from tests.scenarios.people import AT_LEISURE_S
from tests.support.processes import ServiceProcess
from tests.support.servers import Broker, Database, until

HOMES = 300
_REMEMBER = """
create table public.told (key text, body jsonb);
create function public.remember() returns trigger language plpgsql security definer as $$
begin
    insert into public.told values (new.key, new.body);
    return null;
end $$;
create trigger remember after insert on chassis.event_log
    for each row when (new.stream = 'conditions') execute function public.remember();
"""
_PAUSED = "select exists (select from chassis.hearing_lapse where ended_at > $1)"
_PAUSES_MAX = 10
_HEARS = "select bool_and(heard_until > $1) from chassis.shard where service = 'ingest'"


class WithoutIngest(LongStory):
    """Ingest is a process of its own."""

    services = (build_registry, build_alerts)


async def carries_on(hours: LongStory, process: ServiceProcess) -> None:
    """Start it, and return once it has heard: so it is written down how long nobody did.

    Or once it has lost its power: it may judge who was due before that, and so be killed, sooner than it hears.
    """
    since = await hours.database.fetchval("select clock_timestamp()")
    process.start()

    async def hears_or_ended() -> bool:
        return process.ended or bool(await hours.database.fetchval(_HEARS, since))

    await until(hears_or_ended, AT_LEISURE_S, what="ingest to hear")


async def falls_due(hours: LongStory, is_over: Callable[[], Awaitable[bool]], what: str) -> None:
    """So much time passes that all are silent.

    And so much again whenever ingest paused meanwhile: it did not hear, and all have their interval anew.
    """
    for _ in range(_PAUSES_MAX):
        since = await hours.database.fetchval("select clock_timestamp()")
        await hours.hours_pass(50 / 60, every=timedelta(minutes=50), halting=False)

        async def is_over_or_put_off(since: datetime = since) -> bool:
            return await is_over() or bool(await hours.database.fetchval(_PAUSED, since))

        await until(is_over_or_put_off, AT_LEISURE_S, what=what)
        if await is_over():
            return
    raise AssertionError(f"ingest paused {_PAUSES_MAX} times; not yet: {what}")


async def test_ingest_is_killed_between_batches_of_verdicts_and_each_is_told_once(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    def ingest(name: str, crash_at: str | None = None) -> ServiceProcess:
        log = tmp_path / f"{name}.log"
        return ServiceProcess("ingest", database_url=database.url, mqtt_url=broker.url, log=log, crash_at=crash_at)

    first, second, last = ingest("first", "between_verdicts"), ingest("second", "between_verdicts"), ingest("last")
    try:
        first.start()
        await first.ready()
        async with WithoutIngest.begin(database.url, broker, tmp_path) as hours:
            arc = await hours.hub("clyde-arc", "glasgow-city")
            everybody = set(await hours.homes.settle_in(HOMES))
            await hours.database.execute(_REMEMBER)
            await hours.settles()
            await hours.homes.report()
            hours.homes.fall_silent(everybody)
            judged = []
            for process in (first, second, last):
                if process is not first:
                    await carries_on(hours, process)

                async def lost_its_power(process: ServiceProcess = process) -> bool:
                    return process.ended

                async def all_are() -> bool:
                    return await hours.silent() == everybody

                if process is last:
                    await falls_due(hours, all_are, "everybody to be judged")
                else:
                    await falls_due(hours, lost_its_power, "the power to go")
                    await hours.settles()
                    judged.append(len(await hours.silent()))
            assert 0 < judged[0] < judged[1] < HOMES  # each was killed in the middle
            await hours.settles()
            told = await hours.database.fetch(
                "select key, body->>'turn' as turn, body->>'change_id' as change_id from told"
            )
            assert Counter((row["key"], row["turn"]) for row in told) == Counter(
                {(home, "began"): 1 for home in everybody}
            )
            assert len({row["change_id"] for row in told}) == HOMES
            assert await hours.open() == [("silent", "sim_operator", "23410", HOMES)]
            assert await hours.singles() == []
            assert [each for each in paged(arc, "outage.updated") if each[1] != "monitoring"] == [
                ("outage.opened", "23410")
            ]
    finally:
        for process in (first, second, last):
            process.kill()
