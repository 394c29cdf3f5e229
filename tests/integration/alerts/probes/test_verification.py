"""The code that verifies a channel is sent over that very channel, verified or not."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from services.chassis.event_log import LogEntry, append
from tests.blackbox.hub import Receiver
from tests.integration.alerts.world import World

CODE = "493817"


async def ask(world: World, channel_id: str, **fields: Any) -> None:
    """As the registry does, in the transaction that keeps the code's digest."""
    body = {
        "channel_id": channel_id,
        "owner": "hub",
        "hub_id": "clyde-arc",
        "code": CODE,
        "expires_at": (world.clock.now() + timedelta(minutes=15)).isoformat(),
        **fields,
    }
    async with world.database.acquire() as connection:
        await append(connection, [LogEntry("verifications", channel_id, 2, json.dumps(body))], world.clock.now())


async def handle(world: World) -> None:
    while await world.parts.verifications.run_once():
        pass
    await world.settle()


async def channel_of(world: World, hub_id: str) -> str:
    return str(await world.database.fetchval("select channel_id from registry.hub_channel where hub_id = $1", hub_id))


async def backlog(world: World) -> int:
    count: int = await world.database.fetchval("select count(*) from chassis.event_log where stream = 'verifications'")
    return count


@pytest.fixture
async def new(world: World, receiver: Receiver) -> World:
    """A hub whose webhook nobody has verified yet."""
    channel = receiver.channel("clyde-arc")
    await world.hub("clyde-arc", channel["url"], secret=channel["secret"], verified=False)
    return world


async def test_a_code_goes_over_a_channel_that_is_not_verified_yet_once(new: World, receiver: Receiver) -> None:
    channel_id = await channel_of(new, "clyde-arc")
    await ask(new, channel_id)
    await handle(new)
    (told,) = receiver.probes("clyde-arc")
    assert told.data == {
        "channel_id": channel_id,
        "kind": "webhook",
        "hub_id": "clyde-arc",
        "verification_code": CODE,
    }
    assert await backlog(new) == 0
    await handle(new)
    assert len(receiver.probes("clyde-arc")) == 1


async def test_a_code_is_tried_again_until_it_is_worth_nothing(new: World, receiver: Receiver) -> None:
    receiver.clock = new.clock.now
    receiver.break_down("clyde-arc")
    await ask(new, await channel_of(new, "clyde-arc"))
    await handle(new)
    receiver.mend("clyde-arc")
    await new.after(60)
    assert [each.accepted for each in receiver.probes("clyde-arc")] == [False, True]

    receiver.break_down("clyde-arc")
    await ask(new, await channel_of(new, "clyde-arc"))
    await handle(new)
    receiver.mend("clyde-arc")
    await new.after(16 * 60)
    assert [each.accepted for each in receiver.probes("clyde-arc")] == [False, True, False]


async def test_a_responder_gets_his_by_the_way_he_gave(new: World) -> None:
    responder = uuid.uuid4()
    await new.database.execute(
        "insert into registry.responder (responder_id, council_id, position, kind, name_encrypted, address_encrypted, created_at) "
        "values ($1, 'glasgow-city', 0, 'sms', 'x', 'x', now())",
        responder,
    )
    await ask(new, str(responder), owner="responder", hub_id=None)
    await new.parts.verifications.run_once()
    (row,) = await new.database.fetch(
        "select d.*, n.body from alerts.delivery d join alerts.notification n using (notification_id)"
    )
    assert (row["kind"], row["channel"], row["responder_id"], row["hub_id"]) == ("sms", responder, responder, None)
    assert json.loads(row["body"])["data"]["verification_code"] == CODE


@pytest.mark.parametrize(
    "fault",
    [
        {"channel": str(uuid.uuid4())},
        {"channel": str(uuid.uuid4()), "owner": "responder", "hub_id": None},
        {"expires_at": "2026-01-01T00:00:00Z"},
    ],
    ids=["a hub's channel that is gone", "a responder who is gone", "a code that has expired"],
)
async def test_a_code_that_can_reach_nobody_is_dropped(
    new: World, fault: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    channel_id = fault.pop("channel", None) or await channel_of(new, "clyde-arc")
    await ask(new, channel_id, **fault)
    await handle(new)
    assert await backlog(new) == 0
    assert await new.database.fetchval("select count(*) from alerts.delivery") == 0
    assert "verification_not_sent" in capsys.readouterr().out


async def test_a_row_that_holds_no_code_holds_up_no_other_and_no_code_is_ever_logged(
    new: World, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    channel_id = await channel_of(new, "clyde-arc")
    await ask(new, channel_id, code=f"{CODE}0", owner="nobody")
    await ask(new, channel_id)
    for _ in range(8):
        await handle(new)
        new.clock.move(5)
    assert len(receiver.probes("clyde-arc")) == 1
    assert await backlog(new) == 0
    out = capsys.readouterr().out
    assert "verification_unreadable" in out
    assert CODE not in out
