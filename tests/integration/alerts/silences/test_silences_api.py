"""Who may silence what, and how loud that is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.hub import Receiver
from tests.integration.alerts.running import Installation, add_hub, run_alerts
from tests.support.servers import Broker, Database, until

PATH = "/api/v1/silences"


@pytest.fixture
async def alerts(database: Database, broker: Broker, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Installation]:
    async with run_alerts(database, broker, tmp_path) as installation:
        await add_hub(installation.database, "clyde-arc", "glasgow-city", webhook=receiver.channel("clyde-arc"))
        await add_hub(installation.database, "moray-arc", "moray", mqtt=True)
        await installation.database.execute(
            "insert into registry.device "
            "(device_id, council_id, serial, model, postcode_district, registered_at, changed_at) values "
            "('TC-1', 'glasgow-city', 'S-1', 'hearth', 'G12', now(), now()), "
            "('TC-2', 'moray', 'S-2', 'hearth', null, now(), now())"
        )
        yield installation


def body(**fields: Any) -> dict[str, Any]:
    asked = {
        "council_id": "glasgow-city",
        "device_id": "TC-1",
        "priorities": [4, 3, 4],
        "minutes": 60,
        "reason": "engineer on site",
        "operator": "morag",
        **fields,
    }
    return {name: value for name, value in asked.items() if value is not ...}


async def test_a_silence_is_answered_listed_ended_and_then_over(alerts: Installation) -> None:
    made = await alerts.api.post(PATH, body())
    assert made.status == 201, made
    assert (made.body["priorities"], made.body["active"], made.body["hub_id"]) == ([3, 4], True, None)
    assert [each["silence_id"] for each in (await alerts.api.get(PATH, active="true")).body["items"]] == [
        made.body["silence_id"]
    ]
    assert (await alerts.api.get(PATH, active="false")).body["items"] == []

    end = f"{PATH}/{made.body['silence_id']}/end"
    ended = await alerts.api.post(end, {"operator": "hamish"})
    assert (ended.status, ended.body["ended_by"], ended.body["active"]) == (200, "hamish", False)
    assert (await alerts.api.post(end, {"operator": "isla"})).status == 409
    (listed,) = (await alerts.api.get(PATH)).body["items"]
    assert (listed["ended_by"], listed["operator"], listed["reason"]) == ("hamish", "morag", "engineer on site")


async def test_silences_are_listed_newest_first_page_by_page(alerts: Installation) -> None:
    made = [(await alerts.api.post(PATH, body(minutes=n))).body["silence_id"] for n in range(1, 6)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await alerts.api.get(PATH, limit=2, **cursor)).body
        seen += [each["silence_id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == made[::-1]
    assert (await alerts.api.get(PATH, cursor="nonsense")).status == 422


@pytest.mark.parametrize("priorities", [[1], [2], [1, 3], [2, 3, 4, 5], [0], [6]])
async def test_life_and_welfare_cannot_be_silenced_and_the_answer_says_so(
    alerts: Installation, priorities: list[int]
) -> None:
    refused = await alerts.api.post(PATH, body(priorities=priorities))
    assert refused.status == 422
    assert "1 (life) and 2 (welfare) are always told" in refused.body["detail"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"council_id": "atlantis"}, "council_id"),
        ({"council_id": "Not A Slug"}, "council_id"),
        ({"device_id": "TC-2"}, "device_id"),
        ({"device_id": "TC-none"}, "device_id"),
        ({"postcode_district": "G12"}, "not both"),
        ({"device_id": None, "postcode_district": "G12 8QQ"}, "postcode_district"),
        ({"priorities": []}, "priorities"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": 10_081}, "minutes"),
        ({"reason": "   "}, "reason"),
        ({"reason": ...}, "reason"),
        ({"operator": ...}, "operator"),
        ({"operator": ""}, "operator"),
        ({"ends_at": "2030-01-01T00:00:00Z"}, "ends_at"),
    ],
)
async def test_what_cannot_be_a_silence_is_refused_by_name(
    alerts: Installation, fields: dict[str, Any], field: str
) -> None:
    refused = await alerts.api.post(PATH, body(**fields))
    assert refused.status == 422, refused
    assert field in refused.body["detail"]
    assert (await alerts.api.get(PATH)).body["items"] == []


async def test_a_stray_box_that_floods_a_council_can_be_silenced_though_nobody_registered_it(
    alerts: Installation,
) -> None:
    stray = await alerts.press("tamper")
    await alerts.alarm(stray)
    assert (await alerts.api.post(PATH, body(device_id=stray))).status == 201


async def test_a_hub_silences_for_the_councils_that_are_routed_to_it_and_sees_no_others(alerts: Installation) -> None:
    clyde, moray = await alerts.token("hub", "clyde-arc"), await alerts.token("hub", "moray-arc")
    made = await clyde.post(PATH, body())
    assert (made.status, made.body["hub_id"]) == (201, "clyde-arc")
    assert (await moray.post(PATH, body())).status == 403
    end = f"{PATH}/{made.body['silence_id']}/end"
    assert (await moray.post(end, {"operator": "ewan"})).status == 404
    assert (await moray.get(PATH)).body["items"] == []
    engineer, stranger = [await alerts.token("engineer", councils=[council]) for council in ("glasgow-city", "fife")]
    viewer = await alerts.token("viewer")
    assert [len((await api.get(PATH)).body["items"]) for api in (engineer, stranger, viewer)] == [1, 0, 1]
    for api in (viewer, alerts.api.by(None)):
        assert (await api.post(PATH, body())).status in {401, 403}
    assert (await clyde.post(end, {"operator": "morag"})).status == 200


async def test_one_that_is_none_of_ours_cannot_be_ended(alerts: Installation) -> None:
    for id_, status in (("5a8d2c1e-0000-4000-8000-000000000000", 404), ("nonsense", 422)):
        assert (await alerts.api.post(f"{PATH}/{id_}/end", {"operator": "morag"})).status == status


async def test_it_is_loud_when_it_begins_and_counted_while_it_lasts(
    alerts: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    def active(council: str) -> float | None:
        for service in alerts.process.services:
            for loop in service.loops:
                if loop.name == "silence-gauges":
                    loop.poke()
        return alerts.process.runtime.metrics.get_sample_value("telecare_silences_active", {"council": council})

    await until(lambda: active("fife") == 0)
    made = await alerts.api.post(PATH, body())
    await until(lambda: active("glasgow-city") == 1)
    assert active("fife") == 0
    said = next(line for line in capsys.readouterr().out.splitlines() if "silence_started" in line)
    for word in ("warning", "morag", "engineer on site", "TC-1", made.body["ends_at"][:16]):
        assert word in said
    await alerts.api.post(f"{PATH}/{made.body['silence_id']}/end", {"operator": "morag"})
    await until(lambda: active("glasgow-city") == 0)
