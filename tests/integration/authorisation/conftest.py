"""The whole service, and who may ask it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.authorisation.world import World, make_world, populate
from tests.support.servers import Database


@pytest.fixture
async def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("services.alerts.console.turns.WAIT_S", 240.0)  # nobody who asks for a page need ask again
    async with make_world(database, tmp_path) as made:
        await populate(made)
        yield made
