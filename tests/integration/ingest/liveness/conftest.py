"""A watch on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.ingest.liveness.watch import Watch, run_watch
from tests.support.servers import Database


@pytest.fixture
async def watch(database: Database) -> AsyncIterator[Watch]:
    async with run_watch(database.url) as running:
        yield running
