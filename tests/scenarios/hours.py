"""A story of hours or days: a whole installation with its own clock, a fleet that reports as time passes, and no waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from services.alerts.domain.outages.moves import SUSPECTED_FOR
from services.alerts.outages.fleet import FleetCount
from services.chassis.clock import Clock, DatabaseClock
from services.chassis.loop import Loop
from services.ingest.liveness.sweep import Sweep
from tests.scenarios.homes import Homes
from tests.scenarios.past import put_back
from tests.scenarios.people import AT_LEISURE_S, Hub
from tests.scenarios.story import Story
from tests.support.servers import Broker, until

REPORTS_EVERY: Final = timedelta(minutes=15)
_TOGETHER: Final = timedelta(seconds=2)
"""Alarms that are due within it are looked at together."""
_QUARTERS_MAX: Final = 16
_SETTLED: Final = SUSPECTED_FOR + timedelta(seconds=1)
"""So long an affected device may wait for others to turn up before it is told of by itself."""


class Rounds:
    """Counts how often a loop goes round: so one can wait for a whole round that began after something was done."""

    def __init__(self, loops: Iterable[Loop]) -> None:
        self._loops = {loop.name: loop for loop in loops}
        self._begun = dict.fromkeys(self._loops, 0)
        self._done = dict.fromkeys(self._loops, 0)
        for loop in self._loops.values():
            self._count(loop)

    def _count(self, loop: Loop) -> None:
        run_once = loop.run_once

        async def counted() -> int:
            self._begun[loop.name] += 1
            number = self._begun[loop.name]
            worked = await run_once()
            self._done[loop.name] = number
            return worked

        loop.run_once = counted

    async def whole(self, name: str) -> None:
        """Return after one that began now or later; at once if the loop is another process's, which goes round by itself."""
        if name not in self._loops:
            return
        begun = self._begun[name]
        self._loops[name].poke()
        await until(lambda: self._done[name] > begun, AT_LEISURE_S, what=f"{name} to go round")


