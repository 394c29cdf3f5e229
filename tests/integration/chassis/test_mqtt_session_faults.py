"""The session against a server that misbehaves: a scripted one, for what no real broker does on demand."""

import asyncio
from pathlib import Path
from typing import Any

import mqtt5
import pytest

from services.chassis.mqtt import (
    ConnectFailed,
    ConnectionRefused,
    Disconnected,
    DisconnectReason,
    Filter,
    MqttUrl,
    Session,
    SessionOptions,
    SubscriptionRefused,
    connection,
)
from tests.support.certificates import self_signed
from tests.support.mqtt import Peer, scripted_server
from tests.support.servers import free_port, until


def options(**changes: Any) -> SessionOptions:
    return SessionOptions(**{"client_id": "c", "filters": (Filter("a/+"), Filter("b")), "receive_max": 10, **changes})


def publish(number: int, *, qos: int = 1, size_bytes: int = 0) -> mqtt5.PublishPacket:
    return mqtt5.PublishPacket(
        "a/b",
        b"%d " % number + b"x" * size_bytes,
        qos=mqtt5.QoS(qos),
        packet_id=number % 65_535 + 1 if qos else None,
    )


async def end_of(session: Session) -> Disconnected:
    async with asyncio.timeout(60):
        with pytest.raises(Disconnected) as end:
            await session.batch(1)
    return end.value


async def test_connect_says_who_we_are_and_what_we_can_bear() -> None:
    hello: asyncio.Future[mqtt5.ConnectPacket] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        hello.set_result(await peer.serve_subscription())
        await peer.hung_up()

    async with scripted_server(script) as server:
        url = MqttUrl(server.host, server.port, username="ingest", password="pä55")
        session = await Session.connect(url, options(receive_max=77, session_expiry_s=604_800, keep_alive_s=9))
        await session.close()
    packet = hello.result()
    assert (packet.client_id, packet.username, packet.password) == ("c", "ingest", "pä55".encode())
    assert (packet.clean_start, packet.session_expiry_interval) == (False, 604_800)
    assert (packet.receive_max, packet.keep_alive, packet.max_packet_size) == (77, 9, 1 << 20)


async def test_closing_says_so_and_leaves_the_expiry_alone() -> None:
    said: asyncio.Future[mqtt5.DisconnectPacket] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        said.set_result(await peer.expect(mqtt5.DisconnectPacket))

    async with scripted_server(script) as server:
        session = await Session.connect(server, options())
        await session.close()
        await session.close()
        assert (await end_of(session)).reason is DisconnectReason.CLOSED
        goodbye = await asyncio.wait_for(said, 60)
    assert goodbye.reason_code is mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION
    assert goodbye.session_expiry_interval is None


async def test_closed_means_that_the_server_has_read_every_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """A successor with our client id would otherwise be sent again what we had acknowledged."""
    monkeypatch.setattr(connection, "_CLOSE_S", 60.0)  # while the machine stands still, the server reads nothing
    acknowledged: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        await peer.send(*(publish(number) for number in range(10)))
        while isinstance(packet := await peer.read(), mqtt5.PubAckPacket):
            acknowledged.append(packet.packet_id)
            await asyncio.sleep(0.01)  # the server is busy with other clients

    async with scripted_server(script) as server, asyncio.timeout(60):
        session = await Session.connect(server, options())
        messages = await session.batch(10, linger_s=60)
        session.puback(messages)
        await session.close()
        assert acknowledged == list(range(1, 11))


async def test_closing_does_not_wait_for_ever_for_a_server_that_neither_reads_nor_hangs_up() -> None:
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        await peer.send(*(publish(number) for number in range(1_000)))
        await over.wait()

    async with scripted_server(script) as server, asyncio.timeout(60):
        session = await Session.connect(server, options())
        await session.batch(1)
        await session.close()
        over.set()


async def test_a_refused_connection_names_the_reason() -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(mqtt5.ConnectPacket)
        await peer.send(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD))
        await peer.hung_up()

    async with scripted_server(script) as server:
        with pytest.raises(ConnectionRefused) as refusal:
            await Session.connect(server, options())
    assert refusal.value.reason == "bad_user_name_or_password"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (mqtt5.SubAckReasonCode.NOT_AUTHORIZED, "not_authorized"),
        (mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE, "granted_qos_at_most_once"),
    ],
)
async def test_a_refused_or_weakened_subscription_names_the_filter(answer: mqtt5.SubAckReasonCode, reason: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        asked = await peer.expect(mqtt5.SubscribePacket)
        await peer.send(mqtt5.SubAckPacket(asked.packet_id, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE, answer]))
        await peer.hung_up()

    async with scripted_server(script) as server:
        with pytest.raises(SubscriptionRefused) as refusal:
            await Session.connect(server, options())
    assert (refusal.value.pattern, refusal.value.reason) == ("b", reason)


