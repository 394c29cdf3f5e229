"""Who takes a council's alarms, by which policy, and which policies there were."""

import asyncio
import copy
import json
from typing import Any

import pytest

from contracts.policy import DEFAULT_POLICY, DEFAULT_POLICY_ID, Policy
from tests.integration.registry.running import NOW, Registry, fields, refused

MORAY = "/api/v1/councils/moray"
DEFAULT: dict[str, Any] = DEFAULT_POLICY.model_dump(mode="json")


def with_repeat(seconds: int) -> dict[str, Any]:
    policy = copy.deepcopy(DEFAULT)
    policy["life"]["repeat_every_s"] = seconds
    return policy


async def test_the_policy_that_the_migration_lays_down_is_the_default_of_the_contract(registry: Registry) -> None:
    (row,) = await registry.rows("select policy_id, council_id, body::text as body from registry.policy_directory")
    assert (row["policy_id"], row["council_id"]) == (DEFAULT_POLICY_ID, None)
    assert Policy.model_validate_json(row["body"]) == DEFAULT_POLICY


async def test_a_council_has_the_default_policy_until_it_has_its_own(registry: Registry) -> None:
    routing = (await registry.ops.get(f"{MORAY}/routing")).body
    assert (routing["council_id"], routing["hubs"], routing["technical_hub"]) == ("moray", [], None)
    assert routing["policy"] == DEFAULT
    assert (routing["policy_version"]["policy_id"], routing["policy_version"]["default"]) == (DEFAULT_POLICY_ID, True)
    assert (await registry.ops.get(f"{MORAY}/policies")).body == {"items": [], "next": None}


async def test_every_policy_is_a_new_version_that_says_who_and_when_and_the_same_again_is_none(
    registry: Registry,
) -> None:
    await registry.make_hub("moray-arc", "moray")
    warden = await registry.caller("ops")
    first = (await registry.ops.put(f"{MORAY}/routing", {"policy": with_repeat(90)})).body
    registry.clock.advance(60)
    second = (await warden.put(f"{MORAY}/routing", {"hubs": ["moray-arc"], "policy": with_repeat(45)})).body
    again = (await registry.ops.put(f"{MORAY}/routing", {"policy": with_repeat(45)})).body

    assert [each["policy_version"]["version"] for each in (first, second, again)] == [1, 2, 2]
    assert again == second == (await registry.ops.get(f"{MORAY}/routing")).body
    assert (second["hubs"], second["policy"]["life"]["repeat_every_s"]) == (["moray-arc"], 45)
    history = (await registry.ops.get(f"{MORAY}/policies")).body["items"]
    assert [(each["version"], each["created_by"], each["default"]) for each in history] == [
        (2, "the ops", False),
        (1, "bootstrap", False),
    ]
    assert [each["policy"]["life"]["repeat_every_s"] for each in history] == [45, 90]
    assert history[1]["created_at"] == NOW.isoformat().replace("+00:00", "Z")
    paged = await registry.ops.get(f"{MORAY}/policies", limit=1)
    rest = await registry.ops.get(f"{MORAY}/policies", limit=1, cursor=paged.body["next"])
    assert (paged.body["items"] + rest.body["items"], rest.body["next"]) == (history, None)


async def test_policies_laid_down_at_the_same_time_are_numbered_one_after_the_other(registry: Registry) -> None:
    seconds = (45, 50, 55, 65, 70)
    answers = await asyncio.gather(
        *(registry.ops.put(f"{MORAY}/routing", {"policy": with_repeat(each)}) for each in (*seconds, 45))
    )
    assert {answer.status for answer in answers} == {200}
    history = (await registry.ops.get(f"{MORAY}/policies")).body["items"]
    versions = [each["version"] for each in reversed(history)]
    assert versions == list(range(1, len(history) + 1))
    assert {each["policy"]["life"]["repeat_every_s"] for each in history} == set(seconds)


