"""The rollout week by week: counted once, whatever happens, and the same when it is counted again."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg

from contracts.rota import LONDON
from services.chassis.postgres import Connection
from services.chassis.postgres.pool import connect
from services.registry.rollout.counting import begin_again
from tests.integration.registry.rollout.life import MONDAY, count, hear, live, move, rollout, weeks
from tests.integration.registry.running import Registry

WEEK_S = 7 * 86_400


async def test_each_week_tells_what_was_live_at_its_end_and_how_many_more_that_were(registry: Registry) -> None:
    registry.clock.at = MONDAY
    await live(registry, "TC-1")
    await live(registry, "TC-2", "moray")
    await count(registry)
    registry.clock.advance(2 * WEEK_S)
    await live(registry, "TC-3")
    await move(registry, "TC-1", "suspend")
    await move(registry, "TC-2", "withdraw")
    first, second, third = await weeks(registry)
    assert [each["week"] for each in (first, second, third)] == ["2026-09-07", "2026-09-14", "2026-09-21"]
    assert [(each["live"], each["net_live"], each["complete"]) for each in (first, second, third)] == [
        (2, 2, True),
        (2, 0, True),
        (1, -1, False),
    ]
    assert (third["stages"]["suspended"], third["stages"]["withdrawn"], third["new_homes"]) == (1, 1, 1)
    assert (third["begins"], third["ends"]) == ("2026-09-20T23:00:00Z", "2026-09-27T23:00:00Z")
    (fife,) = [each for each in third["councils"] if each["council_id"] == "fife"]
    assert (fife["live"], fife["net_live"]) == (1, 0)


async def test_a_device_that_is_resumed_is_live_again_and_no_new_home(registry: Registry) -> None:
    registry.clock.at = MONDAY
    await live(registry, "TC-1")
    await count(registry)
    registry.clock.advance(WEEK_S)
    await move(registry, "TC-1", "suspend")
    registry.clock.advance(WEEK_S)
    await move(registry, "TC-1", "resume")
    assert [(each["live"], each["net_live"], each["new_homes"]) for each in await weeks(registry)] == [
        (1, 1, 1),
        (0, -1, 0),
        (1, 1, 0),
    ]


async def test_a_unit_that_stands_in_for_another_is_no_new_home(registry: Registry) -> None:
    registry.clock.at = MONDAY
    await live(registry, "TC-1")
    await count(registry)
    registry.clock.advance(WEEK_S)
    await registry.register("TC-2", "fife")
    answer = await registry.ops.post("/api/v1/devices/TC-1/replace", {"device_id": "TC-2", "reason": "broken"})
    assert answer.status == 200, answer
    await count(registry)
    registry.clock.advance(WEEK_S)
    await move(registry, "TC-2", "go-live", override=True)
    await hear(registry, "TC-2")
    found = await weeks(registry)
    assert [each["live"] for each in found] == [1, 0, 1]
    assert sum(each["new_homes"] for each in found) == 1


async def test_a_device_that_moves_is_the_other_councils_from_then_on(registry: Registry) -> None:
    registry.clock.at = MONDAY
    await live(registry, "TC-1")
    await count(registry)
    registry.clock.advance(WEEK_S)
    await registry.ops.patch("/api/v1/devices/TC-1", {"council_id": "moray"})
    _, second = await weeks(registry)
    assert (second["live"], second["net_live"], second["new_homes"]) == (1, 0, 0)
    assert {each["council_id"]: each["net_live"] for each in second["councils"]} == {"fife": -1, "moray": 1}
    assert [each["live"] for each in await weeks(registry, council="fife")] == [1, 0]


async def test_a_week_begins_at_midnight_in_scotland_whatever_its_clocks_do(registry: Registry) -> None:
    for device, at in (
        ("TC-1", "2026-10-25T23:59:59+00:00"),  # Sunday night; the clocks went back in the morning
        ("TC-2", "2026-10-26T00:00:00+00:00"),
        ("TC-3", "2027-03-28T22:59:59+00:00"),  # Sunday night; they went forward
        ("TC-4", "2027-03-28T23:00:00+00:00"),
    ):
        registry.clock.at = datetime.fromisoformat(at)
        await registry.register(device, "fife")
    found = {each["week"]: each["stages"]["registered"] for each in await weeks(registry)}
    assert (found["2026-10-19"], found["2026-10-26"], found["2027-03-22"], found["2027-03-29"]) == (1, 2, 3, 4)


async def test_the_history_is_paged_and_bounded_by_days_and_asked_wrongly_it_says_what_is_wrong(
    registry: Registry,
) -> None:
    registry.clock.at = MONDAY
    await live(registry, "TC-1")
    await count(registry)
    registry.clock.advance(5 * WEEK_S)
    every = [each["week"] for each in await weeks(registry)]
    assert len(every) == 6
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (
            await registry.ops.get("/api/v1/rollout/history", limit=4, **({"cursor": cursor} if cursor else {}))
        ).body
        seen += [each["week"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen[::-1] == every
    between = await weeks(registry, **{"from": "2026-09-16", "to": "2026-09-23"})
    assert [each["week"] for each in between] == every[1:3]
    assert await weeks(registry, **{"from": "2027-01-01"}) == []
    assert await weeks(registry, council="atlantis") == []
    for query in ({"from": "yesterday"}, {"to": "1066-10-14"}, {"council": "Fife"}, {"format": "pdf"}, {"cursor": "x"}):
        answer = await registry.ops.get("/api/v1/rollout/history", **query)
        assert (answer.status, {each["field"] for each in answer.body["errors"]}) == (422, set(query)), answer


async def test_without_any_history_there_are_no_weeks(registry: Registry) -> None:
    assert await weeks(registry) == []
    assert (await rollout(registry))["outlook"]["forecast"] == {"reason": "too_few_weeks", "state": "cannot_be_said"}


async def test_a_line_that_was_committed_late_is_counted_too(registry: Registry) -> None:
    late = await asyncpg.connect(registry.database.url)
    try:
        async with late.transaction():
            await _appear(late, "TC-LATE", MONDAY)
            await registry.register("TC-2", "fife")
            await count(registry)
            assert [each["stages"]["registered"] for each in await weeks(registry)] == [1]
        await count(registry)
    finally:
        await late.close()
    assert [each["stages"]["registered"] for each in await weeks(registry)][-1] == 2


async def test_of_two_that_count_at_once_each_line_is_counted_once(registry: Registry) -> None:
    for number in range(20):
        await registry.register(f"TC-{number}", "fife")
    loop = next(loop for loop in registry.service.loops if loop.name == "rollout-counting")
    counted = await asyncio.gather(*(loop.run_once() for _ in range(4)))
    assert sum(counted) == 20
    assert [each["stages"]["registered"] for each in await weeks(registry)] == [20]


async def test_a_count_that_fails_half_way_has_counted_nothing_and_is_made_again(registry: Registry) -> None:
    await registry.register("TC-1", "fife")
    await registry.execute("alter table registry.rollout_week add constraint broken check (entered < 0)")
    loop = next(loop for loop in registry.service.loops if loop.name == "rollout-counting")
    try:
        await loop.run_once()
    except asyncpg.CheckViolationError:
        pass
    else:
        raise AssertionError
    await registry.execute("alter table registry.rollout_week drop constraint broken")
    assert [each["stages"]["registered"] for each in await weeks(registry)] == [1]


async def test_counted_as_it_happened_again_from_nothing_and_by_a_plain_reading_the_weeks_are_the_same(
    registry: Registry,
) -> None:
    dice = random.Random(20260907)
    registry.clock.at = MONDAY
    for step in range(400):
        await _something_happens(registry, dice)
        registry.clock.advance(dice.randrange(5 * 3600))
        if step % 7 == 0:
            await count(registry)
    told = await weeks(registry, limit=500)
    assert len(told) > 4
    plain = await _plain_reading(registry)
    for week in told:
        last = date.fromisoformat(week["week"]) + timedelta(days=6)
        there = plain(last)
        assert {stage: n for stage, n in week["stages"].items() if n} == _by_stage(there), week["week"]
        for council in week["councils"]:
            of_council = {place: n for place, n in there.items() if place[0] == council["council_id"]}
            assert {stage: n for stage, n in council["stages"].items() if n} == _by_stage(of_council)
    rows = await _rollup(registry)
    assert await _published(registry) == [(each["week"], each["live"]) for each in told]
    connection = await connect(registry.database.url, name="test", role="telecare_registry")
    try:
        await begin_again(connection)
    finally:
        await connection.close()
    assert (await registry.ops.get("/api/v1/rollout")).body["not_counted_yet"] > 100
    await rollout(registry)  # everything counted, nothing unexplained
    assert await _rollup(registry) == rows


async def _something_happens(registry: Registry, dice: random.Random) -> None:
    devices = [f"TC-{number}" for number in range(25)]
    device = dice.choice(devices)
    found = await registry.ops.get(f"/api/v1/devices/{device}")
    if found.status == 404:
        await registry.register(device, dice.choice(["fife", "moray"]))
        return
    match dice.randrange(4):
        case 0:
            await registry.ops.patch(
                f"/api/v1/devices/{device}", {"council_id": dice.choice(["fife", "moray", "angus"])}
            )
        case 1:
            await hear(registry, device)
        case _:
            name = dice.choice(["go-live", "go-live", "suspend", "resume", "claim", "suspend", "resume", "withdraw"])
            await registry.ops.post(f"/api/v1/devices/{device}/{name}", {"reason": "for this test"})


async def _plain_reading(registry: Registry) -> Any:
    """From every line of history: how many devices of each council and stage there are at the end of a day."""
    lines = await registry.rows(
        "select device_id, at, change, after from registry.device_change order by device_change_id"
    )

    def at_the_end_of(day: date) -> Mapping[tuple[str, str], int]:
        devices: dict[str, dict[str, Any]] = {}
        for line in lines:
            if line["at"].astimezone(LONDON).date() <= day:
                device = devices.setdefault(line["device_id"], {"stage": "registered", "heard": False})
                device |= {key: line["after"][key] for key in ("stage", "council_id") if key in line["after"]}
                device["heard"] |= line["change"] == "heard"
        return Counter(
            (each["council_id"], "unheard" if each["stage"] == "live" and not each["heard"] else each["stage"])
            for each in devices.values()
        )

    return at_the_end_of


def _by_stage(there: Mapping[tuple[str, str], int]) -> Mapping[str, int]:
    stages: Counter[str] = Counter()
    for (_, stage), count_ in there.items():
        stages[stage] += count_
    return dict(stages)


async def _rollup(registry: Registry) -> list[dict[str, Any]]:
    return await registry.rows("select * from registry.rollout_week order by week, council_id, stage")


async def _published(registry: Registry) -> list[tuple[str, int]]:
    """The view, up to the present of the test."""
    rows = await registry.rows(
        "select week, sum(devices) filter (where stage = 'live')::integer as live from registry.rollout_history "
        "where week <= $1 group by week order by week",
        registry.clock.now().date(),
    )
    return [(row["week"].isoformat(), row["live"]) for row in rows]


async def _appear(connection: Connection, device_id: str, at: datetime) -> None:
    await connection.execute(
        "insert into registry.device (device_id, council_id, serial, model, registered_at, changed_at) "
        "values ($1, 'fife', $1, 'm', $2, $2)",
        *(device_id, at),
    )
    await connection.execute(
        "insert into registry.device_change (device_id, at, actor, change, after) values ($1, $2, 'test', 'registered', '{}')",
        *(device_id, at),
    )
