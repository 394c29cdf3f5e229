"""What a story starts from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.scenarios.hours import LongStory
from tests.scenarios.story import Story
from tests.support.servers import Broker, Database


@pytest.fixture
async def story(database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[Story]:
    async with Story.begin(database.url, broker, tmp_path) as begun:
        yield begun


@pytest.fixture
def patient_ears(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause of this machine is no deafness: each device would have its interval anew, and they would fall silent one by one.

    Rightly so; but what is asked here is what becomes of those who fall silent together. What a lapse does, stories of blindness
    tell (they begin without this).
    """
    monkeypatch.setattr("services.chassis.shard.lease.LAPSE_S", 60.0)


@pytest.fixture
async def hours(patient_ears: None, database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[LongStory]:
    """A story of hours or days, in which a fleet reports as they pass."""
    async with LongStory.begin(database.url, broker, tmp_path) as begun:
        yield begun
