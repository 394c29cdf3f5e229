"""A key that does not read what is stored: nobody can be told of an alarm, and readiness says so before one comes."""

import uuid
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.alerts.sealed import Sealed
from services.chassis.secrets import Vault
from tests.blackbox.api import Answer
from tests.blackbox.hub import Receiver
from tests.integration.alerts.running import add_hub, run_alerts
from tests.integration.alerts.world import World
from tests.support.servers import Broker, Database, until

RESTORE = "put back the key"


async def test_whoever_starts_with_another_key_is_not_ready_and_says_what_to_do(
    database: Database, broker: Broker, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await add_hub(connection, "clyde-arc", "glasgow-city", webhook=receiver.channel("clyde-arc"))
    finally:
        await connection.close()
    async with run_alerts(database, broker, tmp_path) as installation:
        sound = await installation.api.get("/readyz")
        assert RESTORE not in str(sound.body)
    another = Vault("a key that was made anew")
    monkeypatch.setattr(Vault, "from_settings", classmethod(lambda _cls, _settings: another))
    async with run_alerts(database, broker, tmp_path) as installation:

        async def says_so() -> Answer | None:  # what takes longer than three seconds is only said not to have ended
            answer = await installation.api.get("/readyz")
            return answer if "does not read what is stored of 1 of 1 channels" in str(answer.body) else None

        answer = await until(says_so)
        assert answer.status == 503
        assert RESTORE in str(answer.body)


async def test_only_what_somebody_is_told_by_counts_and_it_is_said_once(world: World) -> None:
    another, here = Vault("a key that was made anew"), world.parts.sealed
    strange = another.encrypt(b"+447700900123")

    async def responder(verified: bool) -> None:
        await world.database.execute(
            "insert into registry.responder (responder_id, council_id, position, name_encrypted, kind, address_encrypted, "
            "verified_at, created_at) values ($1, 'glasgow-city', 0, $2, 'sms', $2, case when $3 then now() end, now())",
            *(uuid.uuid4(), strange, verified),
        )

    await world.hub("clyde-arc", "https://clyde.example/", mqtt=True)
    await responder(verified=False)
    assert await here.check() is None
    await responder(verified=True)
    with capture_logs() as logged:
        await here.run_once()
        await here.run_once()
    assert [line["event"] for line in logged] == ["secrets_unreadable"]
    assert "1 of 1 responders" in (await here.check() or "")
    mistaken = Sealed(world.database, another)
    assert "1 of 1 channels: they cannot be told" in (await mistaken.check() or "")
    await world.database.execute("update registry.responder set verified_at = null")
    await here.run_once()
    assert await here.check() is None
