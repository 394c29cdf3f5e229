"""The connection of one box, against a scripted server: for what no real broker does on demand."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime

import mqtt5
import pytest

from services.chassis.mqtt import (
    ConnectFailed,
    ConnectionRefused,
    Disconnected,
    MqttError,
    MqttUrl,
    SubscriptionRefused,
)
from services.simulator import line as simulated_line
from services.simulator.device import Device
from services.simulator.line import Line, open_line
from services.simulator.messages import Outgoing
from services.simulator.population import Population
from tests.support.mqtt import Peer, scripted_server
from tests.support.servers import free_port, until

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
ALARM = Outgoing(lane="alarm", payload=b"{}")
_GRANTED = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE


def box() -> Device:
    return Device(Population(1)[0], now=NOW, rng=random.Random(1))


async def answer_subscription(peer: Peer, *codes: mqtt5.SubAckReasonCode) -> mqtt5.SubscribePacket:
    asked = await peer.expect(mqtt5.SubscribePacket)
    await peer.send(mqtt5.SubAckPacket(asked.packet_id, list(codes)))
    return asked


async def test_a_box_connects_as_the_contract_says_and_asks_for_receipts_and_commands() -> None:
    said: asyncio.Future[tuple[mqtt5.ConnectPacket, mqtt5.SubscribePacket]] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        hello = await peer.welcome()
        said.set_result((hello, await answer_subscription(peer, _GRANTED, _GRANTED)))
        await peer.expect(mqtt5.DisconnectPacket)

    device = box()
    async with scripted_server(script) as server:
        url = MqttUrl(server.host, server.port, username="TC-000001", password="pä55")
        async with open_line(url, device, NOW):
            pass
    hello, asked = said.result()
    will = hello.will
    assert (hello.client_id, hello.username, hello.password) == ("TC-000001", "TC-000001", "pä55".encode())
    assert (hello.clean_start, hello.session_expiry_interval, hello.keep_alive) == (False, 604_800, 30)
    assert will is not None
    home = will.topic.removesuffix("/status")
    assert (will.topic, will.payload, will.qos, will.retain) == (
        f"{home}/status", device.will(NOW).payload, mqtt5.QoS.AT_LEAST_ONCE, True,
    )  # fmt: skip
    assert [each.pattern for each in asked.topic_filters] == [f"{home}/receipt", f"{home}/command"]
    assert all(each.max_qos == mqtt5.QoS.AT_LEAST_ONCE for each in asked.topic_filters)


async def test_what_the_broker_refuses_does_not_count_as_sent() -> None:
    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        for code in (mqtt5.PubAckReasonCode.NOT_AUTHORIZED, mqtt5.PubAckReasonCode.SUCCESS):
            await peer.acknowledge(await peer.expect(mqtt5.PublishPacket), code)
        await peer.hung_up()

    async with scripted_server(script) as url, open_line(url, box(), NOW) as line:
        assert not await line.say(ALARM)
        assert await line.say(ALARM)


async def test_a_receipt_that_the_box_has_heeded_is_acknowledged() -> None:
    heeded: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        for number in (1, 2):
            await peer.send(mqtt5.PublishPacket("t", b"%d" % number, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number))
            assert (await peer.expect(mqtt5.PubAckPacket)).packet_id == number
            assert heeded[-1] == b"%d" % number

    async with scripted_server(script) as url, open_line(url, box(), NOW) as line:
        with pytest.raises(Disconnected):
            await hear(line, heeded.append)


async def test_a_cut_line_says_no_goodbye() -> None:
    ended: list[mqtt5.Packet | None] = []

    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        try:
            ended.append(await peer.read())
        except ConnectionError:
            ended.append(None)

    async with scripted_server(script) as url:
        async with open_line(url, box(), NOW) as line:
            line.cut()
        await until(lambda: ended)
    assert ended == [None]


async def test_a_kept_session_waits_for_no_suback() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(session_present=True)
        await peer.expect(mqtt5.SubscribePacket)
        await peer.acknowledge(await peer.expect(mqtt5.PublishPacket))
        await peer.hung_up()

    async with scripted_server(script) as url, open_line(url, box(), NOW) as line:
        assert await line.say(ALARM)


async def test_a_broker_that_refuses_the_box_its_receipts_or_is_not_there_is_an_error() -> None:
    async def refuses(peer: Peer) -> None:
        await peer.welcome()
        await answer_subscription(peer, _GRANTED, mqtt5.SubAckReasonCode.NOT_AUTHORIZED)
        await peer.hung_up()

    async def sends_away(peer: Peer) -> None:
        await peer.expect(mqtt5.ConnectPacket)
        await peer.send(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED))
        await peer.hung_up()

    async with scripted_server(refuses) as url:
        with pytest.raises(SubscriptionRefused, match=r"command.*not authorized"):
            await try_out(url)
    async with scripted_server(sends_away) as url:
        with pytest.raises(ConnectionRefused, match="not authorized"):
            await try_out(url)
    with pytest.raises(ConnectFailed, match="refused"):
        await try_out(MqttUrl("127.0.0.1", free_port()))


async def test_a_broker_that_does_not_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        await peer.hung_up()

    async with scripted_server(script) as url, open_line(url, box(), NOW) as line:
        monkeypatch.setattr(simulated_line, "TIMEOUT_S", 0.2)  # only now: it had to answer that the line stands
        with pytest.raises(MqttError, match="PubAckPacket"):
            await line.say(ALARM)


async def hear(line: Line, heed: Callable[[bytes], None]) -> None:
    async for message in line.messages():
        heed(message.payload or b"")


async def try_out(url: MqttUrl) -> None:
    async with open_line(url, box(), NOW):
        pass
