"""A tick follows its member into the outage that its own became part of; and a member is on the list of the council it lives in."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.ids import HubId
from services.alerts.domain.outages.census import Trait
from services.alerts.domain.outages.find import Finding
from services.alerts.http.asker import Scope
from services.alerts.outages import reading, store
from services.alerts.outages.sql import DECIDING, QUERIES
from services.alerts.outages.worklist import worklist
from services.chassis.postgres import Connection
from tests.integration.alerts.outages.conftest import Scotland, until_one_waits

EVERYBODY = Scope(None, None)


@pytest.fixture
async def merged(scotland: Scotland) -> tuple[UUID, UUID]:
    """Inverness has become part of the operator's outage this moment; its members are its own still. Both outages."""
    await scotland.homes.fall_silent(scotland.inverness)
    ((part,),) = await scotland.world.database.fetch("select outage_id from alerts.outage")
    finding = Finding(trait=Trait("sim_operator", "23410"), cases=280, devices=280, log_p=-900, log_ratio=100)
    async with scotland.world.parts.pool.acquire() as connection, connection.transaction():
        now = scotland.world.clock.now()
        whole = await store.begin(connection, "silent", finding, now)
        assert whole is not None
        assert await store.merge(connection, part, whole, now) is not None
    return part, whole


async def tick(scotland: Scotland, connection: Connection, outage_id: UUID, device_id: str, who: str = "Morag") -> Any:
    now = scotland.world.clock.now()
    return await reading.contacted(connection, outage_id, device_id, EVERYBODY, operator=who, note="at home", now=now)


async def sort_out(scotland: Scotland, connection: Connection) -> None:
    await store.sort_out(connection, "silent", scotland.world.clock.now())


async def ticks(scotland: Scotland, outage_id: UUID) -> list[tuple[str, str, str]]:
    rows = await scotland.world.database.fetch(
        "select device_id, contacted_by, note from alerts.outage_member where outage_id = $1 and contacted_at is not null",
        outage_id,
    )
    return [tuple(row) for row in rows]


async def test_a_tick_on_the_outage_that_is_part_of_another_is_one_on_that(
    scotland: Scotland, merged: tuple[UUID, UUID]
) -> None:
    part, whole = merged
    async with scotland.world.parts.pool.acquire() as connection:
        await sort_out(scotland, connection)
        assert await tick(scotland, connection, part, scotland.inverness[3]) is not None
        assert await ticks(scotland, whole) == [(scotland.inverness[3], "Morag", "at home")]
        assert (
            await tick(scotland, connection, part, scotland.inverness[3], "Ailsa") is not None
        )  # the last word stands
    assert await ticks(scotland, whole) == await ticks(scotland, part) == [(scotland.inverness[3], "Ailsa", "at home")]


async def test_it_follows_through_however_many(scotland: Scotland, merged: tuple[UUID, UUID]) -> None:
    part, whole = merged
    finding = Finding(trait=Trait("network", "lte"), cases=280, devices=280, log_p=-900, log_ratio=100)
    async with scotland.world.parts.pool.acquire() as connection:
        await sort_out(scotland, connection)
        wider = await store.begin(connection, "silent", finding, scotland.world.clock.now())
        assert wider is not None
        await store.merge(connection, whole, wider, scotland.world.clock.now())
        await connection.execute("update alerts.affected set network = 'lte'")
        await sort_out(scotland, connection)
        await tick(scotland, connection, part, scotland.inverness[3])
    assert await ticks(scotland, wider) == [(scotland.inverness[3], "Morag", "at home")]


async def test_a_tick_at_the_moment_when_its_member_moves_goes_with_it(
    scotland: Scotland, merged: tuple[UUID, UUID]
) -> None:
    part, whole = merged
    pool = scotland.world.parts.pool
    async with pool.acquire() as ticking, pool.acquire() as deciding:
        async with ticking.transaction():
            await tick(scotland, ticking, part, scotland.inverness[3])
            moving = asyncio.create_task(sort_out(scotland, deciding))
            await until_one_waits(scotland)
        await moving
    assert await ticks(scotland, whole) == [(scotland.inverness[3], "Morag", "at home")]


