"""What the tests of the figures start from."""

from collections.abc import AsyncIterator

import pytest

from services.chassis.postgres import Connection
from services.chassis.postgres.pool import connect
from tests.support.servers import Database


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """To a migrated database, as alerts sees it."""
    connection = await connect(database.url, name="test", role="telecare_alerts")
    yield connection
    await connection.close()
