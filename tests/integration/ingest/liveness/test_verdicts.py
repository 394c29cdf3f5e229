"""A verdict as it is stored: what alerts is told of it, to the letter; found where it was seen; and of nobody else."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.condition import ConditionChange, Turn
from contracts.ids import CouncilId, DeviceId, EventId
from services.ingest.domain.liveness import FLAPPING_SILENCES, Verdict
from services.ingest.liveness import loops, sweep, verdicts
from services.ingest.liveness.sql import QUERIES
from services.ingest.liveness.verdicts import Found
from tests.integration.ingest.liveness.test_sweepers import a_crowd
from tests.integration.ingest.liveness.watch import NOW, Watch

ANYWHERE = ((0, 0), (1000, 0))
LATER = NOW + timedelta(days=1)
BEGUN = Verdict(silent=True, returned_at=None, silences=1, first_silence_at=NOW)
READINGS = {"network": "lte", "cell_id": "310-2231", "firmware": "4.2.1", "sim_operator": "23415"}


async def due(watch: Watch) -> dict[str, Any]:
    """All that are watched and not silent, as the sweep sees them."""
    rows = await watch.database.fetch(QUERIES["due"], *ANYWHERE, [LATER] * 9, [], 1000)
    return {row["device_id"]: row for row in rows}


async def logged(watch: Watch) -> list[str]:
    rows = await watch.database.fetch("select body::text from chassis.event_log where stream = 'conditions'")
    return [row["body"] for row in rows]


def change(device_id: str, version: int, turn: Turn, **more: Any) -> ConditionChange:
    """As whoever reads it has it."""
    return ConditionChange(
        change_id=EventId(str(uuid.uuid5(uuid.UUID(bytes=verdicts._CHANGES), f"{device_id} silent {version}"))),
        device_id=DeviceId(device_id),
        council_id=CouncilId("glasgow-city"),
        condition="silent",
        turn=turn,
        version=version,
        **{"model": "Careline 3", "sim_operator": "23410", "postcode_district": "G12"} | more,
    )


async def told(watch: Watch, expected: ConditionChange) -> None:
    """Nothing but that, and every field of it by its name, those that are null as well."""
    [body] = await logged(watch)
    assert ConditionChange.from_json(body) == expected
    assert json.loads(body).keys() == json.loads(expected.to_json()).keys()
    await watch.told()


async def test_alerts_is_told_all_that_is_known_of_a_device_that_fell_silent_and_of_its_return(watch: Watch) -> None:
    await watch.register("TC-1")
    watch.clock.move(seconds=0.25)
    await watch.hear("TC-1", **READINGS)
    heard_at = watch.clock.now()
    watch.clock.move(seconds=601)
    await _pass(watch)
    await told(watch, change("TC-1", 1, "began", at=watch.clock.now(), since=heard_at, **READINGS))
    await watch.hear("TC-1", **READINGS | {"cell_id": "310-9"})
    await _pass(watch)
    now = watch.clock.now()
    await told(watch, change("TC-1", 2, "ended", at=now, since=now, **READINGS | {"cell_id": "310-9"}))


async def test_alerts_is_told_what_is_not_known_as_null(watch: Watch) -> None:
    """Of a device that was never heard, and is watched no more when that is over."""
    await watch.register("TC-1")
    await watch.change("TC-1", sim_operator=None, postcode_district=None)
    watch.clock.move(seconds=601)
    await _pass(watch)
    nothing = {"since": None, "sim_operator": None, "postcode_district": None}
    await told(watch, change("TC-1", 1, "began", at=watch.clock.now(), **nothing))
    await watch.change("TC-1", stage="suspended")
    await _pass(watch)
    await told(watch, change("TC-1", 2, "ended", at=watch.clock.now(), watched=False, **nothing))


@pytest.mark.parametrize("silences", [FLAPPING_SILENCES - 1, FLAPPING_SILENCES])
async def test_alerts_is_told_that_a_device_flaps_by_the_rule(watch: Watch, silences: int) -> None:
    await watch.register("TC-1")
    verdict = Verdict(silent=True, returned_at=None, silences=silences, first_silence_at=NOW)
    assert await store(watch, (await due(watch))["TC-1"], verdict) == {"began": 1}
    [body] = await logged(watch)
    assert ConditionChange.from_json(body).flapping is verdict.flapping


async def test_a_verdict_that_turns_nothing_is_stored_and_told_to_nobody(watch: Watch) -> None:
    """A device that flaps is heard again: it must prove itself first."""
    await watch.register("TC-1")
    row = (await due(watch))["TC-1"]
    assert await store(watch, row, Verdict(silent=False, returned_at=None, silences=2, first_silence_at=NOW)) == {}
    assert (await watch.row("TC-1"))["silences"] == 2
    assert (await watch.row("TC-1"))["verdict_version"] == 1
    assert await logged(watch) == []


async def test_a_verdict_on_a_row_that_is_another_device_s_by_now_is_nobodys(watch: Watch) -> None:
    """The place at which a device was seen may have been cleared, and used again."""
    await watch.register("TC-1", "TC-2")
    rows = await due(watch)
    assert await store(watch, dict(rows["TC-1"]) | {"place": rows["TC-2"]["place"]}, BEGUN) == {}
    assert await watch.silent() == set()
    assert await store(watch, rows["TC-1"], BEGUN) == {"began": 1}
    assert await watch.silent() == {"TC-1"}


@pytest.mark.parametrize(
    "changed", ["last_heard_at = $1", "watched_since = $1", "verdict_version = verdict_version + 1"]
)
async def test_a_verdict_on_what_has_changed_since_is_not_stored(watch: Watch, changed: str) -> None:
    """Nor is one that is told of where the row is by now, for it is what was seen of it that was judged."""
    await watch.register("TC-1")
    before = (await due(watch))["TC-1"]
    watch.clock.move(seconds=1)
    arguments = [watch.clock.now()] if "$1" in changed else []
    await watch.database.execute(f"update ingest.liveness set {changed}", *arguments)
    watch.clock.move(seconds=1)
    after = (await due(watch))["TC-1"]
    assert after["place"] != before["place"]
    assert await store(watch, before, BEGUN) == {}
    assert await store(watch, dict(before) | {"place": after["place"]}, BEGUN) == {}
    assert await watch.silent() == set()
    assert await store(watch, after, BEGUN) == {"began": 1}


async def test_a_verdict_is_found_where_it_was_seen_and_not_by_an_index(watch: Watch) -> None:
    await a_crowd(watch, 20_000)
    await watch.database.execute("analyze ingest.liveness")
    watch.clock.move(seconds=1)
    found = [Found(row, BEGUN) for row in (await due(watch)).values()][
        :100
    ]  # for so many of so few it reads no whole table

    class Explained:
        """A connection that says how it would do what it is asked."""

        async def fetch(self, query: str, *arguments: object) -> list[Any]:
            plan = "\n".join(row[0] for row in await watch.database.fetch(f"explain {query}", *arguments))
            raise AssertionError(plan)

    with pytest.raises(AssertionError) as explained:
        await verdicts.store(Explained(), found, watch.clock.now())  # type: ignore[arg-type]
    assert str(explained.value).count("Tid Scan on liveness") == 2
    assert "Seq Scan on liveness" not in str(explained.value)


@given(st.text(min_size=1, max_size=64), st.integers(0, 2**31 - 1))
def test_the_id_of_a_change_is_the_uuid_of_its_name(device_id: str, version: int) -> None:
    name = f"{device_id} silent {version}"
    assert verdicts.change_id(device_id, "silent", version) == str(uuid.uuid5(uuid.UUID(bytes=verdicts._CHANGES), name))


async def store(watch: Watch, row: Any, verdict: Verdict) -> dict[Turn, int]:
    async with watch.pool.acquire() as connection:
        return await verdicts.store(connection, [Found(row, verdict)], watch.clock.now())


async def _pass(watch: Watch) -> None:
    await watch.database.execute("update chassis.shard set heard_until = $1", watch.clock.now())
    await watch.sweep.run_once()


@pytest.mark.parametrize("rows_max", [10, 999, 1000])
async def test_of_few_and_of_many_that_are_due_each_is_told_of_once(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    """A few are read by their places; more, some at a time, by reading their pages again."""
    monkeypatch.setattr(sweep, "_ROWS_MAX", rows_max)
    await a_crowd(watch)
    assert await watch.look() == []
    watch.clock.move(seconds=601)
    told_of = Counter(each.device_id for each in await watch.look())
    assert told_of == {f"TC-{n}": 1 for n in range(1, 1001)}
    assert await watch.look() == []


@pytest.mark.parametrize("rows_max", [1, 1000])
async def test_whose_row_is_moved_while_it_is_looked_at_is_told_of_by_the_next_pass(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    """Something else was written down of the device, and it was not heard: no pass may take it for one that was."""
    monkeypatch.setattr(sweep, "_ROWS_MAX", rows_max)
    await watch.register("TC-1", "TC-2")
    due_ = sweep.Sweep._due

    async def moved(*arguments: Any) -> AsyncIterator[list[Any]]:
        await watch.database.execute("update ingest.liveness set mains = true where device_id = 'TC-1'")
        await watch.database.execute("delete from ingest.liveness where device_id = 'TC-2'")
        async for rows in due_(*arguments):
            yield rows

    watch.clock.move(seconds=601)
    with monkeypatch.context() as patched:
        patched.setattr(sweep.Sweep, "_due", moved)
        first = await watch.look()
    assert [each.device_id for each in first + await watch.look()] == ["TC-1"]


async def test_a_pass_begins_two_seconds_after_the_last_began_and_after_a_rest(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it took, and whether or not it failed."""
    loop = loops.Passes(watch.sweep).loop
    monkeypatch.setattr(loops, "EVERY_S", 1000.0)
    await loop.run_once()
    assert 900 < loop.every_s < 1000
    monkeypatch.setattr(loops, "EVERY_S", 0.0)  # it takes longer than that
    await watch.pool.close()
    with pytest.raises(asyncpg.InterfaceError):
        await loop.run_once()
    assert loop.every_s == loops._REST_S
