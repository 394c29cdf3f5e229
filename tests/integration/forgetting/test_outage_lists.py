"""What outages hold of a person: what operators wrote of a visit, and the way to the hub's own record. Both go on request."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tests.integration.forgetting.conftest import Home

EVERYTHING = {"what": ["installation_ref", "notes", "text", "operator_notes"], "reason": "The family asked."}
WROTE = "Mrs M. is at her sister's in Partick"


async def listed(home: Home, device_id: str, *, note: str = WROTE, when: datetime | None = None) -> str:
    """The device was a member of an outage that is open, and somebody asked after the person."""
    id_ = uuid.uuid4()
    await home.world.database.execute(
        "insert into alerts.outage (outage_id, condition, attribute, value, opened_at, began_at, members, councils, log_p, "
        "log_ratio) values ($1, 'silent', 'cell_id', $2, now(), now(), 1, '{glasgow-city}', -900, 100)",
        *(id_, str(id_)),
    )
    await home.world.database.execute(
        "insert into alerts.outage_member (outage_id, device_id, council_id, since, joined_at, contacted_by, contacted_at, note) "
        "values ($1, $2, 'glasgow-city', now(), now(), 'Isla', $3, $4)",
        *(id_, device_id, when or datetime.now(UTC) - timedelta(hours=1), note),
    )
    return str(id_)


async def member(home: Home, outage_id: str) -> dict[str, object]:
    (only,) = (await home.ops.get(f"/api/v1/outages/{outage_id}/members")).body["items"]
    return dict(only)


async def erase(home: Home, what: Mapping[str, object]) -> None:
    await home.ops.post("/api/v1/devices/TC-000123/erase", what)
    await home.world.run("ingest-erasing", "alerts-erasing")


async def test_what_was_written_of_a_visit_goes_from_every_list_and_that_there_was_one_stays(home: Home) -> None:
    outages = [await listed(home, "TC-000123"), await listed(home, "TC-000123")]  # merged, it stands in both
    assert (await member(home, outages[0]))["installation_ref"] == "GLA-4712"
    assert WROTE in await home.everything()
    await erase(home, EVERYTHING)
    for outage in outages:
        stays = await member(home, outage)
        assert (stays["device_id"], stays["contacted_by"], stays["note"], stays["installation_ref"]) == (
            "TC-000123",
            "Isla",
            None,
            None,
        )
        assert stays["contacted_at"] is not None
        worklist = (await home.ops.get(f"/api/v1/outages/{outage}/worklist.csv")).body
        assert "TC-000123" in worklist
        assert "GLA-4712" not in worklist
    assert WROTE not in await home.everything()
    (erasure,) = (await home.ops.get("/api/v1/devices/TC-000123/erasures")).body["items"]
    assert erasure["state"] == "done"


async def test_another_homes_and_what_was_not_asked_for_and_what_was_written_later_stay(home: Home) -> None:
    await listed(home, "TC-OTHER", note="of another home")
    await listed(home, "TC-000123", note="not asked for")
    await erase(home, EVERYTHING | {"what": ["installation_ref", "text", "notes"]})
    assert "not asked for" in await home.everything()
    await listed(home, "TC-000123", note="written later", when=datetime.now(UTC) + timedelta(hours=1))
    await erase(home, EVERYTHING)
    after = await home.everything()
    assert "not asked for" not in after
    assert "of another home" in after
    assert "written later" in after
