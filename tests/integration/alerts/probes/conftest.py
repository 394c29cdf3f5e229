"""Glasgow, as for all tests of alerts; its hubs' clocks are the test's, for here many minutes pass."""

import pytest

from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World


@pytest.fixture
async def glasgow(glasgow: World, receiver: Receiver) -> World:
    receiver.clock = glasgow.clock.now
    return glasgow
