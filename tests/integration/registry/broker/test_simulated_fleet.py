"""`telecare simulate --provision` on a broker that lets in only whom the registry knows: each box is somebody there."""

import json
import stat
from pathlib import Path

import pytest

from services.simulator.population import Population
from tests.blackbox import program
from tests.integration.registry.broker.secured import SERVICE, Secured
from tests.integration.registry.broker.whole import whole_service
from tests.integration.registry.identity.town import OPS
from tests.support.servers import Database, until
from tests.support.stack import RealBroker

pytestmark = pytest.mark.real_stack

BOXES = 12
FLEET = (
    "simulate",
    "--boxes",
    str(BOXES),
    "--for",
    "8s",
    "--interval",
    "1",
)  # each is heard, though the machine stands still


def settings_of(secured: Secured, database: Database, *, token: bool = True) -> dict[str, str]:
    """No user of the broker is among them."""
    here = {"MQTT_URL": f"mqtt://127.0.0.1:{secured.port}", "DATABASE_URL": database.url, "API_URL": secured.url}
    return here | ({"API_TOKEN": OPS} if token else {})


async def test_each_box_fetches_its_own_credential_and_its_alarms_are_stored(
    database: Database, server: RealBroker, tmp_path: Path
) -> None:
    file = tmp_path / "boxes.json"
    async with whole_service(database, server, tmp_path) as secured:
        strangers = await program.run(*FLEET, settings=settings_of(secured, database))
        assert (strangers.code, "not authori" in strangers.output.lower()) == (1, True), strangers.output

        provisioned = (*FLEET, "--provision", "--credentials", str(file))
        ran = await program.run(*provisioned, settings=settings_of(secured, database), timeout_s=90)
        assert ran.code == 0, ran.output
        passwords = json.loads(file.read_text())
        assert passwords.keys() == {each.device_id for each in Population(BOXES)}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not any(password in ran.output for password in (*passwords.values(), SERVICE[1]))
        assert await secured.lets_in("TC-000001", passwords["TC-000001"])
        # A broker has acknowledged what ingest has yet to store.
        await until(lambda: _heard(secured), 60, what="every box to be heard")
        # With the file nobody is asked for anything: there is no token.
        again = await program.run(*provisioned, settings=settings_of(secured, database, token=False), timeout_s=90)
        assert again.code == 0, again.output
        assert json.loads(file.read_text()) == passwords


async def _heard(secured: Secured) -> bool:
    query = "select count(*) as devices from ingest.device_liveness where last_heard_at is not null"
    return await secured.town.rows(query) == [{"devices": BOXES}]


async def test_kept_in_memory_only_they_are_fetched_anew_and_those_before_are_void(
    database: Database, server: RealBroker, tmp_path: Path
) -> None:
    file = tmp_path / "boxes.json"
    async with whole_service(database, server, tmp_path) as secured:
        for more in (("--credentials", str(file)), ()):
            ran = await program.run(*FLEET, "--provision", *more, settings=settings_of(secured, database), timeout_s=90)
            assert ran.code == 0, ran.output
        assert not await secured.lets_in("TC-000001", json.loads(file.read_text())["TC-000001"])


async def test_a_real_device_of_that_name_is_not_touched_and_one_line_says_why(
    database: Database, server: RealBroker, tmp_path: Path
) -> None:
    async with whole_service(database, server, tmp_path) as secured:
        await secured.town.device("TC-000003")  # of another serial
        refused = await program.run(*FLEET, "--provision", settings=settings_of(secured, database), timeout_s=90)
        last = refused.output.splitlines()[-1]
        assert (refused.code, "TC-000003" in last, "409" in last) == (1, True, True), refused.output
        assert "Traceback" not in refused.output
        claims = await secured.town.rows("select 1 from registry.claim where device_id = 'TC-000003'")
        assert claims == []
