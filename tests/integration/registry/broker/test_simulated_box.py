"""A simulated box that has nothing but its claim fetches its credential, and is a device by it."""

import pytest

from services.chassis.mqtt import MqttUrl
from services.simulator.provisioning import Refused, provision
from tests.integration.registry.broker.secured import Secured

pytestmark = pytest.mark.real_stack


async def test_a_simulated_box_provisions_itself_and_connects_as_itself(secured: Secured) -> None:
    await secured.town.device("TC-A")
    claim = await secured.claim("TC-A")
    url = MqttUrl("127.0.0.1", secured.port)
    own = await provision(url, claim.serial, claim.code)
    assert own.username == "TC-A"
    assert await secured.lets_in("TC-A", own.password or "")
    with pytest.raises(Refused, match="used"):
        await provision(url, claim.serial, claim.code)
