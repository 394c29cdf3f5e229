"""The whole service, its loops run by hand; and a home in Glasgow that has said things."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.blackbox.api import Api
from tests.integration.authorisation.world import World, make_world, populate
from tests.support.servers import Database

SAID = "I fell in Anniesland"


@dataclass
class Home:
    """A device, and what there is of it."""

    world: World
    ops: Api
    device_id: str = "TC-000123"

    async def event(self, *, state: str = "closed", age: str = "1 hour", text: str | None = SAID) -> str:
        """An event with its alarm and what was told of it; returns the alarm's id."""
        alarm_id: str = await self.world.database.fetchval(
            _EVENT, self.device_id, state, age, text, "Mrs M. was on the floor" if state == "closed" else None
        )
        return str(alarm_id)

    async def value(self, query: str, *arguments: object) -> Any:
        return await self.world.database.fetchval(query, *arguments)

    async def everything(self) -> str:
        """All that any service keeps, as text."""
        tables = await self.world.database.fetch(
            "select quote_ident(table_schema) || '.' || quote_ident(table_name) as name from information_schema.tables "
            "where table_schema in ('registry', 'ingest', 'alerts', 'chassis') and table_type = 'BASE TABLE'"
        )
        parts = [await self.value(f"select string_agg(t::text, ' ') from {each['name']} t") for each in tables]
        return " ".join(part or "" for part in parts)


# As ingest and alerts would have written it, whole enough for the CHECKs.
# ruff: noqa: E501
_EVENT = """
with said as (
    insert into ingest.alarm_event (event_id, identity, payload_sha256, topic, council_id, device_id, boot_id, seq, sent_at, received_at,
        kind, status, location, text, test, marks, raw, qos)
    select id, sha256(id::text::bytea), sha256(id::text::bytea), 'telecare/v1/devices/glasgow-city/' || $1::text || '/alarm', 'glasgow-city',
        $1, 'b', 1, now(), now() - $3::text::interval, 'fall', 'activated', 'bathroom', $4::text, false, '{}',
        convert_to('{"text":"' || coalesce($4, '') || '"}', 'utf8'), 1
    from (select gen_random_uuid() as id) given
    returning event_id
), alarm as (
    insert into alerts.alarm (alarm_id, device_id, council_id, kind, status, peripheral_id, location, priority, state, step, event_count,
        test, unregistered, installation_ref, received_at, opened_at, last_event_at, policy_id, ladder_at, told_at, sole_device,
        changed_at, wake_at, closed_at, closed_by, outcome, note)
    select event_id, $1, 'glasgow-city', 'fall', 'activated', left(event_id::text, 32), 'by the window of 4 Main St', 1, $2::text, 0, 1,
        false, false, 'GLA-4711', now() - $3::text::interval, now() - $3::text::interval, now() - $3::text::interval, 0, now(), now(),
        true, now(), case when $2 <> 'closed' then now() + interval '1 hour' end,
        case when $2 = 'closed' then now() - $3::text::interval end, case when $2 = 'closed' then 'Isla' end,
        case when $2 = 'closed' then 'attended' end, $5::text
    from said
    returning alarm_id
), happened as (
    insert into alerts.transition (alarm_id, at, event, reason, state, step, priority)
    select alarm_id, now(), 'raised', 'first_event', 'open', 0, 1 from alarm
    returning transition_id, alarm_id
), kept as (
    insert into alerts.alarm_event (event_id, alarm_id, transition_id, body)
    select alarm_id, alarm_id, transition_id, jsonb_build_object('event_id', alarm_id, 'device_id', $1,
        'council_id', 'glasgow-city', 'topic', 'telecare/v1/devices/glasgow-city/' || $1 || '/alarm', 'boot_id', 'b', 'seq', 1,
        'sent_at', now(), 'received_at', now(), 'kind', 'fall', 'status', 'activated', 'peripheral_id', null, 'location', 'bathroom',
        'text', $4::text, 'test', false, 'marks', '[]'::jsonb, 'payload_sha256', repeat('0', 64)) from happened
), told as (
    insert into alerts.notification (notification_id, transition_id, alarm_id, type, timestamp, body)
    select alarm_id::text, transition_id, alarm_id, 'alarm.raised', now(), replace(json_build_object('id', alarm_id, 'data',
        json_build_object('device_id', $1, 'installation_ref', 'GLA-4711', 'location', 'by the window of 4 Main St',
            'event', json_build_object('kind', 'fall', 'location', 'bathroom', 'text', $4::text)))::text, '" : "', '":"') from happened
)
select alarm_id from alarm
"""


@pytest.fixture
async def home(database: Database, tmp_path: Path) -> AsyncIterator[Home]:
    async with make_world(database, tmp_path) as world:
        await populate(world)
        ops = Api(world.http, world.url, world.tokens["ops"])
        body = {"device_id": "TC-000123", "council_id": "glasgow-city", "serial": "SN-1", "model": "hearth-4g"}
        made = await ops.post("/api/v1/devices", body | {"installation_ref": "GLA-4711", "notes": "ring twice"})
        assert made.status == 201, made
        changed = await ops.patch("/api/v1/devices/TC-000123", {"installation_ref": "GLA-4712"})
        assert changed.status == 200, changed
        await world.database.execute(
            "insert into ingest.quarantine (lane, topic, device_id, reason, payload, received_at) "
            "values ('heartbeat', 't', 'TC-000123', 'bad_seq', 'I fell in Anniesland', now())"
        )
        yield Home(world, ops)
