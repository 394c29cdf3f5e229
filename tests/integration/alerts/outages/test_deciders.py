"""Whoever decides about outages, and however often it is killed: each device is a member once, and people are told once."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter

import pytest

from services.alerts.domain.outages.moves import SUSPECTED_FOR
from tests.integration.alerts.outages.conftest import Scotland
from tests.support.deciding import MOVED_AT_ONCE, NAME
from tests.support.servers import Database, until

KILLS = [pytest.param("after", id="between two moves"), pytest.param("before", id="in the middle of a move")]


async def decider(
    scotland: Scotland, database: Database, *death: str, rounds: int = 1, of: str = "moves"
) -> tuple[int, int]:
    """Another process decides; its exit status, and how often it moved members. `of`: what it dies of, moves or calls."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.deciding", database.url, scotland.world.clock.now().isoformat()),
        *(str(rounds), *death, *([of] if death else [])),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    # The server hears of a death only when it listens for the next statement; and others may decide beside it, and be slow.
    await until(lambda: _is_gone(scotland), 60, what="the connections of the process to end")
    return process.returncode or 0, int((said or b"0").split()[-1]) if not process.returncode else 0


async def _is_gone(scotland: Scotland) -> bool:
    alive = "select count(*) from pg_stat_activity where datname = current_database() and application_name = $1"
    return bool(await scotland.world.database.fetchval(alive, f"telecare {NAME}") == 0)


async def members(scotland: Scotland) -> Counter[str]:
    """How often each affected device is some outage's member now: by what it belongs to, and by whose list it is on."""
    rows = await scotland.world.database.fetch(
        "select device_id from alerts.affected where ended_at is null and outage_id is not null "
        "union all select device_id from alerts.outage_member where left_at is null"
    )
    return Counter(row["device_id"] for row in rows)


async def silent(scotland: Scotland, devices: list[str]) -> None:
    """Ingest's verdicts are taken, and nothing is decided yet."""
    await scotland.homes.change(devices)
    while await scotland.world.parts.outages.intake.run_once():
        pass


async def test_two_that_decide_at_once_make_one_outage_and_tell_of_it_once(
    scotland: Scotland, database: Database
) -> None:
    await silent(scotland, scotland.glasgow)
    ends = await asyncio.gather(*(decider(scotland, database, rounds=20) for _ in range(3)))
    assert [status for status, _ in ends] == [0, 0, 0]
    assert sum(moves for _, moves in ends) >= len(scotland.glasgow) / MOVED_AT_ONCE
    await scotland.homes.after(180)
    assert await scotland.homes.open() == [("council_id", "glasgow-city", 240)]
    assert len(await scotland.homes.outages()) == 1
    assert await members(scotland) == Counter(dict.fromkeys(scotland.glasgow, 2))
    assert await scotland.homes.told() == [("clyde-arc", "outage.opened"), ("forth-arc", "outage.opened")]
    assert await scotland.homes.singles() == []


@pytest.mark.parametrize("when", KILLS)
async def test_killed_while_members_join_the_next_goes_on_where_it_was(
    scotland: Scotland, database: Database, when: str
) -> None:
    await silent(scotland, scotland.glasgow)
    for moves in (1, 3, 2):
        before = len(await members(scotland))
        assert (await decider(scotland, database, str(moves), when))[0] == -signal.SIGKILL
        some = len(await members(scotland)) - before
        assert some == MOVED_AT_ONCE * (moves if when == "after" else moves - 1)
        assert await scotland.homes.told() == []
    assert (await decider(scotland, database))[0] == 0
    assert await scotland.homes.open() == [("council_id", "glasgow-city", 240)]
    assert len(await scotland.homes.outages()) == 1
    assert await members(scotland) == Counter(dict.fromkeys(scotland.glasgow, 2))
    assert await scotland.homes.told() == [("clyde-arc", "outage.opened"), ("forth-arc", "outage.opened")]
    await scotland.homes.after(180)
    assert await scotland.homes.singles() == []


