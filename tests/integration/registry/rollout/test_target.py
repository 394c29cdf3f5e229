"""What the programme aims at: set by ops, never forgotten; and when it will be there."""

from datetime import timedelta

from tests.integration.registry.rollout.life import MONDAY, count, live, rollout
from tests.integration.registry.running import Registry, fields, refused

TARGET = "/api/v1/rollout/target"


async def test_the_target_is_a_thousand_until_somebody_sets_another_and_who_did_is_kept(registry: Registry) -> None:
    first = (await registry.ops.get(TARGET)).body
    assert (first["target"], first["target_date"], first["set_by"]) == (1000, None, "telecare")
    wanted = {"target": 1500, "target_date": "2026-12-31", "source": "programme board, November"}
    answer = await registry.ops.put(TARGET, wanted)
    assert answer.status == 200
    assert (answer.body["target"], answer.body["set_by"]) == (1500, "bootstrap")
    again = await registry.ops.put(TARGET, wanted)
    assert again.body == answer.body
    assert [each["target"] for each in again.body["history"]] == [1500, 1000]
    figures = await rollout(registry)
    assert (figures["target"], figures["target_date"], figures["target_source"]) == (
        1500,
        "2026-12-31",
        "programme board, November",
    )


async def test_a_target_that_makes_no_sense_is_refused_naming_the_field(registry: Registry) -> None:
    for field, value in (
        ("target", 0),
        ("target", "many"),
        ("target_date", "soon"),
        ("source", ""),
        ("date", "2027-01-01"),
    ):
        problem = refused(await registry.ops.put(TARGET, {"target": 1000, field: value}), 422)
        assert fields(problem) == {field}


async def test_the_forecast_comes_from_the_last_weeks_and_is_held_against_both_days(registry: Registry) -> None:
    registry.clock.at = MONDAY
    await registry.ops.put(TARGET, {"target": 40, "target_date": "2026-12-15"})
    made = 0
    for week in range(9):
        for _ in range((2, 4, 3)[week % 3]):
            made += 1
            await live(registry, f"TC-{made}")
        await count(registry)
        registry.clock.at = MONDAY + timedelta(weeks=week + 1)
    figures = await rollout(registry)
    outlook = figures["outlook"]
    assert figures["live"] == made == 27
    assert outlook["rate"] == {"per_week": 25 / 8, "spread": (25 / 8) ** 0.5, "weeks": 8}
    expected = outlook["forecast"]
    assert expected["state"] == "expected"
    assert registry.clock.now().date().isoformat() < expected["earliest"] < expected["likely"] < expected["latest"]
    assert expected["likely"] == "2026-12-09"  # 13 are missing, at 3.125 a week
    assert (outlook["by_target_date"], outlook["by_switch_off"]) == ("probably_before", "before")
    assert (outlook["switch_off"], outlook["days_to_switch_off"]) == ("2027-01-31", 83)
    foreseen = outlook["foreseen"]  # by the five weeks before the last four
    assert foreseen["weeks_ago"] == 4
    assert foreseen["low"] <= 27 <= foreseen["high"]


async def test_a_target_that_is_reached_is_reached(registry: Registry) -> None:
    await registry.ops.put(TARGET, {"target": 1})
    await live(registry, "TC-1")
    assert (await rollout(registry))["outlook"]["forecast"] == {"state": "reached"}
