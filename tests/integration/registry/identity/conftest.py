"""The registry with its provisioning session, over a fresh database, on a broker that lets anybody in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.chassis.run import running
from services.registry.service import build
from tests.integration.registry.identity.town import Town, opened, settings_for
from tests.support.servers import Broker, Database


@pytest.fixture
async def town(database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[Town]:
    """Nobody keeps the broker's register here."""
    async with opened(database, broker.url, broker.port) as town:
        settings = settings_for(database.url, broker.url, tmp_path)
        async with running(settings, [build], clock=town.clock) as process:
            await town.ready(process)
            yield town
