"""Notify's callbacks: what they bring about, and who may send them."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from pydantic import SecretStr

from services.alerts.channels.sms.receipts import QUERIES
from services.alerts.service import build
from services.chassis.postgres import Connection
from services.chassis.run import running
from services.chassis.secrets import Vault
from tests.blackbox.api import Api
from tests.blackbox.hub import Receiver
from tests.integration.alerts.running import OPS, SECRET_KEY, Installation, add_hub, settings_for
from tests.support.notify import NotifyServer
from tests.support.servers import Broker, Database, until

TOKEN = "a-callback-token-of-the-tests"


@dataclass
class Town:
    """Alerts, running; a hub that is told by webhook and by text."""

    alerts: Installation
    notify: NotifyServer
    url: str  # of the callbacks

    async def text(self) -> dict[str, Any] | None:
        row = await self.alerts.database.fetchrow("select * from alerts.delivery where kind = 'sms'")
        return dict(row) if row else None

    async def texted(self) -> str:
        """Press a pendant; returns the device's id when Notify has the text and we have its reference."""
        device_id = await self.alerts.press()

        async def known() -> bool:
            text = await self.text()
            return text is not None and text["provider_reference"] is not None

        await until(known, what="a text that Notify has taken")
        await self.asks_only_when_called()
        return device_id

    async def asks_only_when_called(self) -> None:
        """Notify would be asked anyway, nine seconds after it took a text: whatever comes of it now is the callback's doing."""

        async def put_off() -> bool:  # not while it is being asked
            done = await self.alerts.database.execute(
                "update alerts.delivery set due_at = due_at + interval '1 hour' where kind = 'sms' and lease_token is null"
            )
            return bool(done == "UPDATE 1")

        await until(put_off)

    async def attempts(self) -> int:
        """How often Notify was sent the text, or asked about it."""
        return int(await self.alerts.database.fetchval("select attempts from alerts.delivery where kind = 'sms'"))

    async def became(self, state: str) -> dict[str, Any]:
        async def there() -> dict[str, Any] | None:
            text = await self.text()
            return text if text is not None and text["state"] == state else None

        return await until(there, what=f"a text that is {state}")


@pytest.fixture
async def town(database: Database, broker: Broker, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Town]:
    notify = NotifyServer()
    await notify.start()
    connection = await asyncpg.connect(database.url)
    await add_hub(connection, "clyde-arc", "glasgow-city", webhook=receiver.channel("clyde-arc"))
    await add_text_channel(connection, "clyde-arc", "+447900900123")
    settings = settings_for(database.url, broker.url, tmp_path).model_copy(
        update={
            "notify_api_key": SecretStr(notify.api_key),
            "notify_url": notify.url,
            "notify_template_id": uuid.UUID(notify.template_id),
            "notify_callback_token": SecretStr(TOKEN),
        }
    )
    async with running(settings, [build]) as process, aiohttp.ClientSession() as http:
        await process.runtime.publisher.wait_connected()
        installation = Installation(process, connection, Api(http, process.url, OPS))
        yield Town(installation, notify, f"{process.url}/api/v1/notify/receipts")
    await connection.close()
    await notify.stop()


async def add_text_channel(connection: Connection, hub_id: str, number: str) -> None:
    await connection.execute(
        "insert into registry.hub_channel (channel_id, hub_id, kind, address_encrypted, verified_at, position) "
        "values ($1, $2, 'sms', $3, now(), 1)",
        *(uuid.uuid4(), hub_id, Vault(SECRET_KEY).encrypt(number.encode())),
    )


async def test_a_callback_has_notify_asked_at_once_what_became_of_a_text(town: Town) -> None:
    await town.texted()
    before = await town.attempts()
    town.notify.advance("delivered")
    assert await town.notify.call_back(town.url, TOKEN) == 204
    text = await town.became("delivered")
    assert text["attempts"] == before + 1  # asked
    assert len(town.notify.texts) == 1


async def test_a_number_that_nobody_has_is_known_at_once(town: Town) -> None:
    await town.texted()
    town.notify.advance("permanent-failure")
    assert await town.notify.call_back(town.url, TOKEN) == 204
    assert (await town.became("failed"))["last_error"] == "Notify: permanent-failure"


async def test_a_text_that_arrived_is_no_hub_that_was_told(town: Town, receiver: Receiver) -> None:
    receiver.plan("TC-NOBODY", *[503] * 50)
    device_id = await town.alerts.press(device_id="TC-NOBODY")
    await until(lambda: town.notify.texts, what="a text")

    async def known() -> bool:
        text = await town.text()
        return text is not None and text["provider_reference"] is not None

    await until(known)
    await town.asks_only_when_called()
    town.notify.advance("delivered")
    await town.notify.call_back(town.url, TOKEN)
    await town.became("delivered")
    alarm = await town.alerts.alarm(device_id)
    assert (alarm["notified_at"], alarm["state"]) == (None, "open")


async def test_a_callback_that_claims_what_notify_does_not_say_achieves_nothing(town: Town) -> None:
    await town.texted()
    before = await town.attempts()
    town.notify.advance("sending")
    assert await town.notify.call_back(town.url, TOKEN, status="delivered") == 204

    async def asked() -> bool:
        text = await town.text()
        return text is not None and text["attempts"] > before and text["lease_token"] is None

    await until(asked)
    text = await town.text()
    assert text is not None
    assert text["state"] == "pending"


async def test_without_its_token_a_callback_is_not_taken(town: Town) -> None:
    await town.texted()
    for token in ("", "another", TOKEN + "x", OPS):
        assert await town.notify.call_back(town.url, token) == 401
        assert await town.notify.call_back(town.url, token, id="no id") == 401  # before anything else is looked at


async def test_a_callback_about_no_text_of_ours_is_no_error_and_one_about_nothing_is(town: Town) -> None:
    await town.texted()
    assert await town.notify.call_back(town.url, TOKEN, id=str(uuid.uuid4())) == 204
    assert await town.notify.call_back(town.url, TOKEN, id="no id") == 422


async def test_the_token_of_callbacks_opens_nothing_else(town: Town) -> None:
    answer = await town.alerts.api.by(TOKEN).get("/api/v1/alarms")
    assert answer.status == 401


async def test_a_callback_finds_its_text_by_index_however_many_there_were(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    await connection.execute(
        """
        insert into alerts.notification (notification_id, type, timestamp, body)
        select 'msg_' || n, 'hub.probe', now(), '{}' from generate_series(1, 5000) as n;
        insert into alerts.delivery (notification_id, kind, channel, hub_id, priority, due_at, created_at, provider_reference)
        select 'msg_' || n, 'sms', gen_random_uuid(), 'clyde-arc', 5, now(), now(), gen_random_uuid()::text
        from generate_series(1, 5000) as n;
        analyze;
        """
    )
    await connection.execute(f"set plan_cache_mode = force_generic_plan; prepare hasten as {QUERIES['hasten']}")
    plan = await connection.fetch("explain execute hasten ('x', now())")
    assert "delivery_reference" in "\n".join(row[0] for row in plan)
    await connection.close()