async def test_a_tick_that_waits_for_its_member_to_move_finds_it_there(
    scotland: Scotland, merged: tuple[UUID, UUID]
) -> None:
    part, whole = merged
    pool = scotland.world.parts.pool
    async with pool.acquire() as ticking, pool.acquire() as deciding:
        async with deciding.transaction():
            await sort_out(scotland, deciding)

            async def say() -> None:
                async with ticking.transaction():
                    await tick(scotland, ticking, part, scotland.inverness[3])

            saying = asyncio.create_task(say())
            await until_one_waits(scotland)
        await saying
    assert await ticks(scotland, whole) == [(scotland.inverness[3], "Morag", "at home")]


@pytest.mark.parametrize("who", ["somebody who ticks it off", "whoever decides"])
async def test_a_device_s_rows_are_locked_in_one_order_by_whoever_ticks_it_off_and_by_whoever_moves_it(
    scotland: Scotland, merged: tuple[UUID, UUID], who: str
) -> None:
    """Each locked the row first that the other wanted next, and the server ended one of the two."""
    (part, whole), device, pool = merged, scotland.inverness[3], scotland.world.parts.pool
    await scotland.world.database.execute(
        "insert into alerts.outage_member (outage_id, device_id, council_id, since, joined_at, left_at) "
        "values ($1, $2, 'highland', $3, $3, $3)",
        *(whole, device, scotland.world.clock.now() - timedelta(hours=2)),
    )
    first, last = sorted(merged)
    hold = "select from alerts.outage_member where outage_id = $1 and device_id = $2 for update"
    async with pool.acquire() as holding, pool.acquire() as other:
        async with holding.transaction():
            await holding.execute(hold, first, device)
            does = sort_out(scotland, other) if who == "whoever decides" else _ticked(scotland, other, last, device)
            doing = asyncio.create_task(does)
            await until_one_waits(scotland)
            await holding.execute(hold, last, device)
        await doing
    if who != "whoever decides":
        assert await ticks(scotland, whole) == await ticks(scotland, part) == [(device, "Morag", "at home")]


async def _ticked(scotland: Scotland, connection: Connection, outage_id: UUID, device: str) -> None:
    async with connection.transaction():
        await tick(scotland, connection, outage_id, device)


async def test_a_tick_on_somebody_else_s_member_follows_nowhere(scotland: Scotland, merged: tuple[UUID, UUID]) -> None:
    part, whole = merged
    now, theirs = scotland.world.clock.now(), Scope(HubId("clyde-arc"), None)
    async with scotland.world.parts.pool.acquire() as connection:
        await sort_out(scotland, connection)
        said = await reading.contacted(
            connection, part, scotland.inverness[3], theirs, operator="Ailsa", note=None, now=now
        )
    assert said is None
    assert await ticks(scotland, whole) == []


async def _named_anew(scotland: Scotland, connection: Connection, outage_id: UUID) -> UUID:
    """The outage is an operator's now that Inverness is not of; its members leave it, and are a new one's. That one."""
    now = scotland.world.clock.now()
    other = Finding(trait=Trait("sim_operator", "23415"), cases=60, devices=60, log_p=-900, log_ratio=100)
    district = Finding(trait=Trait("postcode_district", "IV1"), cases=40, devices=40, log_p=-900, log_ratio=100)
    await store.rename(connection, outage_id, other)
    await sort_out(scotland, connection)
    new = await store.begin(connection, "silent", district, now)
    assert new is not None
    assert await store.join(connection, new, now) == len(scotland.inverness)
    return new


@pytest.mark.parametrize("later", [False, True])
async def test_a_tick_is_seen_where_its_member_is_when_its_outage_has_another_name(
    scotland: Scotland, later: bool
) -> None:
    await scotland.homes.fall_silent(scotland.inverness)
    ((old,),) = await scotland.world.database.fetch("select outage_id from alerts.outage")
    scotland.world.clock.move(60)
    async with scotland.world.parts.pool.acquire() as connection:
        if not later:
            await tick(scotland, connection, old, scotland.inverness[3])
        new = await _named_anew(scotland, connection, old)
        if later:
            await tick(scotland, connection, old, scotland.inverness[3])
    assert await ticks(scotland, new) == [(scotland.inverness[3], "Morag", "at home")]


