"""The other end of MQTT: paho as an independent device, and a scripted server for what no real broker does on demand."""

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

import mqtt5
from paho.mqtt import publish as paho_publish
from paho.mqtt.enums import MQTTProtocolVersion

from services.chassis.mqtt import MqttUrl

Script = Callable[["Peer"], Awaitable[None]]
_P = TypeVar("_P")


async def publish_all(
    broker_url: str, topic: str, payloads: Iterable[bytes], *, qos: int = 1, retain: bool = False
) -> None:
    """Publish with paho, in order, and return once the broker has acknowledged all (QoS 1)."""
    url = MqttUrl.parse(broker_url)
    await asyncio.to_thread(
        paho_publish.multiple,
        [(topic, payload, qos, retain) for payload in payloads],
        hostname=url.host,
        port=url.port,
        client_id=f"test-{uuid.uuid4().hex}",
        protocol=MQTTProtocolVersion.MQTTv5,
    )


class Peer:
    """One connection, as the scripted server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._data = b""

    async def read(self) -> mqtt5.Packet:
        """The client's next packet."""
        while True:
            with contextlib.suppress(IndexError):
                packet, size = mqtt5.read(memoryview(self._data))
                self._data = self._data[size:]
                return packet
            chunk = await self._reader.read(65_536)
            if not chunk:
                raise ConnectionResetError("the client has hung up")
            self._data += chunk

    async def expect(self, kind: type[_P]) -> _P:
        """The client's next packet, which must be of this kind."""
        packet = await self.read()
        assert isinstance(packet, kind), packet
        return packet

    async def send(self, *packets: mqtt5.Packet | bytes) -> None:
        """Write packets, or bytes as they are; waits while the client does not read."""
        self._writer.write(b"".join(p if isinstance(p, bytes) else p.write() for p in packets))
        await self._writer.drain()

    async def drained(self) -> None:
        """Return once the client has read nearly all that was sent."""
        await self._writer.drain()

    async def acknowledge(
        self, message: mqtt5.PublishPacket, reason: mqtt5.PubAckReasonCode = mqtt5.PubAckReasonCode.SUCCESS
    ) -> None:
        """PUBACK."""
        assert message.packet_id is not None
        await self.send(mqtt5.PubAckPacket(message.packet_id, reason_code=reason))

    async def welcome(self, *, session_present: bool = False) -> mqtt5.ConnectPacket:
        """CONNECT → CONNACK."""
        hello = await self.expect(mqtt5.ConnectPacket)
        await self.send(mqtt5.ConnAckPacket(session_present=session_present))
        return hello

    async def serve_subscription(self, *, session_present: bool = False) -> mqtt5.ConnectPacket:
        """CONNECT → CONNACK, SUBSCRIBE → SUBACK, everything granted."""
        hello = await self.welcome(session_present=session_present)
        asked = await self.expect(mqtt5.SubscribePacket)
        granted = [mqtt5.SubAckReasonCode(int(wanted.max_qos)) for wanted in asked.topic_filters]
        await self.send(mqtt5.SubAckPacket(asked.packet_id, granted))
        return hello

    async def hung_up(self) -> None:
        """Return when the client has said DISCONNECT or is gone, whatever else it sends."""
        with contextlib.suppress(ConnectionError):
            while not isinstance(await self.read(), mqtt5.DisconnectPacket):
                pass


@contextlib.asynccontextmanager
async def scripted_server(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[MqttUrl]:
    """A server that runs `script` for each connection, closes it afterwards, and fails the test if a script failed."""
    failures: list[Exception] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(Peer(reader, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client hung up, or the test is over
        except Exception as error:  # noqa: BLE001 -- the test's, raised when it leaves the server
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        port = server.sockets[0].getsockname()[1]
        yield MqttUrl("localhost" if tls else "127.0.0.1", port, tls=tls is not None)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
    if failures:
        raise failures[0]
