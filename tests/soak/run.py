"""One soak from start to end: live, strike, drain, look."""

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from tests.soak import books
from tests.soak.faults import FAULTS, CannotBeMade
from tests.soak.fleet import People, open_people, register
from tests.soak.homes import Figures
from tests.soak.house import House, open_house
from tests.soak.judge import Incident, Seen
from tests.soak.plan import Plan, Strike, strikes
from tests.soak.watch import Watch, audit_violations
from tests.support.servers import until

_START_S: Final = 120.0
_READY_S: Final = 60.0
_SETTLED_S: Final = 30.0


@dataclass(frozen=True)
class Soaked:
    """What is told beside the verdict."""

    plan: Plan
    seen: Seen
    volume: str
    heartbeats: int
    boxes: Figures
    lived_s: float
    drained_s: float | None
    """None: not within its bound."""
    cpu_s: Mapping[str, float]
    """What each has used since the faults began, by name; what a process used in its last seconds is missing."""
    load: Sequence[float]
    """Of the machine, at every look."""
    audit_violations_max: float


async def soak(plan: Plan, logs: Path, say: Callable[[str], None]) -> Soaked:
    """Run it, telling `say` what happens."""
    started_at = time.monotonic()
    async with open_house(logs) as house:
        await register(house, plan)
        for each in house.services.values():
            each.program.start()
        await until(house.services["registry"].is_ready, _START_S, what="the registry to be ready")
        async with open_people(house, plan) as people:
            took_s, own = time.monotonic() - started_at, plan.boxes_with_lines
            say(
                f"started in {took_s:.0f} s: {plan.boxes:,} boxes, {own:,} of which have a connection of their own, and call"
            )
            say(_of_the_volume(house))
            return await _soak(plan, house, people, say)


async def _soak(plan: Plan, house: House, people: People, say: Callable[[str], None]) -> Soaked:
    began_at, generations = time.monotonic(), await books.generations(house)
    watch = Watch(house, people.homes.pid, plan.look_every_s)
    watching = asyncio.create_task(watch.run())
    try:
        incidents = await _live(plan, house, people, say)
        drained_s = await _drain(plan, house, people)
        watch.look()
        unready = await _unready(house)
    finally:
        watching.cancel()
        outcome = (await asyncio.gather(watching, return_exceptions=True))[0]
    if isinstance(outcome, Exception):
        raise outcome
    boxes = await people.homes.figures()
    seen, heartbeats = await _see(house, people, incidents, watch, generations, unready)
    return Soaked(
        plan=plan,
        seen=seen,
        volume=_of_the_volume(house),
        heartbeats=heartbeats,
        boxes=boxes,
        lived_s=time.monotonic() - began_at,
        drained_s=drained_s,
        audit_violations_max=watch.audit_violations_max,
        cpu_s=watch.cpu_s,
        load=watch.load,
    )


def _of_the_volume(house: House) -> str:
    if house.volume is not None:
        return f"the database's files are on a volume of their own: {house.volume.kind}"
    return f"NO VOLUME: the disk can't be filled, so this run is incomplete ({house.no_volume})"


async def _live(plan: Plan, house: House, people: People, say: Callable[[str], None]) -> list[Incident]:
    """People call while one fault comes after the other."""
    planned = strikes(plan, list(FAULTS))
    for_s = (planned[-1].at_s + plan.fault_every_s) if plan.each_once else plan.for_s
    # On a slow machine one waits for the one before it to be mended: each comes all the same, and meets somebody who calls.
    until_s = math.inf if plan.each_once else for_s
    over = asyncio.Event()

    async def live() -> None:
        await people.homes.live(for_s)
        while not over.is_set():
            await people.homes.live(plan.fault_every_s)

    living = asyncio.create_task(live())
    try:
        incidents = await _strike(planned, until_s, house, people, random.Random(plan.seed), say)
        over.set()
        await living
    finally:
        living.cancel()
        with suppress(asyncio.CancelledError):
            await living
    return incidents


