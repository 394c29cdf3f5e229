"""A large fleet in the database, and verdicts on half of it: as registry and ingest leave them, all at once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.chassis.postgres import Pool

_TIMEOUT_S: Final = 900

# Every other device is of the operator that will fail. Nobody is told of each: its triggers are off.
_REGISTER: Final = """
insert into registry.device (device_id, council_id, serial, model, sim_operator, postcode_district, installation_ref, stage,
    live_at, registered_at, changed_at, watched_since)
select 'TC-' || n, (array['highland', 'moray', 'fife', 'glasgow-city'])[1 + n % 4], 'SN-' || n, 'Hub ' || n % 3,
    case when n % 2 = 0 then '23410' else '23415' end, 'IV' || n % 99 + 1, 'REF-' || n, 'live', now(), now(), now(), now()
from generate_series(1, $1::int) n
"""
_WATCH: Final = """
insert into ingest.liveness (device_id, council_id, registered, watched_since, model_id, postcode_district, sim_registered)
select d.device_id, d.council_id, true, now(), m.model_id, d.postcode_district, d.sim_operator
from registry.device d join ingest.model m on m.name = d.model order by hashtext(d.device_id)
"""
# In no order that any index has.
_VERDICTS: Final = """
insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
select 'conditions', d.device_id, 3, jsonb_build_object('change_id', gen_random_uuid(), 'device_id', d.device_id,
    'council_id', d.council_id, 'condition', 'silent', 'turn', $2::text, 'at', $1::timestamptz, 'since', $1::timestamptz,
    'version', $3::int, 'flapping', false, 'expected_silent_at', null, 'model', d.model, 'firmware', null,
    'sim_operator', d.sim_operator, 'cell_id', null, 'network', null, 'postcode_district', d.postcode_district), $1, $1
from registry.device d where d.sim_operator = '23410' order by hashtext(d.device_id || $2)
"""


async def register(database: Pool, devices: int) -> None:
    """So many, all live and watched."""
    await database.execute("insert into ingest.model (name) select 'Hub ' || n from generate_series(0, 2) n")
    await database.execute("alter table registry.device disable trigger all")
    await database.execute(_REGISTER, devices, timeout=_TIMEOUT_S)
    await database.execute("alter table registry.device enable trigger all")
    await database.execute(_WATCH, timeout=_TIMEOUT_S)
    for table in ("registry.device", "ingest.liveness"):
        await database.execute(f"analyze {table}", timeout=_TIMEOUT_S)


async def fall_silent(database: Pool, now: datetime) -> None:
    """All of the operator, in one instant."""
    await database.execute(_VERDICTS, now, "began", 1, timeout=_TIMEOUT_S)


async def return_(database: Pool, now: datetime) -> None:
    """All of them, likewise."""
    await database.execute(_VERDICTS, now, "ended", 2, timeout=_TIMEOUT_S)