async def test_a_tick_is_seen_in_the_outage_that_opens_again_of_whoever_was_never_well(scotland: Scotland) -> None:
    homes, database = scotland.homes, scotland.world.database
    await homes.fall_silent(scotland.glasgow)
    await homes.after(3600)
    ((old,),) = await database.fetch("select outage_id from alerts.outage")
    stays, returns = scotland.glasgow[:10], scotland.glasgow[10:]
    async with scotland.world.parts.pool.acquire() as connection:
        for device in (stays[3], returns[3]):
            await tick(scotland, connection, old, device)
    await homes.return_(returns)
    await homes.after(60)
    assert await homes.open() == []
    await homes.fall_silent(returns)
    ((new,),) = await database.fetch("select outage_id from alerts.outage where closed_at is null")
    assert new != old
    # Who was well in between is to be asked after anew.
    assert await ticks(scotland, new) == [(stays[3], "Morag", "at home")]
    async with scotland.world.parts.pool.acquire() as connection:
        for device in (stays[4], returns[4]):
            await tick(scotland, connection, old, device)
    expected = (stays[3], stays[4], returns[4])  # whoever is asked after now is, by whichever list
    assert sorted(await ticks(scotland, new)) == [(each, "Morag", "at home") for each in expected]


async def test_who_is_silent_again_after_a_while_is_to_be_asked_after_again_though_it_is_the_same_outage(
    scotland: Scotland,
) -> None:
    homes = scotland.homes
    await homes.fall_silent(scotland.glasgow)
    await homes.after(3600)
    ((outage,),) = await scotland.world.database.fetch("select outage_id from alerts.outage")
    stays, returns = scotland.glasgow[3], scotland.glasgow[4:8]
    async with scotland.world.parts.pool.acquire() as connection:
        for device in (stays, returns[0]):
            await tick(scotland, connection, outage, device)
    await homes.return_(returns)
    await homes.after(600)
    assert sorted(await ticks(scotland, outage)) == [(each, "Morag", "at home") for each in (stays, returns[0])]
    await homes.fall_silent(returns)
    assert await scotland.world.database.fetchval("select count(*) from alerts.outage") == 1
    assert await ticks(scotland, outage) == [(stays, "Morag", "at home")]
    again = await scotland.world.database.fetch(
        "select since > joined_at as later, left_at from alerts.outage_member where device_id = any ($1)", returns
    )
    assert [tuple(row) for row in again] == [(True, None)] * len(returns)


async def test_who_is_asked_after_in_the_moment_before_it_is_a_member_again_has_been(scotland: Scotland) -> None:
    homes, room, device = scotland.homes, scotland.world.parts.outages, scotland.glasgow[4]
    await homes.fall_silent(scotland.glasgow)
    ((outage,),) = await scotland.world.database.fetch("select outage_id from alerts.outage")
    await homes.after(60)
    await homes.return_([device])
    await homes.after(600)
    await homes.change([device])
    while await room.intake.run_once():
        pass
    async with scotland.world.parts.pool.acquire() as connection:
        await tick(scotland, connection, outage, device)
    await homes.settle()
    row = await scotland.world.database.fetchrow(
        "select left_at, contacted_by from alerts.outage_member where device_id = $1", device
    )
    assert row is not None
    assert tuple(row) == (None, "Morag")


