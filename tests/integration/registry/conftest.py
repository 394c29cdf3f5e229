"""The registry, served for real on a port of its own over a fresh database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.chassis.postgres.borrow import borrow
from tests.integration.registry.running import Registry, registry_of
from tests.support.servers import Database


@pytest.fixture(autouse=True)
def unhurried_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """No database is away in these tests: five seconds for a connection are over when a machine stands still, and answer 503."""
    monkeypatch.setattr("services.chassis.postgres.pool.CONNECT_TIMEOUT_S", 30)
    monkeypatch.setitem(borrow.__wrapped__.__kwdefaults__, "timeout_s", 30.0)  # type: ignore[attr-defined]  # of `contextmanager`


@pytest.fixture
async def registry(database: Database, tmp_path: Path) -> AsyncIterator[Registry]:
    """The registry; `registry.ops` calls it with the bootstrap token."""
    async with registry_of(database, tmp_path) as running:
        yield running