async def test_the_backlog_of_a_kept_session_is_handed_out_before_its_suback() -> None:
    """rumqttd sends a hundred messages, and then nothing, not even the SUBACK, until some are acknowledged."""

    async def script(peer: Peer) -> None:
        await peer.welcome(session_present=True)
        asked = await peer.expect(mqtt5.SubscribePacket)
        await peer.send(*(publish(number) for number in range(100)))
        for number in range(100):
            assert (await peer.expect(mqtt5.PubAckPacket)).packet_id == number + 1
        await peer.send(mqtt5.SubAckPacket(asked.packet_id, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED] * 2))
        await peer.hung_up()

    async with scripted_server(script) as server, asyncio.timeout(60):
        session = await Session.connect(server, options())
        for _ in range(100):
            session.puback(await session.batch(1))
        end = await end_of(session)
    assert end.reason is DisconnectReason.SUBSCRIPTION_REFUSED
    assert "'a/+': not_authorized" in end.detail


async def test_nobody_listening_is_a_failure_to_connect() -> None:
    with pytest.raises(ConnectFailed, match=r"mqtt://127\.0\.0\.1"):
        await Session.connect(MqttUrl("127.0.0.1", free_port()), options())


@pytest.mark.parametrize("answers", [0, 1])
async def test_a_server_that_does_not_answer_is_a_failure_to_connect_in_time(answers: int) -> None:
    hung_up = asyncio.Event()

    async def script(peer: Peer) -> None:
        try:
            if answers:
                await peer.welcome()
            await peer.hung_up()
        finally:  # also when it gave up before it had said anything
            hung_up.set()

    async with scripted_server(script) as server, asyncio.timeout(60):
        with pytest.raises(ConnectFailed, match="no answer in time"):
            await Session.connect(server, options(connect_timeout_s=0.1))
        await hung_up.wait()


async def test_a_cancelled_connect_leaves_no_connection_behind() -> None:
    reached, hung_up = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.welcome()
        reached.set()
        await peer.hung_up()
        hung_up.set()

    async with scripted_server(script) as server, asyncio.timeout(60):
        connecting = asyncio.create_task(Session.connect(server, options()))
        await reached.wait()
        connecting.cancel()
        await hung_up.wait()
        with pytest.raises(asyncio.CancelledError):
            await connecting


@pytest.mark.parametrize("wire", [b"\x00\x00", b"\x20\x02\x00\x05", b"\xe0\x01\xee", b"\xd0\x00\xc0\x00"])
async def test_what_answers_connect_in_no_mqtt_5_ends_the_attempt(wire: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.expect(mqtt5.ConnectPacket)
        await peer.send(wire)
        await peer.hung_up()

    async with scripted_server(script) as server, asyncio.timeout(60):
        with pytest.raises(Disconnected) as end:
            await Session.connect(server, options())
    assert end.value.reason is DisconnectReason.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x32\x04\x00\x50AB", DisconnectReason.PROTOCOL_ERROR),  # a topic longer than its packet
        (b"\x32\xff\xff\xff\x7f", DisconnectReason.PACKET_TOO_LARGE),  # 256 MiB to come
        (mqtt5.PubCompPacket(1).write(), DisconnectReason.PROTOCOL_ERROR),  # valid, and out of place
        (b"\xe0\x01\x8e", DisconnectReason.SESSION_TAKEN_OVER),
        (b"\xe0\x01\x8b", DisconnectReason.SERVER_DISCONNECTED),  # shutting down
        (b"", DisconnectReason.CONNECTION_LOST),
    ],
)
async def test_however_it_ends_the_reason_is_told_and_only_qos_0_is_still_handed_out(
    wire: bytes, reason: DisconnectReason
) -> None:
    """At QoS 1 it comes again; at QoS 0 it does not, and would be lost here."""

    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        await peer.send(publish(0), publish(1, qos=0), publish(2), wire)

    async with scripted_server(script) as server, asyncio.timeout(60):
        session = await Session.connect(server, options())
        await session.disconnected.wait()
        [hasty] = await session.batch(10)
        assert hasty.payload == b"1 "
        assert (await end_of(session)).reason is reason
        assert session.reason is not None


