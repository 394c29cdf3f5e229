"""E-mail and text go out beside the ladder: they stop none of its steps, and hold up nobody."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World, make_world
from tests.support.mail import MailServer
from tests.support.servers import Database, until
from tests.unit.alerts.build import event

MAILBOXES = 300  # more than the dispatcher sends at once


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    server = MailServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def world(database: Database, tmp_path: Path, mail: MailServer) -> AsyncIterator[World]:
    settings: dict[str, Any] = {"smtp_url": SecretStr(mail.url), "email_from": "Telecare <telecare@council.example>"}
    async with make_world(database, tmp_path, **settings) as made:
        yield made


async def add_mailboxes(world: World, hub_id: str, count: int) -> None:
    await world.database.executemany(
        "insert into registry.hub_channel (channel_id, hub_id, kind, address_encrypted, verified_at, position) "
        "values ($1, $2, 'email', $3, $4, $5)",
        [
            (uuid.uuid4(), hub_id, world.vault.encrypt(f"n{n}@council.example".encode()), world.clock.now(), n + 1)
            for n in range(count)
        ],
    )


async def test_an_alarm_is_mailed_and_its_hub_still_has_to_be_told(
    world: World, receiver: Receiver, mail: MailServer
) -> None:
    channel = receiver.channel("clyde-arc")
    await world.hub("clyde-arc", channel["url"], secret=channel["secret"])
    await world.route("glasgow-city", "clyde-arc")
    await add_mailboxes(world, "clyde-arc", 1)
    await world.register("TC-000123")
    receiver.plan("TC-000123", 503)
    await world.press()
    assert [each.to for each in mail.mails] == ["n0@council.example"]
    assert "GLA-4711" in mail.mails[0].text
    assert (await world.alarm())["notified_at"] is None
    await world.after(2)
    assert (await world.alarm())["notified_at"] is not None
    assert len(mail.mails) == 1


async def test_a_mail_server_that_hangs_delays_no_webhook(world: World, receiver: Receiver, mail: MailServer) -> None:
    for hub, council in (("clyde-arc", "glasgow-city"), ("forth-arc", "fife")):
        channel = receiver.channel(hub)
        await world.hub(hub, channel["url"], secret=channel["secret"])
        await world.route(council, hub)
    await add_mailboxes(world, "clyde-arc", MAILBOXES)
    await world.register("TC-000123")
    world.parts.ways.mail._timeout_s = 600.0  # and not ten: whoever waited for it would wait for longer than the test
    never = asyncio.Event()
    mail.plan("DATA", *[never] * MAILBOXES)
    await world.tell(event(received_at=world.clock.now()))
    await world.parts.consumer.run_once()
    # Whatever else decides between two that are due: all mail comes before the webhook.
    later = "update alerts.delivery set due_at = due_at + interval '1 ms' where kind = 'webhook'"
    assert await world.database.execute(later) == "UPDATE 1"
    world.clock.move(0.01)
    working = asyncio.create_task(keep_sending(world))
    try:
        await receiver.told("TC-000123")
        await until(mail.reached.is_set, what="the mail server to hang")  # it is said more before that than to a hub
        await until(lambda: each_mail_was_begun(world), what="the places of mail that waits to be free for others")
        await world.tell(event(device_id="TC-FIFE", council_id="fife", received_at=world.clock.now()))
        assert await world.parts.consumer.run_once() == 1
        await receiver.told("TC-FIFE")
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def each_mail_was_begun(world: World) -> bool:
    left = "select count(*) from alerts.delivery where kind = 'email' and attempts = 0"
    return bool(await world.database.fetchval(left) == 0)


async def keep_sending(world: World) -> None:
    while True:
        if not await world.parts.dispatcher.run_once():
            await asyncio.sleep(0.02)
