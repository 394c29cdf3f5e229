"""`telecare rollout …` and `telecare council target`, as somebody at a terminal uses them."""

import pytest

from tests.integration.registry.rollout.life import count, live
from tests.integration.registry.running import Registry
from tests.support.terminal import telecare


async def test_a_councils_target_is_set_and_its_other_figures_stay(registry: Registry) -> None:
    told = {"telecare_users": 9000, "analogue_units": 400, "source": "the council's return", "as_of": "2026-10-01"}
    sources = {"telecare_users": {"source": "the census"}}
    await registry.ops.put("/api/v1/councils/fife", told | {"sources": sources})
    code, out, err = await telecare(
        registry.ops, "council", "target", "fife", "1,200", "--by", "2026-12-31", "--source", "the board"
    )
    assert (code, out, err) == (0, "fife aims at 1,200 live devices by 2026-12-31\n", "")
    council = (await registry.ops.get("/api/v1/councils/fife")).body
    assert {name: council[name] for name in told} == told
    assert (council["target"], council["target_date"]) == (1200, "2026-12-31")
    assert council["sources"] == sources | {"target": {"source": "the board"}}
    assert (await telecare(registry.ops, "council", "target", "fife", "-"))[:2] == (0, "fife has no target\n")
    council = (await registry.ops.get("/api/v1/councils/fife")).body
    assert (council["target"], council["sources"], council["telecare_users"]) == (None, sources, 9000)


async def test_a_target_that_is_none_is_refused_with_what_is_wrong(registry: Registry) -> None:
    for arguments, code, word in (
        (("council", "target", "fife", "many"), 2, "'many' is no number of devices"),
        (("council", "target", "fife", "10", "--by", "soon"), 1, "target_date"),
        (("council", "target", "atlantis", "10"), 1, "atlantis"),
        (("rollout", "target", "0"), 2, "greater than or equal to 1"),
        (("rollout", "target", "10", "--by", "soon"), 1, "target_date"),
    ):
        found, _, err = await telecare(registry.ops, *arguments)
        assert (found, word in err, "Traceback" in err) == (code, True, False), (arguments, err)


async def test_the_programmes_target_is_set_and_shown(registry: Registry) -> None:
    await live(registry, "TC-1")
    await count(registry)
    aimed = await telecare(registry.ops, "rollout", "target", "500", "--by", "2027-01-31", "--source", "the board")
    assert aimed[:2] == (0, "the programme aims at 500 live devices by 2027-01-31\n")
    assert (await telecare(registry.ops, "rollout", "show"))[:2] == (0, "1 live of 500 by 2027-01-31\n")


async def test_the_weeks_are_counted_again_and_come_out_the_same(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELECARE_DATABASE_URL", registry.database.url)
    monkeypatch.setenv("TELECARE_MQTT_URL", "mqtt://127.0.0.1:1")
    await live(registry, "TC-1")
    await live(registry, "TC-2")
    await count(registry)
    weeks = (await registry.ops.get("/api/v1/rollout/history")).body
    code, out, err = await telecare(registry.ops, "rollout", "recount")
    assert (code, err) == (0, "")
    assert out.startswith("forgotten: a running registry counts the weeks again")
    assert "lines of history are not counted yet" in (await telecare(registry.ops, "rollout", "show"))[1]
    await count(registry)
    assert (await registry.ops.get("/api/v1/rollout/history")).body == weeks
    assert "not counted" not in (await telecare(registry.ops, "rollout", "show"))[1]
