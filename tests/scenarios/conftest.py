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
async def hours(database: Database, broker: Broker, tmp_path: Path) -> AsyncIterator[LongStory]:
    """A story of hours or days, in which a fleet reports as they pass."""
    async with LongStory.begin(database.url, broker, tmp_path) as begun:
        yield begun
