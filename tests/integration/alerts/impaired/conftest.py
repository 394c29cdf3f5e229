"""A database whose clock stands still: of what is a second short of its time a machine that pauses would make too much."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.alerts.world import World, make_world
from tests.scenarios.stepped import SteppedClock
from tests.support.servers import Database


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for three seconds is no database that is away."""
    monkeypatch.setattr("services.alerts.impaired.watch._LOOK_FOR_S", 60.0)


@pytest.fixture
async def clock(database: Database) -> SteppedClock:
    """It moves by steps alone."""
    return await SteppedClock.make(database, stands=True)


@pytest.fixture
async def standing(database: Database, clock: SteppedClock, tmp_path: Path) -> AsyncIterator[World]:
    """Its database has that clock; and by its own, that nobody can set, no time passes either."""
    assert clock
    async with make_world(database, tmp_path) as made:
        made.parts.watch.memory.monotonic = lambda: 1000.0
        yield made