async def _strike(
    planned: Sequence[Strike],
    until_s: float,
    house: House,
    people: People,
    rng: random.Random,
    say: Callable[[str], None],
) -> list[Incident]:
    """Each at its time, or once the one before it is mended."""
    began_at, incidents = time.monotonic(), []
    for each in planned:
        await asyncio.sleep(max(0.0, began_at + each.at_s - time.monotonic()))
        if time.monotonic() - began_at > max(until_s, each.at_s):
            break
        try:
            incident = await _inflict(each, house, people, rng)
        except CannotBeMade as reason:
            say(f"{time.monotonic() - began_at:6.1f} s  {each.fault:22} CAN'T BE MADE HERE: {reason}")
            continue
        took_s = incident.ended_at - incident.began_at
        say(
            f"{incident.began_at - began_at:6.1f} s  {each.fault:22} {incident.of:28} {took_s:5.1f} s"
            + (f"  DID NOT BITE, OR WAS NOT MENDED: {incident.trouble}" if incident.trouble else "")
        )
        incidents.append(incident)
    return incidents


async def _inflict(strike: Strike, house: House, people: People, rng: random.Random) -> Incident:
    began_at, of, trouble = time.monotonic(), "", None
    try:
        async with FAULTS[strike.fault](house, people, rng) as of:
            await asyncio.sleep(strike.lasts_s)
    except (AssertionError, OSError, RuntimeError) as error:
        trouble = f"{type(error).__name__}: {error}"
    return Incident(strike.fault, began_at, time.monotonic(), of, trouble)


async def _drain(plan: Plan, house: House, people: People) -> float | None:
    """Until boxes have their receipts and people their alarms, or time is up; how long that took."""
    began_at = time.monotonic()

    async def drained() -> bool:
        try:
            return await people.homes.unstored() == 0 and await books.waiting(house) == 0
        except (OSError, asyncpg.PostgresError):  # TimeoutError, too: it could not be asked just now
            return False

    try:
        await until(drained, plan.drain_max_s, what="everything to be drained")
    except (AssertionError, TimeoutError):
        return None
    return time.monotonic() - began_at


async def _unready(house: House) -> list[str]:
    """Who is not ready, though nothing is done to anybody any more."""
    try:
        await until(house.all_ready, _READY_S, what="all processes to be ready again")
    except (AssertionError, TimeoutError):
        return [each.name for each in house.services.values() if not await each.is_ready()]
    return []


async def _see(
    house: House, people: People, incidents: list[Incident], watch: Watch, generations: int, unready: list[str]
) -> tuple[Seen, int]:
    """And how many heartbeats there are."""
    kept = await _settled(house)
    figures = kept.figures
    violations = await audit_violations(house)
    seen = Seen(
        presses=await people.homes.presses(),
        events=kept.events,
        alarms=kept.alarms,
        told=books.told(people),
        incidents=incidents,
        memory=watch.memory,
        event_log_rows=figures["event_log_rows"],
        audit_violations=violations,
        broken_promises=books.broken_promises(people),
        refusals=people.refused,
        ended_by_themselves=house.ended_by_themselves,
        bad_ends=await house.stop(),
        unready=unready,
        pending_deliveries=figures["pending_deliveries"],
        gaps={name: figures[name] for name in ("session_gaps", "certain_gaps", "hearing_lapses", "blindnesses")},
        takeovers=figures["generations"] - generations,
        not_tried={} if house.no_volume is None else {"disk full": house.no_volume},
    )
    return seen, figures["heartbeats"]


async def _settled(house: House) -> books.Books:
    """Of an instant at which nothing was on its way; if there is none for a while, of the last.

    It was drained, but the service lives on: a box that is called silent, or a channel that fails, is an alarm like others.
    """
    kept: list[books.Books] = []

    async def settled() -> bool:
        kept[:] = [await books.read(house)]
        return kept[0].waiting == 0

    with suppress(AssertionError, TimeoutError):
        await until(settled, _SETTLED_S, what="nothing to be on its way")
    return kept[0] if kept else await books.read(house)