class LongStory(Story):
    """`begin` is its only maker. Its clock is the database's and never moved: see `tests.scenarios.past`."""

    homes: Homes

    @classmethod
    @asynccontextmanager
    async def begin(cls, database_url: str, broker: Broker, data_dir: Path) -> AsyncIterator[Self]:
        async with super().begin(database_url, broker, data_dir) as story:
            await story._open()
            yield story

    @classmethod
    def _new_clock(cls) -> Clock:
        return DatabaseClock()

    async def _open(self) -> None:
        loops = [loop for service in self.process.services for loop in service.loops]
        (count,) = (loop.run_once for loop in loops if loop.name == "fleet-count")
        self._fleet_count: FleetCount = count.__self__  # type: ignore[attr-defined]  # it is a bound method
        passes = (loop.run_once for loop in loops if loop.name == "liveness")
        self._sweeps: list[Sweep] = [each.__self__.sweep for each in passes]  # type: ignore[attr-defined]  # likewise
        self._rounds = Rounds(loops)
        self.homes = await self._cast.enter_async_context(Homes(self.database, self.broker.url))  # type: ignore[arg-type]
        # A shard says that it hears a second after it is connected. Before, it has no hearing that it could lose.
        await until(self._all_hear, AT_LEISURE_S, what="every shard to hear for the first time")

    # -- time --------------------------------------------------------------------------------------------------------

    async def hours_pass(self, hours: float, *, every: timedelta = REPORTS_EVERY, halting: bool = True) -> None:
        """And all who get through report, each quarter of an hour. Not `halting`: alarms may be looked at that late."""
        left = timedelta(hours=hours)
        while left > timedelta():
            step = min(left, every)
            await self.minutes_pass(step / timedelta(minutes=1), halting=halting)
            await self.homes.report()
            left -= step
        await self.settles()

    async def minutes_pass(self, minutes: float, *, halting: bool = True) -> None:
        """Nobody reports. Time halts wherever an alarm is to be looked at again, unless that may be late."""
        left = timedelta(minutes=minutes)
        while left > timedelta():
            now = self.clock.now()
            look = await self._next_look(now + left) if halting else None
            step = left if look is None else min(left, look - now + _TOGETHER)
            await self._passes(step)
            left -= step

    async def singles_are_told(self) -> None:
        """So much time passes that whoever is affected by itself is told of."""
        await self.minutes_pass(_SETTLED / timedelta(minutes=1))

    async def silence_is_found(self, homes: Iterable[str], *, quarters: int = _QUARTERS_MAX) -> None:
        """So much time passes, and all who get through report, until all these are silent; then singles are told.

        Did this machine do something else for some seconds, the service did not hear, and each device has its interval again:
        then it is later than promised, and rightly so.
        """
        for passed in range(quarters + 1):
            if set(homes) <= await self.silent():
                return await self.singles_are_told()
            if passed < quarters:
                await self.hours_pass(0.25)
        raise AssertionError(f"not silent in {quarters} quarters of an hour: {set(homes) - await self.silent()}")

    async def watches_the_hearing(self) -> None:
        """Whether the devices are heard, looked at anew."""
        await self._rounds.whole("hearing")

    async def counts_who_is_heard(self) -> None:
        """As ingest does each half minute, and then alerts looks at it. It remembers when it counted last, and is not to wait."""
        for sweep in self._sweeps:  # none where ingest is another process
            sweep._count._begun_at = None
        await self._rounds.whole("liveness")
        await self._rounds.whole("degraded-hearing")
        await self.settles()

    async def asks_the_time(self) -> None:
        """The service asks the database, as it does each half minute."""
        assert isinstance(self.clock, DatabaseClock)
        async with self.database.acquire() as connection:
            await self.clock.measure(connection)

    async def hears(self) -> None:
        """Return once every shard has said three times that it hears, and so once by the time as it is now."""
        for _ in range(3):
            await self._all_renew()

    async def _all_hear(self) -> bool:
        query = "select bool_and(heard_until is not null) from chassis.shard"
        return bool(await self.database.fetchval(query))

    async def _all_renew(self) -> None:
        since = await self._renewed()

        async def all_have() -> bool:
            now = await self._renewed()
            return all(now[shard] != at for shard, at in since.items())

        await until(all_have, AT_LEISURE_S, what="every shard to say that it hears")

    async def _renewed(self) -> dict[str, datetime]:
        rows = await self.database.fetch("select shard, renewed_at from chassis.shard")
        return {row["shard"]: row["renewed_at"] for row in rows}

    async def longer_ago(self, by: timedelta, *, before: datetime) -> None:
        """What happened before then is so much longer ago than it was."""
        async with self.database.acquire() as connection:
            await put_back(connection, by, before=before)

    async def _passes(self, step: timedelta) -> None:
        async with self.database.acquire() as connection:
            await put_back(connection, step)
        await self.settles()

    async def settles(self, timeout_s: float = AT_LEISURE_S) -> None:
        """Whoever fell silent or returned by now is judged, and all that follows is done."""
        await until(lambda: self._is_taken("devices"), timeout_s, what="ingest to know the register")
        await self._rounds.whole("liveness")
        self._poke("conditions")
        await until(lambda: self._is_taken("conditions"), timeout_s, what="all changes of condition to be taken")
        await self._fleet_count.count()
        await self._rounds.whole("outage-detector")
        await super().settles(timeout_s)

    async def _is_taken(self, stream: str) -> bool:
        query = "select not exists (select from chassis.event_log where stream = $1)"
        return bool(await self.database.fetchval(query, stream))

    # -- what came of it ---------------------------------------------------------------------------------------------

    async def outages(self, **query: str) -> list[dict[str, Any]]:
        """As the API lists them, newest first."""
        answer = await self.api.get("/api/v1/outages", **query)
        assert answer.status == 200, answer
        items: list[dict[str, Any]] = answer.body["items"]
        return items

    async def open(self) -> list[tuple[str, str, str, int]]:
        """Condition, attribute, value and present members of each outage that is open."""
        listed = await self.outages(state="open")
        return sorted((each["condition"], each["attribute"], each["value"], each["members_now"]) for each in listed)

    async def silent(self) -> set[str]:
        """Devices that are, by the last verdict."""
        rows = await self.database.fetch("select device_id from ingest.liveness where silent")
        return {row["device_id"] for row in rows}

    async def singles(self, *kinds: str) -> list[str]:
        """Devices that ever had an alarm of these kinds (silent or without mains, by themselves), each as often as it had one."""
        query = (
            "select device_id from alerts.alarm where kind = any ($1::text[]) and device_id not like 'outage-%' "
            "order by device_id"
        )
        rows = await self.database.fetch(query, kinds or ("device_silent", "power_supply"))
        return [row["device_id"] for row in rows]


def paged(hub: Hub, *but: str) -> list[tuple[str, str]]:
    """What people at a hub were told, and of which device or outage; but for these types."""
    return [
        (each.type, each.data.get("device_id") or each.data["value"])
        for each in hub.logbook
        if each.type not in {"hub.probe", *but}
    ]
