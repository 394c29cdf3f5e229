"""Who may see which outage, its members and its worklist; and who has asked after whom."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.blackbox.api import Api
from tests.blackbox.hub import Receiver
from tests.integration.alerts.running import Installation, add_hub, run_alerts
from tests.support.servers import Broker, Database

PATH = "/api/v1/outages"


@pytest.fixture
async def alerts(database: Database, broker: Broker, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Installation]:
    async with run_alerts(database, broker, tmp_path) as installation:
        await add_hub(installation.database, "clyde-arc", "glasgow-city", webhook=receiver.channel("clyde-arc"))
        await add_hub(installation.database, "highland-arc", "highland", mqtt=True)
        await add_hub(installation.database, "moray-arc", "moray", mqtt=True)
        yield installation


async def an_outage(alerts: Installation, *devices: tuple[str, str], name: str = "23410", over: bool = False) -> str:
    """An outage with these devices of councils; the second of them was a formula to a spreadsheet, had it its way."""
    id_ = uuid.uuid4()
    await alerts.database.execute(
        "insert into alerts.outage (outage_id, condition, attribute, value, opened_at, began_at, closed_at, members, members_now, "
        "peak, councils, log_p, log_ratio) "
        "values ($1, 'silent', 'sim_operator', $2, now(), now() - interval '10 minutes', case when $3 then now() end, $4, "
        "case when $3 then 0 else $4 end, $4, $5, -900, 120)",
        *(id_, name, over, len(devices), sorted({council for _, council in devices})),
    )
    for device_id, council in devices:
        await alerts.database.execute(
            "insert into registry.device (device_id, council_id, serial, model, postcode_district, installation_ref, "
            "registered_at, changed_at) values ($1, $2, $1, 'hearth', 'IV1', $3, now(), now())",
            *(device_id, council, f"=HYPERLINK({device_id})"),
        )
        await alerts.database.execute(
            "insert into alerts.outage_member (outage_id, device_id, council_id, postcode_district, since, joined_at) "
            "values ($1, $2, $3, 'IV1', now() - interval '10 minutes', now())",
            *(id_, device_id, council),
        )
    return str(id_)


async def test_outages_are_listed_newest_first_open_and_over(alerts: Installation) -> None:
    over = await an_outage(alerts, ("TC-1", "highland"), over=True)
    still = await an_outage(alerts, ("TC-2", "highland"), ("TC-3", "glasgow-city"))
    listed = (await alerts.api.get(PATH)).body["items"]
    assert [each["outage_id"] for each in listed] == [still, over]
    assert [each["outage_id"] for each in (await alerts.api.get(PATH, state="open")).body["items"]] == [still]
    assert [each["outage_id"] for each in (await alerts.api.get(PATH, state="closed")).body["items"]] == [over]
    first = (await alerts.api.get(PATH, limit="1")).body
    second = (await alerts.api.get(PATH, limit="1", cursor=first["next"])).body
    assert [each["outage_id"] for each in second["items"]] == [over]
    assert second["next"] is None
    one = (await alerts.api.get(f"{PATH}/{still}")).body
    assert (one["members"], one["councils"], one["contacted"], one["p_value"]) == (
        2,
        ["glasgow-city", "highland"],
        0,
        0.0,
    )
    assert (await alerts.api.get(PATH, state="asleep")).status == 422
    assert (await alerts.api.get(PATH, cursor="bm8")).status == 422
    assert (await alerts.api.get(f"{PATH}/{uuid.uuid4()}")).status == 404


async def test_a_hub_sees_the_members_of_its_councils_and_no_others(alerts: Installation) -> None:
    id_ = await an_outage(alerts, ("TC-1", "highland"), ("TC-2", "highland"), ("TC-3", "glasgow-city"))
    clyde, moray = await alerts.token("hub", "clyde-arc"), await alerts.token("hub", "moray-arc")
    engineer = await alerts.token("engineer", councils=["highland"])
    assert await _devices(alerts.api, id_) == ["TC-1", "TC-2", "TC-3"]
    assert await _devices(clyde, id_) == ["TC-3"]
    assert await _devices(engineer, id_) == ["TC-1", "TC-2"]
    assert (await moray.get(f"{PATH}/{id_}")).status == 404
    assert (await moray.get(f"{PATH}/{id_}/members")).status == 404
    assert (await moray.get(f"{PATH}/{id_}/worklist.csv")).status == 404
    assert (await moray.get(PATH)).body["items"] == []


async def test_members_come_page_by_page(alerts: Installation) -> None:
    id_ = await an_outage(alerts, *((f"TC-{n}", "highland") for n in range(5)))
    first = (await alerts.api.get(f"{PATH}/{id_}/members", limit="3")).body
    rest = (await alerts.api.get(f"{PATH}/{id_}/members", limit="3", cursor=first["next"])).body
    assert [each["device_id"] for each in first["items"] + rest["items"]] == [f"TC-{n}" for n in range(5)]
    assert rest["next"] is None


async def test_who_was_asked_after_is_ticked_off_under_a_name_and_stands_in_the_worklist(alerts: Installation) -> None:
    id_ = await an_outage(alerts, ("TC-1", "highland"), ("TC-2", "highland"))
    highland = await alerts.token("hub", "highland-arc")
    tick = f"{PATH}/{id_}/members/TC-1/contacted"
    assert (await highland.post(tick, {})).status == 422
    said = await highland.post(tick, {"operator": "Morag", "note": "Her daughter is with her."})
    assert (said.status, said.body["contacted_by"], said.body["note"]) == (200, "Morag", "Her daughter is with her.")
    assert (await alerts.api.get(f"{PATH}/{id_}")).body["contacted"] == 1
    to_do = (await highland.get(f"{PATH}/{id_}/members", to_do="true")).body["items"]
    assert [each["device_id"] for each in to_do] == ["TC-2"]
    rows = list(csv.DictReader(io.StringIO((await highland.get(f"{PATH}/{id_}/worklist.csv")).body.lstrip("\ufeff"))))
    assert [(row["device_id"], row["contacted_by"], row["installation_ref"]) for row in rows] == [
        ("TC-1", "Morag", "'=HYPERLINK(TC-1)"),
        ("TC-2", "", "'=HYPERLINK(TC-2)"),
    ]
    assert "daughter" not in (await highland.get(f"{PATH}/{id_}/worklist.csv")).body


async def test_nobody_ticks_off_who_is_not_theirs_or_no_member(alerts: Installation) -> None:
    id_ = await an_outage(alerts, ("TC-1", "highland"))
    clyde = await alerts.token("hub", "clyde-arc")
    viewer = await alerts.token("viewer")
    body = {"operator": "Ailsa"}
    assert (await clyde.post(f"{PATH}/{id_}/members/TC-1/contacted", body)).status == 404
    assert (await viewer.post(f"{PATH}/{id_}/members/TC-1/contacted", body)).status == 403
    assert (await alerts.api.post(f"{PATH}/{id_}/members/TC-9/contacted", body)).status == 404
    assert (
        await alerts.database.fetchval("select count(*) from alerts.outage_member where contacted_at is not null") == 0
    )


async def _devices(api: Api, outage_id: str) -> list[str]:
    answer = await api.get(f"{PATH}/{outage_id}/members")
    assert answer.status == 200, answer
    return [each["device_id"] for each in answer.body["items"]]
