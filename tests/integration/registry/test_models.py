"""Models of devices over HTTP: what each promises, and which promise holds for a device."""

from typing import Any

import pytest

from tests.integration.registry.running import Registry, fields, refused

MODELS = "/api/v1/models"
HEARTH: dict[str, Any] = {
    "heartbeat_interval_s": 120,
    "late_after_missed": 2,
    "silent_after_s": 900,
    "battery_hours": 24,
    "signal_dbm_min": -105,
    "paths": ["ethernet", "mobile"],
    "triggers": [{"kind": "personal_trigger", "peripheral_id": "pendant-1"}, {"kind": "smoke", "peripheral_id": None}],
}
EXPECTED = "select model, silent_after_s, paths from registry.device_expectation where device_id = $1"


async def test_a_model_is_written_down_read_changed_and_forgotten(registry: Registry) -> None:
    put = await registry.ops.put(f"{MODELS}/hearth-4g", HEARTH)
    assert put.status == 200, put
    assert HEARTH.items() <= put.body.items()
    assert (put.body["changed_by"], put.body["changed_at"]) == ("bootstrap", "2026-11-21T09:00:00Z")
    assert (await registry.ops.get(f"{MODELS}/HEARTH-4G")).body == put.body
    sent_back = await registry.ops.put(f"{MODELS}/hearth-4g", put.body | {"battery_hours": 40})
    assert sent_back.body["battery_hours"] == 40
    listed = (await registry.ops.get(MODELS)).body["items"]
    assert [each["model"] for each in listed] == ["default", "hearth-4g"]
    assert (await registry.ops.send("DELETE", f"{MODELS}/hearth-4g")).status == 204
    refused(await registry.ops.get(f"{MODELS}/hearth-4g"), 404)
    assert (await registry.ops.send("DELETE", f"{MODELS}/hearth-4g")).status == 204


async def test_a_device_is_judged_by_its_model_however_it_is_written_or_by_the_default(registry: Registry) -> None:
    await registry.register("TC-1")
    assert [row["model"] for row in await registry.rows(EXPECTED, "TC-1")] == ["default"]
    await registry.ops.put(f"{MODELS}/chiptech seven", HEARTH)
    assert await registry.rows(EXPECTED, "TC-1") == [
        {"model": "chiptech seven", "silent_after_s": 900, "paths": ["ethernet", "mobile"]}
    ]


async def test_the_default_can_be_changed_and_never_be_missing(registry: Registry) -> None:
    changed = await registry.ops.put(f"{MODELS}/Default", {"heartbeat_interval_s": 300})
    assert (changed.body["model"], changed.body["silent_after_s"]) == ("default", 2700)
    refused(await registry.ops.send("DELETE", f"{MODELS}/Default"), 409)


async def test_a_promise_that_cannot_be_is_refused_naming_the_field(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"heartbeat_interval_s": 0}, "heartbeat_interval_s"),
        ({"silent_after_s": 239}, "body"),
        ({"paths": ["telephone"]}, "paths.0"),
        ({"triggers": [{"kind": "doorbell"}]}, "triggers.0.kind"),
        ({"signal_dbm_min": 5}, "signal_dbm_min"),
        ({"heartbeat_interval_s": 604800, "late_after_missed": 100, "silent_after_s": None}, "body"),
    ]
    for body, field in wrong:
        with subtests.test(body=body):
            problem = refused(await registry.ops.put(f"{MODELS}/hearth-4g", HEARTH | body), 422)
            assert fields(problem) == {field}
    refused(await registry.ops.put(f"{MODELS}/{'x' * 65}", HEARTH), 422)
    assert len(await registry.rows("select from registry.device_model")) == 1
