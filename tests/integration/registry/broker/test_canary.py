"""The canary on a broker that keeps a register: as a device and a hub of its own, like any other."""

from pathlib import Path

import aiohttp
import pytest

from tests.integration.canary.conftest import run_canary, set_up_canary
from tests.integration.registry.broker.secured import SERVICE, url_of
from tests.integration.registry.broker.whole import whole_service
from tests.integration.registry.identity.town import OPS
from tests.support.servers import Database
from tests.support.stack import RealBroker

pytestmark = pytest.mark.real_stack


async def test_the_canary_fetches_its_own_credentials_and_its_presses_come_round(
    database: Database, server: RealBroker, tmp_path: Path
) -> None:
    file = tmp_path / "canary.json"
    async with whole_service(database, server, tmp_path) as secured:
        settings = {"MQTT_URL": f"mqtt://127.0.0.1:{server.port}", "API_URL": secured.url, "API_TOKEN": OPS}
        await set_up_canary(file, settings, "--own-users")
        await secured.told()
        async with aiohttp.ClientSession() as http, run_canary(file, http) as canary:
            await canary.until_more("delivered", 3)
        await set_up_canary(file, settings, "--own-users")
        await secured.told()
        async with aiohttp.ClientSession() as http, run_canary(file, http) as canary:
            await canary.until_more("delivered")
    assert SERVICE[1] not in file.with_suffix(".log").read_text()
    assert url_of(SERVICE, server.port) not in file.read_text()