@pytest.mark.parametrize("when", KILLS)
async def test_killed_while_one_outage_becomes_part_of_another_nobody_is_lost_between_the_two(
    scotland: Scotland, database: Database, when: str
) -> None:
    homes = scotland.homes
    # Enough others that it is no failure of everything.
    await homes.register(200, sim_operator="23430", council_id="fife", postcode_district="KY1", model="Hub C")
    paisley = list(await homes.register(40, council_id="renfrewshire", postcode_district="PA1", model="Hub C"))
    await scotland.world.route("renfrewshire", "clyde-arc")
    await homes.fall_silent([*paisley, *scotland.inverness])
    assert len(await homes.open()) == 2
    hurt = homes.homes[paisley[5]].device_id
    await scotland.world.database.execute(
        "update alerts.outage_member set contacted_by = 'Morag', contacted_at = now() where device_id = any ($1)",
        [hurt, scotland.inverness[5]],
    )
    scotland.world.clock.move(60)
    await silent(scotland, scotland.glasgow)
    everybody = [*paisley, *scotland.inverness, *scotland.glasgow]
    for moves in (2, 36, 1):
        status, _ = await decider(scotland, database, str(moves), when)
        assert status == -signal.SIGKILL
        held = await scotland.world.database.fetchval("select count(*) from alerts.affected where ended_at is null")
        assert held == len(everybody)
    assert await scotland.world.database.fetchval("select count(*) from alerts.outage where unsorted") == 1
    assert (await decider(scotland, database))[0] == 0
    assert await homes.open() == [("sim_operator", "23410", len(everybody))]
    assert sorted(each["merged_into"] is None for each in await homes.outages()) == [False, True]
    assert await members(scotland) == Counter(dict.fromkeys(everybody, 2))
    news = [type_ for _, type_ in await homes.told()]
    assert news.count("outage.closed") == 1
    asked_after = await scotland.world.database.fetch(
        "select device_id from alerts.outage_member where left_at is null and contacted_by = 'Morag'"
    )
    assert sorted(row["device_id"] for row in asked_after) == sorted([hurt, scotland.inverness[5]])
    await homes.after(180)
    assert await homes.singles() == []


@pytest.mark.parametrize("when", KILLS)
async def test_killed_when_an_outage_had_stalled_people_are_called_once_and_whoever_is_left_is_told_of_in_the_end(
    scotland: Scotland, database: Database, when: str
) -> None:
    homes, left = scotland.homes, scotland.glasgow[:30]
    await homes.fall_silent(scotland.glasgow)
    await homes.return_(scotland.glasgow[30:])
    scotland.world.clock.move(6 * 3600)
    assert (await decider(scotland, database, "1", when, of="calls"))[0] == -signal.SIGKILL
    assert (await decider(scotland, database))[0] == 0
    await homes.settle()
    assert [each[:2] for each in await homes.calls()] == [("glasgow-city", "open")]
    assert await scotland.world.database.fetchval("select count(*) from alerts.alarm_event") == 1
    assert await members(scotland) == Counter(dict.fromkeys(left, 2))

    scotland.world.clock.move(3600)
    await homes.change(left[20:], "ended")
    while await scotland.world.parts.outages.intake.run_once():
        pass
    assert (await decider(scotland, database))[0] == 0
    scotland.world.clock.move(60)
    for moves in (1, 1):
        assert (await decider(scotland, database, str(moves), when))[0] == -signal.SIGKILL
    assert await scotland.world.database.fetchval("select count(*) from alerts.outage where unsorted") == 1
    assert (await decider(scotland, database))[0] == 0
    assert await members(scotland) == Counter()
    await homes.after(SUSPECTED_FOR.total_seconds())
    assert await homes.singles() == left[:20]
    assert [each[:2] for each in await homes.calls()] == [("glasgow-city", "closed")]
    assert Counter(await homes.told())[("clyde-arc", "outage.closed")] == 1
    assert len(await homes.outages()) == 1


@pytest.mark.parametrize("when", KILLS)
async def test_killed_after_an_outage_was_closed_whoever_is_still_silent_is_told_of_all_the_same(
    scotland: Scotland, database: Database, when: str
) -> None:
    homes = scotland.homes
    await homes.fall_silent(scotland.glasgow)
    await homes.after(3600)
    stay, back = scotland.glasgow[:20], scotland.glasgow[20:]
    await homes.return_(back)
    scotland.world.clock.move(60)
    for moves in (1, 1):
        assert (await decider(scotland, database, str(moves), when))[0] == -signal.SIGKILL
    assert await scotland.world.database.fetchval("select count(*) from alerts.outage where unsorted") == 1
    assert await homes.open() == []
    assert (await decider(scotland, database))[0] == 0
    assert await scotland.world.database.fetchval("select count(*) from alerts.outage where unsorted") == 0
    assert await members(scotland) == Counter()
    await homes.after(SUSPECTED_FOR.total_seconds())
    assert await homes.singles() == stay
    assert Counter(await homes.told())[("clyde-arc", "outage.closed")] == 1