async def test_what_was_said_before_it_was_well_is_not_said_of_the_member_that_comes_from_a_part(
    scotland: Scotland, merged: tuple[UUID, UUID]
) -> None:
    part, whole = merged
    before, now_said = scotland.inverness[3], scotland.inverness[4]
    await scotland.world.database.execute(
        "insert into alerts.outage_member "
        "(outage_id, device_id, council_id, since, joined_at, left_at, contacted_by, contacted_at, note) "
        "select $1, d, 'highland', $3, $3, $3, 'Isla', $3, 'away' from unnest($2::text[]) d",
        *(whole, [before, now_said], scotland.world.clock.now() - timedelta(hours=2)),
    )
    async with scotland.world.parts.pool.acquire() as connection:
        await tick(scotland, connection, part, now_said)
        await sort_out(scotland, connection)
    assert await ticks(scotland, whole) == [(now_said, "Morag", "at home")]


async def listed(scotland: Scotland, outage_id: UUID, hub: str) -> dict[str, tuple[str, str]]:
    """Council and district of each device on the worklist of a hub."""
    scope = Scope(HubId(hub), None)
    pieces = [piece async for piece in worklist(scotland.world.parts.reading, outage_id, scope)]
    rows = csv.DictReader(io.StringIO(b"".join(pieces).decode().lstrip("\ufeff")))
    return {row["device_id"]: (row["council_id"], row["postcode_district"]) for row in rows}


@pytest.mark.parametrize("over", [False, True])
async def test_a_member_that_moves_is_on_the_list_of_its_new_council_and_on_no_other(
    scotland: Scotland, over: bool
) -> None:
    homes, database = scotland.homes, scotland.world.database
    await homes.fall_silent(scotland.glasgow)
    if over:
        await homes.return_(scotland.glasgow)
        await homes.after(60)
        assert await homes.open() == []
    ((outage_id,),) = await database.fetch("select outage_id from alerts.outage")
    moved = scotland.glasgow[7]
    await database.execute(
        "update registry.device set council_id = 'highland', postcode_district = 'IV51' where device_id = $1", moved
    )
    follow = scotland.world.parts.outages.relocation.follow
    assert [await follow() for _ in range(2)] == [1, 0]
    assert await listed(scotland, outage_id, "highland-arc") == {moved: ("highland", "IV51")}
    stayed = {each: ("glasgow-city", "G12") for each in scotland.glasgow if each != moved}
    assert await listed(scotland, outage_id, "clyde-arc") == stayed
    async with scotland.world.parts.reading.acquire() as connection:
        found = await reading.outage(connection, outage_id, Scope(HubId("highland-arc"), None))
    assert found is not None
    assert (found.members, found.view.councils) == (1, ["glasgow-city", "highland"])


async def test_whoever_moves_while_others_join_is_counted_with_them(scotland: Scotland) -> None:
    """Two that count at once: the slower one wrote the councils that it had seen, and the hub of the last one saw no list."""
    homes, database, pool = scotland.homes, scotland.world.database, scotland.world.parts.pool
    await homes.fall_silent(scotland.glasgow)
    ((outage_id,),) = await database.fetch("select outage_id from alerts.outage")
    await database.execute(
        "update registry.device set council_id = 'highland' where device_id = $1", scotland.glasgow[7]
    )
    async with pool.acquire() as deciding:
        async with deciding.transaction():
            await deciding.fetchval(QUERIES["one_at_a_time"], DECIDING)
            await deciding.execute(
                "insert into alerts.outage_member (outage_id, device_id, council_id, joined_at) values ($1, 'M-1', 'moray', now())",
                outage_id,
            )
            await store.counted(deciding, outage_id)
            moving = asyncio.create_task(scotland.world.parts.outages.relocation.follow())
            await until_one_waits(scotland)
        assert await moving == 1
    (outage,) = await homes.outages()
    assert sorted(outage["councils"]) == ["glasgow-city", "highland", "moray"]


async def test_a_list_that_nobody_works_on_any_more_stays_as_it_was(scotland: Scotland) -> None:
    homes, database = scotland.homes, scotland.world.database
    await homes.fall_silent(scotland.skye)
    await homes.return_(scotland.skye)
    await homes.after(60)
    scotland.world.clock.move(86_400)
    await database.execute("update registry.device set council_id = 'glasgow-city'")
    assert await scotland.world.parts.outages.relocation.follow() == 0
    assert await database.fetchval("select count(*) from alerts.outage_member where council_id = 'highland'") == 20
