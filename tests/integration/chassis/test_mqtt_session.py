"""The session on a real broker: nothing un-acknowledged is lost, nothing acknowledged comes twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from services.chassis.mqtt import (
    Disconnected,
    DisconnectReason,
    Filter,
    Message,
    MqttUrl,
    Session,
    SessionOptions,
    connection,
)
from tests.support.mqtt import publish_all
from tests.support.servers import Broker, real_stack, until

TOPIC = "telecare/v1/devices/glasgow-city/TC-000123/alarm"
OPTIONS = SessionOptions(
    client_id="ingest-alarm-0", filters=(Filter("telecare/v1/devices/+/+/alarm"),), receive_max=100
)

Connect = Callable[..., Awaitable[Session]]


@pytest.fixture
async def connect(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """Connects sessions, and hangs up whatever the test leaves open; a broker that stands still is waited for."""
    monkeypatch.setattr(connection, "_CLOSE_S", 60.0)
    async with AsyncExitStack() as opened:

        async def connect(options: SessionOptions = OPTIONS) -> Session:
            session = await Session.connect(MqttUrl.parse(broker.url), options)
            opened.push_async_callback(session.close)
            return session

        yield connect


def numbered(first: int, end: int) -> list[bytes]:
    return [b"%d" % n for n in range(first, end)]


async def take(session: Session, count: int) -> list[Message]:
    """Exactly so many, un-acknowledged."""
    messages: list[Message] = []
    async with asyncio.timeout(60):
        while len(messages) < count:
            messages += await session.batch(count - len(messages))
    return messages


def payloads(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


async def test_what_was_not_acknowledged_comes_again_in_order_after_an_aborted_connection(
    broker: Broker, connect: Connect
) -> None:
    session = await connect()
    await publish_all(broker.url, TOPIC, numbered(0, 120))
    messages = await take(session, 100)  # our receive_max, and rumqttd's own
    session.puback(messages[:20])
    await take(session, 20)  # so the broker has read all twenty PUBACKs
    session.abort()

    again = await take(await connect(), 100)
    assert payloads(again) == numbered(20, 120)


async def test_a_closed_session_collects_messages_until_it_connects_again(broker: Broker, connect: Connect) -> None:
    session = await connect()
    assert not session.session_present
    await session.close()
    await publish_all(broker.url, TOPIC, numbered(0, 150))

    session = await connect()
    assert session.session_present
    messages: list[Message] = []
    async with asyncio.timeout(60):
        while len(messages) < 150:  # more than one receive_max: acknowledging is what lets the rest through
            batch = await session.batch(30)
            session.puback(batch)
            messages += batch
    assert payloads(messages) == numbered(0, 150)
    await session.close()

    session = await connect()
    await publish_all(broker.url, TOPIC, [b"only this"])
    assert payloads(await take(session, 1)) == [b"only this"]


async def test_a_batch_gathers_what_comes_while_it_lingers(broker: Broker, connect: Connect) -> None:
    session = await connect()
    await publish_all(broker.url, TOPIC, numbered(0, 1))
    async with asyncio.TaskGroup() as group:
        batch = group.create_task(session.batch(5, linger_s=30))
        await publish_all(broker.url, TOPIC, numbered(1, 5))
    assert payloads(batch.result()) == numbered(0, 5)


async def test_a_batch_that_does_not_fill_ends_with_its_linger(broker: Broker, connect: Connect) -> None:
    session = await connect()
    await publish_all(broker.url, TOPIC, numbered(0, 1))
    async with asyncio.timeout(60):
        assert payloads(await session.batch(5, linger_s=0.05)) == numbered(0, 1)


async def test_whoever_takes_the_client_id_gets_all_that_the_older_connection_owed(
    broker: Broker, connect: Connect
) -> None:
    older = await connect()
    await publish_all(broker.url, TOPIC, numbered(0, 10))
    owed = await take(older, 10)

    newer = await connect()
    async with asyncio.timeout(60):
        with pytest.raises(Disconnected) as end:
            await older.batch(1)
    # rumqttd hangs up without a word.
    expected = DisconnectReason.SESSION_TAKEN_OVER if real_stack() else DisconnectReason.CONNECTION_LOST
    assert end.value.reason is expected
    assert older.disconnected.is_set()

    older.puback(owed)  # does nothing, least of all on the newer connection
    again = await take(newer, 10)
    assert payloads(again) == numbered(0, 10)
    newer.abort()
    assert payloads(await take(await connect(), 10)) == numbered(0, 10)


async def test_messages_are_acknowledged_in_the_order_of_arrival_or_not_at_all(
    broker: Broker, connect: Connect
) -> None:
    session = await connect()
    await publish_all(broker.url, TOPIC, numbered(0, 6))
    messages = await take(session, 6)
    for wrong in (messages[1:], messages[::-1], [*messages, messages[0]]):
        with pytest.raises(ValueError, match="order of arrival"):
            session.puback(wrong)
    session.abort()

    session = await connect()
    again = await take(session, 6)
    with pytest.raises(ValueError, match="order of arrival"):
        session.puback(messages)  # the same packet ids, of the connection before
    session.puback(again[:2])
    session.puback(again[2:])
    assert session.unacknowledged == 0


async def test_a_message_at_qos_0_has_no_packet_id_and_needs_no_acknowledgement(
    broker: Broker, connect: Connect
) -> None:
    # rumqttd delivers at the QoS of the subscription, so only one at QoS 0 is the same on every broker.
    options = SessionOptions(client_id="c", filters=(Filter("sure"), Filter("hasty", qos=0)), receive_max=10)
    session = await connect(options)
    for topic, qos in (("sure", 1), ("hasty", 0), ("sure", 1)):
        await publish_all(broker.url, topic, [topic.encode()], qos=qos)
    messages = await take(session, 3)
    assert [(m.payload, m.packet_id is None) for m in messages] == [
        (b"sure", False),
        (b"hasty", True),
        (b"sure", False),
    ]
    session.puback(messages)
    assert session.unacknowledged == 0
    await session.close()

    session = await connect(options)
    await publish_all(broker.url, "sure", [b"next"])
    assert payloads(await take(session, 1)) == [b"next"]


@pytest.mark.real_stack
async def test_a_device_that_sends_at_qos_0_is_heard_on_a_subscription_at_qos_1(
    broker: Broker, connect: Connect
) -> None:
    session = await connect()
    await publish_all(broker.url, TOPIC, [b"hasty"], qos=0)
    [hasty] = await take(session, 1)
    assert (hasty.payload, hasty.packet_id) == (b"hasty", None)


async def test_a_retained_message_is_marked_and_one_from_now_on_can_be_told_from_it(
    broker: Broker, connect: Connect
) -> None:
    await publish_all(broker.url, TOPIC, [b"old"], retain=True)
    session = await connect()
    [old] = await take(session, 1)
    assert (old.payload, old.retain) == (b"old", True)
    await publish_all(broker.url, TOPIC, [b"live"])
    [live] = await take(session, 1)
    assert (live.payload, live.retain) == (b"live", False)


async def test_several_filters_bring_the_messages_of_each(broker: Broker, connect: Connect) -> None:
    options = SessionOptions(client_id="several", filters=(Filter("a/+"), Filter("b/#", qos=0)), receive_max=10)
    session = await connect(options)
    for topic in ("a/1", "b/2/3", "c/4"):
        await publish_all(broker.url, topic, [topic.encode()])
    messages = await take(session, 2)
    assert {(m.topic, int(m.qos)) for m in messages} == {("a/1", 1), ("b/2/3", 0)}


async def test_nothing_is_lost_when_the_reader_is_slower_than_the_fleet(broker: Broker, connect: Connect) -> None:
    session = await connect(SessionOptions(client_id="slow", filters=(Filter("fleet"),), receive_max=10))
    await publish_all(broker.url, "fleet", [b"%05d" % n + b"x" * 2_000 for n in range(500)])
    received: list[int] = []
    async with asyncio.timeout(60):
        while len(received) < 500:
            batch = await session.batch(7)
            received += [int(message.payload[:5]) for message in batch]
            session.puback(batch)
    assert received == list(range(500))


async def test_a_broker_that_dies_ends_the_connection(broker: Broker, connect: Connect) -> None:
    session = await connect()
    broker.kill()
    async with asyncio.timeout(60):
        with pytest.raises(Disconnected) as end:
            await session.batch(1)
    assert end.value.reason is DisconnectReason.CONNECTION_LOST
    broker.start()
    await until(lambda: broker.running)
    assert not (await connect()).session_present or real_stack()  # Mosquitto may have saved it, rumqttd never does
