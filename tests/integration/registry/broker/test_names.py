"""A device may be called as somebody at the broker is called who is none of ours, even as ingest itself."""

import pytest

from services.chassis.postgres import open_pool
from services.registry.identity.claims import Claims, NotIssued
from tests.integration.registry.broker.secured import ADMIN, SERVICE, Secured

pytestmark = pytest.mark.real_stack


@pytest.mark.parametrize("name", [SERVICE[0], ADMIN[0]])
async def test_a_device_with_the_name_of_the_service_takes_nothing_from_it(secured: Secured, name: str) -> None:
    """Ingest would be shut out with it, and no alarm of anybody heard."""
    before = await secured.client(name)
    await secured.town.device(name)
    async with secured.town.unit(await secured.claim(name)) as unit:
        await unit.exchange()
    await secured.told()
    assert await secured.client(name) == before
    assert await secured.lets_in(*SERVICE, "witness")
    await secured.provisioned("TC-A")  # and the register is kept as ever


async def test_a_device_with_the_name_of_the_service_gets_no_claim(secured: Secured) -> None:
    await secured.town.device("telecare")
    pool = await open_pool(secured.settings.database_url.get_secret_value(), role="telecare_registry", name="test")
    try:
        claims = Claims(pool, b"key", taken=["Telecare"])
        refused = await claims.issue("telecare", actor="ops", now=secured.town.clock.now())
    finally:
        pool.terminate()
    assert isinstance(refused, NotIssued)
    assert "another id" in refused.detail