async def test_packets_may_arrive_a_byte_at_a_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        for byte in publish(7, size_bytes=200).write() + publish(8).write():
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await peer.hung_up()

    async with scripted_server(script) as server, asyncio.timeout(60):
        session = await Session.connect(server, options())
        messages = [*await session.batch(1), *await session.batch(1)]
        await session.close()
    assert [message.payload for message in messages] == [b"7 " + b"x" * 200, b"8 "]


@pytest.mark.parametrize("bound", [{"receive_max": 50}, {"receive_max": 65_535, "buffer_bytes_max": 50_000}])
async def test_a_server_that_ignores_our_limits_is_held_back_and_loses_nothing(bound: dict[str, int]) -> None:
    held_back = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        for number in range(20_000):
            try:
                async with asyncio.timeout(0.3):
                    await peer.send(publish(number, size_bytes=1_000))
            except TimeoutError:  # written, but the sockets are full: 20 MB do not fit into them
                held_back.set()
                await peer.drained()
        await peer.hung_up()

    async with scripted_server(script) as server, asyncio.timeout(60):
        session = await Session.connect(server, options(**bound))
        await held_back.wait()
        await until(lambda: session.buffered >= 50)  # where nobody ran for that long, nothing was held back yet
        assert 50 <= session.buffered <= 50 + 256 * 1024 // 1_000  # the bound, and one read of the socket
        received = 0
        while received < 20_000:
            numbers = [int(message.payload.split()[0]) for message in await session.batch(500)]
            assert numbers == list(range(received, received + len(numbers)))
            received += len(numbers)
        await session.close()


async def test_a_server_that_falls_silent_is_given_up_after_one_and_a_half_keep_alives() -> None:
    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        await peer.expect(mqtt5.PingReqPacket)
        await peer.hung_up()

    async with scripted_server(script) as server:
        session = await Session.connect(server, options(keep_alive_s=1))
        end = await end_of(session)
    assert end.reason is DisconnectReason.PEER_SILENT


async def test_pings_are_sent_as_often_as_the_server_wants_and_their_answers_keep_the_connection() -> None:
    pings = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        await peer.expect(mqtt5.ConnectPacket)
        await peer.send(mqtt5.ConnAckPacket(server_keep_alive=1))
        asked = await peer.expect(mqtt5.SubscribePacket)
        await peer.send(mqtt5.SubAckPacket(asked.packet_id, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * 2))
        while isinstance(await peer.read(), mqtt5.PingReqPacket):
            pings.release()
            await peer.send(mqtt5.PingRespPacket())

    async with scripted_server(script) as server, asyncio.timeout(60):
        session = await Session.connect(server, options(keep_alive_s=600))
        for _ in range(4):  # two seconds: beyond what silence would be forgiven
            await pings.acquire()
        assert session.reason is None
        await session.close()


async def test_silence_counts_only_while_we_listen() -> None:
    """Held back by our own flow control, the server's answers lie unread: that does not make it dead."""
    pings = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        await peer.send(*(publish(number) for number in range(11)))
        while isinstance(await peer.read(), mqtt5.PingReqPacket):
            pings.release()

    async with scripted_server(script) as server, asyncio.timeout(60):
        session = await Session.connect(server, options(keep_alive_s=1))
        for _ in range(5):
            await pings.acquire()
        assert session.reason is None
        assert len(await session.batch(11)) == 11
        await pings.acquire()  # the silence begins to count now, and not when we stopped listening
        assert (await end_of(session)).reason is DisconnectReason.PEER_SILENT


async def test_mqtts_speaks_tls_with_a_server_that_we_trust_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: Peer) -> None:
        await peer.serve_subscription()
        await peer.send(publish(1))
        await peer.hung_up()

    certificate, context = self_signed(tmp_path)
    async with scripted_server(script, tls=context) as server, asyncio.timeout(60):
        assert str(server).startswith("mqtts://")
        with pytest.raises(ConnectFailed, match="certificate"):
            await Session.connect(server, options())
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        session = await Session.connect(server, options())
        assert [message.payload for message in await session.batch(1)] == [b"1 "]
        await session.close()


@pytest.mark.parametrize("changes", [{"receive_max": 0}, {"receive_max": 65_536}, {"client_id": ""}, {"filters": ()}])
def test_options_that_no_broker_accepts_are_refused_at_once(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"receive_max|needs"):
        options(**changes)


def test_qos_2_is_refused() -> None:
    with pytest.raises(ValueError, match="QoS 2"):
        Filter("a", qos=2)
