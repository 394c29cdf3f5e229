"""The devices that the benchmarks speak of: `TC-0000000` and on, spread over all councils; how they are put on the register."""

from typing import Final

import asyncpg

COUNCILS: Final = (
    "aberdeen-city", "aberdeenshire", "angus", "argyll-and-bute", "city-of-edinburgh", "clackmannanshire",
    "dumfries-and-galloway", "dundee-city", "east-ayrshire", "east-dunbartonshire", "east-lothian", "east-renfrewshire",
    "falkirk", "fife", "glasgow-city", "highland", "inverclyde", "midlothian", "moray", "na-h-eileanan-siar",
    "north-ayrshire", "north-lanarkshire", "orkney-islands", "perth-and-kinross", "renfrewshire", "scottish-borders",
    "shetland-islands", "south-ayrshire", "south-lanarkshire", "stirling", "west-dunbartonshire", "west-lothian",
)  # fmt: skip

# All live and lately heard, as devices that send are.
_REGISTER: Final = """
insert into registry.device (device_id, council_id, serial, model, postcode_district, sim_operator, installation_ref, stage,
    registered_at, changed_at, live_at)
select 'TC-' || lpad(n::text, 7, '0'), ($2::text[])[1 + n % cardinality($2::text[])], 'SN-' || n, 'Careline 3', 'G12', '23410',
    'ref-' || n, 'live', now(), now(), now()
from generate_series(0, $1::int - 1) n"""
_GIVE_LIVENESS: Final = """
insert into ingest.liveness (device_id, council_id, last_heard_at) select device_id, council_id, now() from registry.device"""
_SETTLE: Final = ("vacuum analyze registry.device", "vacuum analyze ingest.liveness", "checkpoint")


def device_id(number: int) -> str:
    """The device of this number."""
    return f"TC-{number:07d}"


def council_of(number: int) -> str:
    """Where it stands."""
    return COUNCILS[number % len(COUNCILS)]


async def register(database_url: str, count: int) -> None:
    """Put so many on the register, in one go: through the API a million of them would take an hour."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(_REGISTER, count, list(COUNCILS))
            await connection.execute(_GIVE_LIVENESS)
        for statement in _SETTLE:
            await connection.execute(statement)
    finally:
        await connection.close()
