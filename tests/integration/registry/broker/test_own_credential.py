"""Where the broker knows each device, one that is only spoken for with its council's password is not proved."""

import aiohttp
import pytest

from services.chassis.postgres.borrow import borrow
from services.registry.commissioning import checklist_of
from tests.integration.registry.broker.secured import Secured
from tests.integration.registry.identity.town import OPS
from tests.support.servers import until

pytestmark = pytest.mark.real_stack


async def own_credential(secured: Secured) -> str | None:
    """As the API tells it."""
    process = secured.town.process
    assert process is not None
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {OPS}"}) as session,
        session.get(f"{process.url}/api/v1/devices/TC-1/checklist") as response,
    ):
        assert response.status == 200, await response.text()
        told = await response.json()
    states = [each["state"] for each in told["items"] if each["key"] == "own_credential"]
    assert (states == ["passed"]) != ("Its own credential" in told["missing"])
    return states[0] if states else None


async def test_a_device_is_proved_once_it_speaks_for_itself_at_the_broker(secured: Secured) -> None:
    town = secured.town
    await town.device("TC-1")
    claim = await secured.claim("TC-1")
    await town.rows("update registry.device set stage = 'commissioning' where device_id = 'TC-1'")
    assert await own_credential(secured) == "waiting"
    async with town.unit(claim) as unit:
        assert (await unit.exchange())["result"] == "accepted"

    async def passed() -> bool:
        return await own_credential(secured) == "passed"

    await until(passed, what="the checklist to know of the credential")
    async with borrow(town.pool) as connection:
        open_to_all = await checklist_of(connection, "TC-1", town.clock.now())
    assert "own_credential" not in {each.key for each in open_to_all.items}, "a broker that knows nobody asks for none"
