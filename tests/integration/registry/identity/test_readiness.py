"""`/readyz` of the registry: units can ask it for their credential, and its database is there."""

import aiohttp
import asyncpg
import pytest

from tests.integration.registry.identity.town import Town
from tests.support.servers import Broker, Database, until


@pytest.fixture(autouse=True)
def patient_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.chassis.http.readiness.CHECK_TIMEOUT_S", 60.0)


async def failing(town: Town) -> list[str]:
    """What it says is missing; its HTTP status says the same."""
    assert town.process is not None
    async with aiohttp.ClientSession() as http, http.get(f"{town.process.url}/readyz") as answer:
        reasons = [each["reason"] for each in (await answer.json())["failing"]]
        assert answer.status == (503 if reasons else 200)
        return reasons


async def test_a_registry_that_no_unit_can_ask_is_not_ready_until_it_is_subscribed_again(
    town: Town, broker: Broker
) -> None:
    """An engineer would stand in a hallway before a box that nobody answers, and a service that says it is well."""

    async def ready() -> bool:
        return await failing(town) == []

    async def says_so() -> bool:
        return any(reason.startswith("Shard provisioning ") for reason in await failing(town))

    await until(ready, what="readiness")
    broker.kill()
    await until(says_so, what="/readyz to say that nobody hears the units")
    broker.start()
    await until(ready, what="readiness, with the broker back")


async def test_a_database_that_is_not_migrated_is_told_with_what_to_do(town: Town, database: Database) -> None:
    connection = await asyncpg.connect(database.url)

    async def is_dropped() -> bool:
        """Unless one of the registry's loops, which all run, is in the midst of its tables."""
        try:
            await connection.execute("drop schema registry cascade")
        except asyncpg.DeadlockDetectedError:
            return False
        return True

    await until(is_dropped)
    await connection.close()
    assert "The database is not migrated: run `telecare migrate`." in await failing(town)
