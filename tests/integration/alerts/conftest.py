"""What the tests of alerts start from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World, make_world
from tests.support.servers import Database


@pytest.fixture(autouse=True)
def patient(patient_connections: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases of these tests are killed, and none is made to hang; and whoever waits for a page need not ask again."""
    monkeypatch.setattr("services.alerts.console.turns.WAIT_S", 240.0)


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(database, tmp_path) as made:
        yield made


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """The webhook endpoint of any number of hubs; it verifies every signature."""
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()
    assert receiver.refused == []
    assert receiver.followed_redirects == 0


@pytest.fixture
async def glasgow(world: World, receiver: Receiver) -> World:
    """Glasgow's alarms go to the Clyde hub, and then to the Forth hub; one device is registered."""
    for hub in ("clyde-arc", "forth-arc"):
        channel = receiver.channel(hub)
        await world.hub(hub, channel["url"], secret=channel["secret"])
    await world.route("glasgow-city", "clyde-arc", "forth-arc")
    await world.register("TC-000123")
    return world
