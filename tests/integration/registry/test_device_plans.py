"""Devices of one council are found by index, however many others have."""

from collections.abc import AsyncIterator

import pytest

from services.chassis.postgres import Connection, Queries
from services.chassis.postgres.pool import connect
from services.registry.bulk import store as bulk
from services.registry.devices.record import QUERIES
from tests.support.servers import Database


@pytest.fixture
async def crowded(database: Database) -> AsyncIterator[Connection]:
    connection = await connect(database.url, name="test")
    await connection.execute(
        "with c as (select array_agg(council_id order by council_id) as ids from registry.council) "
        "insert into registry.device (device_id, council_id, serial, model, stage, registered_at, changed_at) "
        "select 'TC-' || n, ids[1 + n % 32], 'SN-' || n, 'hearth-4g', 'registered', now() - n * interval '1 second', now() "
        "from c, generate_series(1, 40000) n"
    )
    await connection.execute("analyze registry.device")
    yield connection
    await connection.close()


async def plan(connection: Connection, queries: Queries, name: str, *arguments: object) -> str:
    return "\n".join(row[0] for row in await connection.fetch(f"explain {queries[name]}", *arguments))


async def test_a_page_of_one_councils_devices_is_read_from_their_index(crowded: Connection) -> None:
    for councils, council in ((None, "fife"), (["fife", "moray"], "fife")):
        for after in ((None, None), (await crowded.fetchval("select now()"), "TC-9")):
            page = await plan(crowded, QUERIES, "devices_page", *after, councils, council, None, None, None, 50)
            assert "device_newest_of_council" in page, page
            assert "Sort" not in page, page


async def test_an_export_of_one_councils_devices_is_read_from_their_index(crowded: Connection) -> None:
    for councils, council in ((None, "fife"), (["fife", "moray"], "fife")):
        page = await plan(crowded, bulk.QUERIES, "export_page", "", councils, council, None, None, None, 50)
        assert "device_of_council" in page, page
        assert "Sort" not in page, page
