"""The registry is killed in the middle of an exchange, at each of its steps."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import pytest

from services.chassis.run import running
from services.registry.service import build
from tests.integration.registry.broker.secured import ADMIN, SERVICE, Secured, url_of
from tests.integration.registry.identity.town import OPS, SECRET_KEY, Unit, opened, settings_for
from tests.support.servers import Broker, Database
from tests.support.stack import RealBroker

pytestmark = pytest.mark.real_stack

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("point", ["before_commit", "before_broker", "before_puback", "before_answer"])
async def test_a_unit_whose_registry_was_killed_in_the_middle_asks_again_and_has_its_credential(
    database: Database, server: RealBroker, tmp_path: Path, point: str
) -> None:
    service, admin = url_of(SERVICE, server.port), url_of(ADMIN, server.port)
    settings = settings_for(database.url, service, tmp_path, admin)
    environment = {
        "TELECARE_DATABASE_URL": database.url,
        "TELECARE_MQTT_URL": service,
        "TELECARE_MQTT_ADMIN_URL": admin,
        "TELECARE_HTTP_PORT": "0",
        "TELECARE_SECRET_KEY": SECRET_KEY,
        "TELECARE_BOOTSTRAP_TOKEN": OPS,
        "TELECARE_DATA_DIR": str(tmp_path),
    }
    async with opened(database, service, server.port) as town:
        await town.device("TC-A")
        secured = Secured(town, server, Broker(server), settings)
        doomed = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.crashing_registry", point),
            cwd=ROOT,
            env=os.environ | environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            claim = await secured.town.claim("TC-A")
            await secured.told(120)  # it has to start first
            async with town.unit(claim) as unit:
                async with asyncio.timeout(60):
                    assert await _killed_by(unit, doomed) == -9
                async with running(settings, [build]):
                    answer = await unit.insist()
                    assert answer["result"] == "accepted"
                    assert await secured.lets_in("TC-A", str(answer["password"]))
        finally:
            if doomed.returncode is None:
                doomed.kill()
                await doomed.wait()
        assert (await town.history("TC-A")).count("credential_issued") == 1


async def _killed_by(unit: Unit, doomed: asyncio.subprocess.Process) -> int:
    """It asks again, for the first time nobody may have listened yet."""
    while True:
        await unit.ask()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                return await doomed.wait()