async def test_the_default_given_as_ones_own_makes_no_version_until_there_is_another(registry: Registry) -> None:
    for policy in (DEFAULT, None):
        assert (await registry.ops.put(f"{MORAY}/routing", {"policy": policy})).body["policy_version"]["default"]
    await registry.ops.put(f"{MORAY}/routing", {"policy": with_repeat(90)})
    back = (await registry.ops.put(f"{MORAY}/routing", {"policy": None})).body
    assert (back["policy"], back["policy_version"]["version"]) == (DEFAULT, 2)


async def test_one_councils_policy_is_no_others(registry: Registry) -> None:
    await registry.ops.put(f"{MORAY}/routing", {"policy": with_repeat(90)})
    assert (await registry.ops.get("/api/v1/councils/fife/routing")).body["policy"] == DEFAULT


async def test_what_is_left_out_of_a_routing_stays_and_an_answer_can_be_sent_back(registry: Registry) -> None:
    await registry.make_hub("moray-arc")
    await registry.make_hub("workshop")
    whole = {"hubs": ["moray-arc"], "technical_hub": "workshop", "policy": with_repeat(90)}
    made = (await registry.ops.put(f"{MORAY}/routing", whole)).body
    assert (await registry.ops.put(f"{MORAY}/routing", {"hubs": ["moray-arc"]})).body == made
    assert (await registry.ops.put(f"{MORAY}/routing", made)).body == made
    (row,) = await registry.rows("select * from registry.technical_hub_directory")
    assert row == {"council_id": "moray", "hub_id": "workshop"}
    cleared = (await registry.ops.put(f"{MORAY}/routing", {"technical_hub": None})).body
    assert cleared == made | {"technical_hub": None}


async def test_a_policy_that_would_leave_somebody_waiting_is_refused_naming_the_field(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    await registry.make_hub("moray-arc", "moray")
    steps = copy.deepcopy(DEFAULT)
    steps["life"]["steps"][2]["hubs"] = 3
    typo = copy.deepcopy(DEFAULT)
    typo["welfare"]["undelivered_after"] = typo["welfare"].pop("undelivered_after_s")
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"policy": with_repeat(121)}, {"policy.life"}),
        ({"policy": with_repeat(0)}, {"policy.life.repeat_every_s"}),
        ({"policy": steps}, {"policy.life.steps"}),
        ({"policy": typo}, {"policy.welfare.undelivered_after", "policy.welfare.undelivered_after_s"}),
        ({"policy": "default"}, {"policy"}),
        ({"policies": DEFAULT}, {"policies"}),
        ({"technical_hub": "nowhere-arc", "policy": with_repeat(45)}, {"technical_hub"}),
        ({"hubs": ["nowhere-arc"], "technical_hub": "nowhere-arc"}, {"hubs", "technical_hub"}),
        ({}, {"hubs"}),
        ({"council_id": "fife"}, {"hubs"}),
    ]
    for body, wrong in cases:
        with subtests.test(body=json.dumps(body)[:80]):
            assert fields(refused(await registry.ops.put(f"{MORAY}/routing", body), 422)) == wrong
    assert (await registry.ops.get(f"{MORAY}/routing")).body["policy_version"]["default"]


async def test_a_council_that_does_not_exist_has_no_routing(registry: Registry) -> None:
    for path in ("routing", "policies"):
        assert "atlantis" in refused(await registry.ops.get(f"/api/v1/councils/atlantis/{path}"), 404)["detail"]
    refused(await registry.ops.put("/api/v1/councils/atlantis/routing", {"policy": DEFAULT}), 404)


async def test_a_policy_once_laid_down_cannot_be_altered_by_the_registry_itself(registry: Registry) -> None:
    (row,) = await registry.rows(
        "select has_table_privilege('telecare_registry', 'registry.policy', 'update') as update,"
        " has_table_privilege('telecare_registry', 'registry.policy', 'delete') as delete"
    )
    assert row == {"update": False, "delete": False}
