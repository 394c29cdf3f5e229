"""The registry, served for real on a port of its own over a fresh database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.registry.running import Registry, registry_of
from tests.support.servers import Database


@pytest.fixture
async def registry(database: Database, tmp_path: Path) -> AsyncIterator[Registry]:
    """The registry; `registry.ops` calls it with the bootstrap token."""
    async with registry_of(database, tmp_path) as running:
        yield running
