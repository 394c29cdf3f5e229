"""A device may be called as somebody at the broker is called who is none of ours, even as ingest itself."""

import aiohttp
import pytest

from services.chassis.postgres import open_pool
from services.registry.domain.own_names import OwnNames
from services.registry.identity.claims import Claims, NotIssued
from tests.blackbox.api import Api
from tests.integration.registry.broker.secured import ADMIN, SERVICE, Secured
from tests.integration.registry.identity.town import OPS
from tests.integration.registry.running import GLASGOW, fields, refused
from tests.integration.registry.sheets import homes, send, sheet

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
        claims = Claims(pool, b"key", OwnNames(["Telecare"]))
        refused = await claims.issue("telecare", actor="ops", now=secured.town.clock.now())
    finally:
        pool.terminate()
    assert isinstance(refused, NotIssued)
    assert "another id" in refused.detail


@pytest.mark.parametrize("name", [SERVICE[0], ADMIN[0].capitalize()])
async def test_no_device_is_put_on_the_register_under_a_name_of_our_own(secured: Secured, name: str) -> None:
    """By none of the three ways there, and nothing else is wrong with it."""
    async with aiohttp.ClientSession() as session:
        api = Api(session, secured.url, OPS)
        ours = GLASGOW | {"device_id": name}
        assert fields(refused(await api.post("/api/v1/devices", ours), 422)) == {"device_id"}
        rows = homes(2)
        rows[1] = (name, *rows[1][1:])
        problem = refused(await send(api, sheet(*rows)), 422)
        assert [(each["line"], each["column"]) for each in problem["errors"]] == [(3, "device_id")]
        await secured.town.device("TC-1")
        successor = {"device_id": name, "serial": "SN-2", "model": GLASGOW["model"]}
        assert fields(refused(await api.post("/api/v1/devices/TC-1/replace", successor), 422)) == {"device_id"}
        assert (await api.post("/api/v1/devices", ours | {"device_id": f"{name}-1"})).status == 201
    assert not await secured.town.rows("select from registry.device where lower(device_id) = lower($1)", name)
