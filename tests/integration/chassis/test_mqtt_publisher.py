"""The publisher: it says whether the broker has the message, soon, and finds its way back."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mqtt5
import pytest
from structlog.testing import capture_logs

from services.chassis.mqtt import (
    Backoff,
    Filter,
    MqttUrl,
    Publisher,
    PublishFailed,
    PublishRefused,
    Session,
    SessionOptions,
)
from services.chassis.mqtt.publisher import _Client
from tests.support.mqtt import Peer, scripted_server
from tests.support.servers import Broker, free_port, until


@asynccontextmanager
async def publisher(url: MqttUrl, **changes: Any) -> AsyncIterator[Publisher]:
    """A publisher that is connected and running."""
    publisher = Publisher(url, "publisher", **changes)
    running = asyncio.create_task(publisher.run())
    try:
        async with asyncio.timeout(60):
            await publisher.wait_connected()
        yield publisher
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def receive(session: Session, count: int) -> list[bytes]:
    payloads: list[bytes] = []
    async with asyncio.timeout(60):
        while len(payloads) < count:
            messages = await session.batch(100)
            session.puback(messages)
            payloads += [message.payload for message in messages]
    return payloads


def quick() -> Backoff:
    return Backoff(0.01, 0.05)


async def test_what_is_published_arrives(broker: Broker) -> None:
    url = MqttUrl.parse(broker.url)
    options = SessionOptions(client_id="hub", filters=(Filter("hub/#"),), receive_max=1_000)
    session = await Session.connect(url, options)
    async with publisher(url) as sender:
        await asyncio.gather(*(sender.publish(f"hub/{n}", b"%d" % n) for n in range(500)))
        await sender.publish("hub/last", b"last", qos=0)
    payloads = await receive(session, 501)
    assert sorted(payloads) == sorted([*(b"%d" % n for n in range(500)), b"last"])
    await session.close()


async def test_it_comes_back_after_the_broker_was_killed_and_says_so_once_each_way(broker: Broker) -> None:
    with capture_logs() as logs:
        async with publisher(MqttUrl.parse(broker.url), backoff=quick()) as sender:
            await sender.publish("a", b"before")
            broker.kill()
            await until(lambda: not sender.connected)
            with pytest.raises(PublishFailed, match="not connected"):
                await sender.publish("a", b"lost")
            broker.start()
            async with asyncio.timeout(60):
                await sender.wait_connected()
            await sender.publish("a", b"after")
    assert [entry["event"] for entry in logs] == [
        "mqtt.publisher.connected",
        "mqtt.publisher.disconnected",
        "mqtt.publisher.connected",
    ]


async def test_many_failed_attempts_are_one_line_that_shows_no_password() -> None:
    waits: list[float] = []

    def record(_low: float, high: float) -> float:
        waits.append(high)
        return 0.0

    url = MqttUrl("127.0.0.1", free_port(), username="telecare", password="s3cret")
    sender = Publisher(url, "publisher", backoff=Backoff(0.2, 10, uniform=record))
    with capture_logs() as logs:
        running = asyncio.create_task(sender.run())
        await until(lambda: len(waits) >= 8)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert waits[:8] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    assert [entry["event"] for entry in logs] == ["mqtt.publisher.disconnected"]
    assert "s3cret" not in str(logs)
    assert not sender.connected


async def test_a_puback_that_refuses_is_an_error() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        packet = await peer.expect(mqtt5.PublishPacket)
        await peer.acknowledge(packet, mqtt5.PubAckReasonCode.NOT_AUTHORIZED)
        packet = await peer.expect(mqtt5.PublishPacket)
        await peer.acknowledge(packet, mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS)
        await peer.hung_up()

    async with scripted_server(script) as server, publisher(server) as sender:
        with pytest.raises(PublishRefused, match="Not authorized"):
            await sender.publish("a", b"")
        await sender.publish("a", b"")  # nobody listens: that is no refusal


async def test_no_puback_in_time_is_a_failure_and_frees_the_slot() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.expect(mqtt5.PublishPacket)
        packet = await peer.expect(mqtt5.PublishPacket)
        await peer.acknowledge(packet)
        await peer.hung_up()

    async with scripted_server(script) as server, publisher(server, in_flight_max=2) as sender, asyncio.timeout(60):
        with pytest.raises(PublishFailed, match="no PUBACK within"):
            await sender.publish("a", b"", timeout_s=0.1)
        await sender.publish("a", b"")


async def test_waiting_for_a_slot_counts_towards_the_timeout() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.hung_up()

    async with scripted_server(script) as server, publisher(server, in_flight_max=1) as sender, asyncio.timeout(60):
        outcomes = await asyncio.gather(
            *(sender.publish("a", b"", timeout_s=0.1) for _ in range(5)), return_exceptions=True
        )
    assert [type(outcome) for outcome in outcomes] == [PublishFailed] * 5


async def test_a_publish_whose_connection_ends_fails_at_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.expect(mqtt5.PublishPacket)

    async with scripted_server(script) as server, publisher(server, backoff=Backoff(60, 60)) as sender:
        async with asyncio.timeout(60):
            with pytest.raises(PublishFailed, match="connection lost"):
                await sender.publish("a", b"", timeout_s=600)


async def test_retain_and_expiry_reach_the_broker_and_no_session_is_kept() -> None:
    seen: list[mqtt5.Packet] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.welcome())
        for _ in range(2):
            packet = await peer.expect(mqtt5.PublishPacket)
            seen.append(packet)
            await peer.acknowledge(packet)
        await peer.hung_up()

    async with scripted_server(script) as server, publisher(server) as sender:
        await sender.publish("a", b"x", retain=True, expiry_s=90)
        await sender.publish("a", b"y")
    hello, lasting, plain = seen
    assert isinstance(hello, mqtt5.ConnectPacket)
    assert isinstance(lasting, mqtt5.PublishPacket)
    assert isinstance(plain, mqtt5.PublishPacket)
    assert (hello.client_id, hello.clean_start, hello.session_expiry_interval) == ("publisher", True, 0)
    assert (lasting.retain, lasting.message_expiry_interval) == (True, 90)
    assert (plain.retain, plain.message_expiry_interval) == (False, None)


async def test_a_refused_login_is_tried_again() -> None:
    attempts = 0

    async def script(peer: Peer) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            await peer.expect(mqtt5.ConnectPacket)
            await peer.send(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.SERVER_BUSY))
        else:
            await peer.welcome()
            await peer.hung_up()

    async with scripted_server(script) as server, publisher(server, backoff=quick()) as sender:
        assert sender.connected
        assert attempts == 3


async def test_a_connection_that_ends_before_there_is_room_to_write_is_no_fault_of_ours() -> None:
    """Nor may what is written go to whoever has the socket's number by then."""
    loop, faults = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    client = _Client("127.0.0.1")
    ours, theirs = socket.socketpair()
    with theirs:
        client._on_socket_register_write(client._client, None, ours)
        ours.close()
        await asyncio.sleep(0)
    assert faults == []
